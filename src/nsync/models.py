"""What nsync remembers between runs: the systems, which of their keys means which object, and what each run did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

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


class Run(models.Model):
    """One run, or the undoing of one: who asked for what, and how it ended. Its key increases from run to run."""

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        APPLIED = "applied", "applied"
        WITH_REJECTS = "applied with rejects", "applied with rejects"
        ROLLED_BACK = "rolled back", "rolled back"
        FAILED = "failed", "failed"
        STOPPED = "stopped by guard", "stopped by guard"
        UNDONE = "undone", "undone"

    id = models.BigAutoField(primary_key=True, verbose_name="ID")
    status = models.CharField(max_length=20, choices=Status, default=Status.RUNNING)
    started = models.DateTimeField(default=timezone.now)
    ended = models.DateTimeField(null=True, blank=True)
    user = models.CharField(max_length=150, blank=True, help_text="The user of the operating system.")
    host = models.CharField(max_length=255, blank=True)
    command = models.TextField(blank=True, help_text="The command line; empty if code asked for the run.")
    policy = models.CharField(max_length=255, blank=True)
    system = models.TextField(blank=True, help_text="Names of the systems, as text: they may be gone by now.")
    model = models.TextField(blank=True, help_text="Labels of the models, such as myapp.Person.")
    options = models.JSONField(default=dict, blank=True, help_text="What was asked for, as far as not the default.")
    sources = models.JSONField(default=list, blank=True, help_text="Name, size, SHA-256 and rows of each source.")
    outcomes = models.JSONField(default=dict, blank=True, help_text="Outcome → rows.")
    warnings = models.JSONField(default=dict, blank=True, help_text="Code → warnings.")
    displaced = models.BigIntegerField(default=0)
    seconds = models.FloatField(null=True, blank=True)
    queries = models.BigIntegerField(null=True, blank=True)
    peak_memory = models.BigIntegerField(null=True, blank=True, help_text="Bytes, of the whole process.")
    recorded = models.CharField(
        max_length=10, blank=True, help_text="What is kept: changes, part of them (part), rows or summary."
    )
    error = models.TextField(blank=True, help_text="What ended the run early.")
    undoes = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="undone_by")

    class Meta:
        verbose_name = "run"
        verbose_name_plural = "runs"
        # After each run the old ones are looked for of which more is kept than should be; as a rule there are none.
        indexes: ClassVar = [models.Index(fields=["recorded", "started"], name="nsync_run_kept_idx")]

    def __str__(self) -> str:
        return f"run {self.pk}"


class RowOutcome(models.Model):
    """One thing that there is to say of a row of a run that is not plain success."""

    id = models.BigAutoField(primary_key=True, verbose_name="ID")
    run = models.ForeignKey(Run, models.CASCADE, related_name="row_outcomes")
    source = models.IntegerField(help_text="Which source of the run, from 0.")
    line = models.BigIntegerField()
    outcome = models.CharField(max_length=10)
    code = models.CharField(max_length=50)
    column = models.TextField(blank=True)
    value = models.TextField(blank=True)
    message = models.TextField(blank=True)

    class Meta:
        verbose_name = "row outcome"
        verbose_name_plural = "row outcomes"

    def __str__(self) -> str:
        return f"{self.run} line {self.line}: {self.code}"


class RecordedChange(models.Model):
    """
    What a run changed in one row of a table, or in many that it created or deleted together (a block).

    In the order of their keys they lead from the database before the run to the one after it. Values are JSON, by
    attname, as `nsync.record.values` writes them; of a block, `after` names the columns.
    """

    class Kind(models.TextChoices):
        INSERT = "insert", "insert"
        UPDATE = "update", "update"
        DELETE = "delete", "delete"

    id = models.BigAutoField(primary_key=True, verbose_name="ID")
    run = models.ForeignKey(Run, models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=6, choices=Kind)
    model = models.CharField(max_length=200, help_text="Label of the model of the table.")
    object_id = ExactCharField(max_length=255, blank=True, help_text="Its primary key, as text; empty in a block.")
    first_id = ExactCharField(max_length=255, blank=True, help_text="The lowest primary key in a block.")
    last_id = ExactCharField(max_length=255, blank=True, help_text="The highest.")
    count = models.IntegerField(default=1)
    source = models.IntegerField(null=True, blank=True, help_text="Which source of the run, from 0.")
    line = models.BigIntegerField(null=True, blank=True, help_text="Of a block the line of its first row.")
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    block = models.TextField(blank=True, help_text="Primary keys, lines and columns of many rows, compressed.")

    class Meta:
        verbose_name = "recorded change"
        verbose_name_plural = "recorded changes"
        indexes: ClassVar = [models.Index(fields=["model", "object_id"], name="nsync_change_object_idx")]

    def __str__(self) -> str:
        return f"{self.run}: {self.kind} {self.model} {self.object_id or f'({self.count})'}"


class Checkpoint(models.Model):
    """
    What one committed batch has added to what a run knows: from these the run goes on if it is interrupted.

    Only of runs that commit each batch, and only until they are finished; see `nsync.record.checkpoint`.
    """

    id = models.BigAutoField(primary_key=True, verbose_name="ID")
    run = models.ForeignKey(Run, models.CASCADE, related_name="checkpoints")
    kind = models.CharField(max_length=10, help_text="What the content is about; position: where the run stands.")
    content = models.TextField(help_text="JSON; compressed, but for the position.")

    class Meta:
        verbose_name = "checkpoint"
        verbose_name_plural = "checkpoints"

    def __str__(self) -> str:
        return f"{self.run}: {self.kind}"
