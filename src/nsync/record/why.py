"""Why: which run, source and line made an object what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Model

from nsync.changes import ChangeKind
from nsync.conf import hidden_columns
from nsync.equality import same
from nsync.errors import ConfigError
from nsync.fields import concrete_model
from nsync.models import ExternalKeyMapping, Run
from nsync.record.journal import text_of
from nsync.record.reading import changes_of_row, find_run
from nsync.recording import KeptRow


class Cause(NamedTuple):
    """What a run did to one row of a table."""

    run: Run
    row: KeptRow


class FieldCause(NamedTuple):
    """A field of an object, and what last set it."""

    name: str
    attname: str
    label: str  # of the model of its table: of an inherited field a parent
    cause: Cause | None  # None: as far as is kept, no run
    is_hidden: bool  # the values are not kept
    is_later: bool  # the object has another value by now, which no run that is kept wrote
    present: object  # of an object that is gone None, but for its primary key


class MappingCause(NamedTuple):
    """A key that means an object, and what made it do so."""

    system: str
    key: str
    label: str  # of the model that the key is mapped to: the object's own, or a parent
    cause: Cause | None


@dataclass(frozen=True)
class Explanation:
    """Why an object is as it is."""

    label: str
    pk: str
    is_there: bool
    deletion: Cause | None  # of an object that is gone
    fields: list[FieldCause]
    mappings: list[MappingCause]
    undone: frozenset[int]  # the runs that are named here and were taken back


def explain(model: type[Model], pk: str, using: str, name: str = "") -> Explanation:
    """
    Say what made an object what it is.

    Args:
        model: Of the object, which may be gone.
        pk: Its primary key, as text.
        using: Alias of the database.
        name: Of the one field that matters; "": all.

    Raises:
        ConfigError: The model has no such field; or there is no such object, and no run that is kept changed one.

    Queries: one for the object, one for its mappings; and for each of its tables and each mapping those of
    `nsync.record.reading.changes_of_row`, back to the change that created the row, and one for each run.
    """
    model = concrete_model(model)
    columns = [find_column(model, name)] if name else list(model._meta.concrete_fields)
    key = _key(model, pk)
    present = model._base_manager.using(using).filter(pk=key).values(*_names(model)).first()
    past = _Past(using)
    tables = past.tables(model, text_of(key), present or {})
    if present is None and not any(past.of(*table) for table in tables.items()):
        raise ConfigError(f"there is no {model._meta.label} {pk}, and no run that is kept changed one")
    fields = [past.field(column, tables, present) for column in columns]
    mappings = list(past.mappings(tables))
    deletion = None if present is not None else past.deletion(model._meta.label, text_of(key))
    return Explanation(model._meta.label, text_of(key), present is not None, deletion, fields, mappings, past.undone())


def find_column(model: type[Model], name: str) -> Any:
    """
    Give the field that is meant by its name, or that of its column.

    Raises:
        ConfigError: There is none; or it is no column of the object.
    """
    columns = {field.name: field for field in model._meta.concrete_fields}
    named = {"pk": model._meta.pk, **{field.attname: field for field in columns.values()}, **columns}
    if name in named:
        return named[name]
    for relation in model._meta.many_to_many:
        if relation.name == name:
            through = relation.remote_field.through._meta.label  # type: ignore[union-attr]  # once models are loaded
            raise ConfigError(f"{name} is a many-to-many relation: its rows are objects of {through}, ask for those")
    close = get_close_matches(name, named, 1)
    hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(columns)}"
    raise ConfigError(f"{model._meta.label} has no field {name!r}{hint}")


class _Past:
    """
    What runs did to the rows of an object's tables, read once.

    Args:
        using: Alias of the database.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._hidden = hidden_columns()
        self._runs: dict[int, Run] = {}
        self._lives: dict[tuple[str, str], list[Cause]] = {}

    def of(self, label: str, pk: str) -> list[Cause]:
        """Give what was done to a row since it was created last, the newest first; the deletion too."""
        if (label, pk) not in self._lives:
            life: list[Cause] = []
            for run, row in changes_of_row(label, pk, self._using):
                if row.kind is ChangeKind.DELETE and life:
                    break  # created again since, by nobody who keeps a record
                life.append(Cause(self._run(run), row))
                if row.kind is ChangeKind.INSERT:
                    break
            self._lives[label, pk] = life
        return self._lives[label, pk]

    def tables(self, model: type[Model], pk: str, present: Mapping[str, object]) -> dict[str, str]:
        """Give the labels of an object's tables, its own first, each with the primary key of its row there."""
        found = {model._meta.label: pk}
        for parent, link in model._meta.parents.items():
            if link is not None and link.model is model:
                value = pk if link.primary_key else self._link(model._meta.label, pk, link.attname, present)
                if value:
                    found.update(self.tables(concrete_model(parent), value, present))
        return found

    def _link(self, label: str, pk: str, attname: str, present: Mapping[str, object]) -> str:
        """Give the key of a parent's row; "" if nobody knows."""
        if attname in present:
            return text_of(present[attname])
        for _, row in self.of(label, pk):
            values = {**row.before, **row.after}
            if attname in values:
                return text_of(values[attname])
        return ""

    def field(self, column: Any, tables: Mapping[str, str], present: Mapping[str, object] | None) -> FieldCause:
        """Say what last set a field."""
        name, label = column.attname, column.model._meta.label
        life = self.of(label, tables[label]) if label in tables else []
        cause = next((cause for cause in _of_what_is_there(life, present) if _sets(cause.row, name)), None)
        known = {} if present is None else present
        value = known.get(name, tables.get(label) if column.primary_key else None)
        is_hidden = name in self._hidden.get(label, ()) or (cause is not None and name in cause.row.hidden)
        is_known = cause is not None and name in cause.row.after and present is not None
        is_later = is_known and cause is not None and not same(column, cause.row.after[name], value)
        return FieldCause(column.name, name, label, cause, is_hidden, is_later, value)

    def mappings(self, tables: Mapping[str, str]) -> Iterator[MappingCause]:
        """Say what made the mappings that mean an object, as itself or as one of its parents."""
        found = ExternalKeyMapping._base_manager.using(self._using).select_related("external_system")
        for label, pk in tables.items():
            app, _, name = label.rpartition(".")
            of_table = found.filter(content_type__app_label=app, content_type__model=name.lower(), object_id=pk)
            for mapping in of_table.order_by("external_system__name", "external_key"):
                life = self.of(ExternalKeyMapping._meta.label, text_of(mapping.pk))
                cause = next((cause for cause in life if cause.row.after.get("object_id") == mapping.object_id), None)
                yield MappingCause(mapping.external_system.name, mapping.external_key, label, cause)

    def deletion(self, label: str, pk: str) -> Cause | None:
        """Say what deleted a row that is gone."""
        newest = self.of(label, pk)[:1]
        return newest[0] if newest and newest[0].row.kind is ChangeKind.DELETE else None

    def undone(self) -> frozenset[int]:
        """Give the runs that were read and were taken back."""
        return frozenset(pk for pk, run in self._runs.items() if run.status == Run.Status.UNDONE)

    def _run(self, pk: int) -> Run:
        if pk not in self._runs:
            self._runs[pk] = find_run(self._using, pk)
        return self._runs[pk]


def _of_what_is_there(life: Sequence[Cause], present: Mapping[str, object] | None) -> Sequence[Cause]:
    """Leave out what came before a deletion, if the object is there again."""
    is_again = present is not None and life and life[0].row.kind is ChangeKind.DELETE
    return () if is_again else life


def _sets(row: KeptRow, name: str) -> bool:
    """Whether a change set a column: whoever creates a row sets all of them."""
    if row.kind is ChangeKind.DELETE:
        return False
    return row.kind is ChangeKind.INSERT or name in row.after or name in row.hidden


def _key(model: type[Model], given: str) -> object:
    try:
        return model._meta.pk.to_python(given)
    except ValidationError as error:
        raise ConfigError(f"{given!r} is no primary key of {model._meta.label}: {' '.join(error.messages)}") from None


def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
