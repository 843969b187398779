"""
Models that the benchmarks sync. They have no migrations: their tables are made by ``run_syncdb``.

What stands here must also work with the Django of 2021 that django-nsync 0.4 needs.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any, ClassVar

from django.db import models
from django.db.models.signals import post_save
from django.dispatch import receiver

SAVED: Counter[str] = Counter()  # model → how often its receiver was called in this process


class AnyPerson(models.Model):
    employee_id = models.CharField(max_length=20, unique=True)
    first_name = models.CharField(max_length=50)
    last_name = models.CharField(max_length=50, blank=True)
    age = models.IntegerField(null=True, blank=True)
    email = models.CharField(max_length=100, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Person(AnyPerson):
    pass


class UUIDPerson(AnyPerson):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)


class ReceivedPerson(AnyPerson):
    """A person somebody listens to when it is saved."""


class House(models.Model):
    address = models.CharField(max_length=100, unique=True)
    floors = models.IntegerField(null=True, blank=True)
    owner = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="houses")

    def __str__(self) -> str:
        return self.address


class Pair(models.Model):
    """What two columns name together."""

    series = models.CharField(max_length=20)
    number = models.CharField(max_length=20)
    amount = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["series", "number"], name="benchmarks_pair_uniq")]

    def __str__(self) -> str:
        return f"{self.series} {self.number}"


class AnyWide(models.Model):
    code = models.CharField(max_length=20, unique=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.code


# Sixty columns: the code, and these.
WIDE: dict[str, models.Field[Any, Any]] = {
    **{f"text_{number}": models.CharField(max_length=50, blank=True) for number in range(1, 31)},
    **{f"number_{number}": models.IntegerField(null=True, blank=True) for number in range(1, 21)},
    **{f"day_{number}": models.DateField(null=True, blank=True) for number in range(1, 10)},
}
Wide = type("Wide", (AnyWide,), {"__module__": __name__, **WIDE})


@receiver(post_save, sender=ReceivedPerson)
def count_saved(sender: type[models.Model], **others: object) -> None:
    """Listen: the least that a receiver can do."""
    SAVED[sender.__name__] += 1
