"""Persons, the houses that they own, the cars that they drive, and the badges that they wear."""

import os

from django.core.files import File
from django.db import models


class Person(models.Model):
    first_name = models.CharField(max_length=50)
    last_name = models.CharField(max_length=50)
    age = models.IntegerField(null=True, blank=True)
    hair_colour = models.CharField(max_length=50, default="Unknown")
    employee_id = models.CharField(max_length=20, unique=True, null=True, blank=True)

    def __str__(self):
        return f"{self.first_name} {self.last_name}"


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)

    def __str__(self):
        return self.name


class House(models.Model):
    address = models.CharField(max_length=100)
    country = models.CharField(max_length=50, blank=True)
    floors = models.IntegerField(null=True, blank=True)
    owner = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="houses")
    tags = models.ManyToManyField(Tag, blank=True, related_name="houses")

    def __str__(self):
        return self.address


class Car(models.Model):
    rego_number = models.CharField(max_length=10, unique=True)
    name = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    bought = models.DateField(null=True, blank=True)
    assigned_to = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="cars")

    def __str__(self):
        return f"{self.name} ({self.rego_number})"


class Badge(models.Model):
    number = models.CharField(max_length=20, unique=True)
    holder = models.OneToOneField(Person, on_delete=models.PROTECT, null=True, blank=True, related_name="badge")
    photo = models.FileField(upload_to="badges", max_length=200, blank=True)
    photo_source = models.CharField(max_length=200, blank=True, editable=False)

    def __str__(self):
        return self.number

    @property
    def photo_filename(self):
        return self.photo_source

    @photo_filename.setter
    def photo_filename(self, path):
        with open(path, "rb") as photo:
            self.photo.save(os.path.basename(path), File(photo), save=False)
        self.photo_source = path
