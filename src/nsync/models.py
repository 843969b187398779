"""What nsync remembers between runs: the external systems, and which of their keys means which object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class ExactCharField(models.CharField):  # type: ignore[type-arg]  # it takes arguments only in the stubs
    """
    Text that every database compares exactly (rule I1).

    MariaDB and MySQL would hold ``abc``, ``ABC`` and ``äbc`` for one key, so the column gets a binary collation there.
    Not ``db_collation``: the same migration must run on databases that do not know that collation.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Add the binary collation on MariaDB and MySQL."""
        parameters: Any = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


class ExternalSystem(models.Model):
    """A computer system whose objects are kept in sync with ours."""

    # 32 bits suffice for a handful of systems, and widening the key would rewrite whatever refers to it.
    id = models.AutoField(primary_key=True, verbose_name="ID")
    name = models.CharField(
        max_length=100, unique=True, help_text="The short name by which commands and files call the system."
    )
    description = models.CharField(max_length=255, blank=True, help_text="What people call the system.")

    class Meta:
        verbose_name = "external system"
        verbose_name_plural = "external systems"

    def __str__(self) -> str:
        return self.description or self.name


class ExternalKeyMapping(models.Model):
    """One key of one system, and the object that it means (rules I1, M1)."""

    # 64 bits: a nightly run over a million rows that deletes and maps anew uses up 32 of them in six years.
    id = models.BigAutoField(primary_key=True, verbose_name="ID")
    # No single-column indexes: the two below begin with these columns (rule M1).
    external_system = models.ForeignKey(ExternalSystem, on_delete=models.CASCADE, db_index=False)
    content_type = models.ForeignKey(
        ContentType, on_delete=models.CASCADE, db_index=False, help_text="The type of object that the key means."
    )
    external_key = ExactCharField(max_length=255, help_text="The system's own id of the object.")
    object_id = ExactCharField(max_length=255, help_text="The primary key of the object, as text.")
    content_object = GenericForeignKey("content_type", "object_id")

    class Meta:
        verbose_name = "external key mapping"
        verbose_name_plural = "external key mappings"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["external_system", "content_type", "external_key"], name="nsync_mapping_key_uniq"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["content_type", "object_id"], name="nsync_mapping_object_idx")]

    def __str__(self) -> str:
        model = self.content_type.model_class()
        model_name = model.__name__ if model else f"{self.content_type.app_label}.{self.content_type.model}"
        return f"{self.external_system.name}:{self.external_key}-{model_name}:{self.object_id}"
