"""Whether a dry run agrees with the run: what it says of each row, and each old and new value that it shows (O4)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

from django.apps import apps
from django.db import connection
from django.db.models import SET_NULL, Model

from nsync import accounts
from nsync.changes import ChangeKind
from nsync.errors import NsyncError
from nsync.fields import concrete_model, field_of, is_refilled
from nsync.models import ExternalKeyMapping, ExternalSystem, RecordedChange
from nsync.models import Run as RunRecord
from nsync.record.journal import kept_rows, model_of
from nsync.record.report import Report
from nsync.recording import KeptRow
from tests.agreeing import REFERENCE, Example, Run, Variant, _make, _report, _run, _told, _undone
from tests.undoing import Tables, differences, holding_rows, tables

# Primary keys that a database gives differ from one run to the next, and messages name them.
_NUMBERS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
_NEW = "(new)"


class Shown(NamedTuple):
    """One field of one object, as one row changes it."""

    source: int
    line: int
    table: type[Model]  # of a parent by inheritance, where the column is there
    pk: str
    name: str
    old: object
    new: object

    def __str__(self) -> str:
        place = f"file {self.source + 1}, line {self.line}"
        return f"{place}: {self.table.__name__} {self.pk} {self.name}: {self.old!r} → {self.new!r}"


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Read every row of every table; those that hold none are left out."""
    found = {}
    with connection.cursor() as cursor:
        for name in holding_rows(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            found[name] = sorted(cursor.fetchall(), key=repr)
    return found


def check_dry_run(example: Example, models: Collection[str], variants: Collection[Variant]) -> None:
    """
    Run an example, its last run as a dry run first; compare what that shows with what the run then records.

    Args:
        example: What is there, and what is run.
        models: Names of all models of the test app whose objects the runs can touch.
        variants: How it is run.
    """
    for variant in variants:
        with _undone():
            _make(example.start)
            *earlier, last = example.runs
            for run in earlier:
                _run(run, variant)
            wrong = list(_wrong(last, models, variant))
            assert wrong == [], "\n".join([f"{example}\n\n{variant}", *wrong])


def _wrong(run: Run, models: Collection[str], variant: Variant) -> Iterator[str]:
    raw, before = everything(), tables(models)
    with patch.object(accounts, "_DIFFS", 1_000_000):  # those beyond the first few are the same ones, kept
        dry = _outcome(run, variant, dry_run=True)
    if everything() != raw:
        yield f"the dry run has left something:\n{differences(before, tables(models))}"
    real = _outcome(run, variant, dry_run=False, record="changes")
    if isinstance(dry, NsyncError) or isinstance(real, NsyncError):
        if type(dry) is not type(real) or str(dry) != str(real):
            yield f"foreseen {dry!r}, happened {real!r}"
        return
    yield from _told_otherwise(dry, real)
    if dry.changed_fields != Counter(_label(diff.target, diff.field) for diff in dry.diffs):
        yield f"the fields are counted as {dry.changed_fields}"
    if real.committed and not real.last_committed:  # of an interrupted run only the batches that stay are recorded
        recorded = [row for change in _recorded() for row in kept_rows(change)]
        is_exact = variant.engine == REFERENCE.engine
        may_be_taken_back = not is_exact and not differences(before, tables(models))
        yield from _wrote_otherwise(dry, recorded, may_be_taken_back=may_be_taken_back)
        compare = _differs_by_row if is_exact else _differs_in_the_end
        yield from compare(_shown(dry), recorded, before)


def _outcome(run: Run, variant: Variant, **options: Any) -> Report | NsyncError:
    try:
        return _report(Run(run.files, {**run.options, **options}, run.policy), variant)
    except NsyncError as error:
        return error


def _recorded() -> Iterable[RecordedChange]:
    return RecordedChange.objects.filter(run=RunRecord.objects.latest("pk")).order_by("pk")


def _told_otherwise(dry: Report, real: Report) -> Iterator[str]:
    """Everything that a report says, but for what is said of the transaction, and of times and queries."""
    first, second = (
        _told(one)._replace(status="", committed=False, foreseen=None, constraints="") for one in (dry, real)
    )
    if difference := first.difference(second):
        yield f"told otherwise: {difference}"
    for name, say in _SAID.items():
        foreseen, happened = say(dry), say(real)
        if foreseen != happened:
            yield f"{name}: foreseen {foreseen}, happened {happened}"
    if (dry.status, dry.dry_run, dry.committed, dry.last_committed) != ("dry run", True, False, ""):
        yield f"the dry run calls itself {dry.status}, committed: {dry.committed}"


def _details(report: Report) -> list[object]:
    return [
        (entry.source, entry.line, sorted((*one._replace(message=_masked(one.message)),) for one in entry.problems))
        for entry in report.details()
    ]


def _masked(text: str) -> str:
    return _NUMBERS.sub("#", text)


_SAID: dict[str, Any] = {
    "details": _details,
    "counts": lambda report: report.counts,
    "warnings": lambda report: report.warnings,
    "errors": lambda report: report.errors,
    "reasons": lambda report: report.reasons,
    "sources": lambda report: [(source.rows, source.outcomes) for source in report.sources],
    "error": lambda report: _masked(report.error),
}


def _wrote_otherwise(dry: Report, recorded: Collection[KeptRow], *, may_be_taken_back: bool) -> Iterator[str]:
    """``--check``: a new system alone is nothing that a run writes; what many rows do may come to nothing."""
    wrote = any(row.label != ExternalSystem._meta.label for row in recorded)
    if wrote and not dry.writes:
        yield "the dry run says that nothing would be written"
    if dry.writes and not wrote and not may_be_taken_back:
        yield "the dry run says that something would be written"


def _label(target: str, field: str) -> str:
    return f"{_model(target)._meta.label}.{field}"


def _model(target: str) -> type[Model]:
    """Give the model of an object, which a dry run names in words."""
    words = target.rsplit(" ", 1)[0]
    models = apps.get_app_config("testapp").get_models()
    (model,) = (model for model in models if not model._meta.proxy and str(model._meta.verbose_name) == words)
    return model


def _shown(dry: Report) -> list[Shown]:
    found = []
    for diff in dry.diffs:
        table = field_of(_model(diff.target), diff.field).model
        pk = diff.target.rsplit(" ", 1)[1]
        found.append(Shown(diff.source, diff.line, table, pk, diff.field, diff.old, diff.new))
    return found


def _updates(recorded: Iterable[KeptRow]) -> Iterator[Shown]:
    """Give what was recorded of objects that were there: but for columns that fill themselves at each save."""
    for row in recorded:
        model = model_of(row.label)
        if row.kind is not ChangeKind.UPDATE or model is ExternalKeyMapping or model is None:
            continue
        for name, old in row.before.items():
            if not is_refilled(field_of(model, name)):
                yield Shown(row.source, row.line, model, str(row.pk), name, old, row.after[name])


def _differs_by_row(shown: Iterable[Shown], recorded: Collection[KeptRow], before: Tables) -> Iterator[str]:
    """Row by row, each change of each field is the same, but for fields that a deletion elsewhere empties."""
    created = {(row.source, row.line) for row in recorded if row.kind is ChangeKind.INSERT}
    gone = {(row.source, row.line, row.label, str(row.pk)) for row in recorded if row.kind is ChangeKind.DELETE}

    def emptied(one: Shown) -> Shown:
        """What a deletion of the same row empties is not shown: only what the row then sets."""
        link = field_of(one.table, one.name)
        if not _is_emptied(link):
            return one
        target = concrete_model(link.related_model)._meta.label
        return one._replace(old=None) if (one.source, one.line, target, str(one.old)) in gone else one

    def counted(changes: Iterable[Shown]) -> Counter[Shown]:
        named = (_named(one, before) for one in _joined(changes, by_row=True))
        # A row that creates an object and sets it again is recorded as having created it so.
        return Counter(one for one in named if one.pk != _NEW or (one.source, one.line) not in created)

    foreseen, happened = counted(shown), counted(map(emptied, _updates(recorded)))
    yield from (f"shown, and not written: {one}" for one in foreseen - happened)
    yield from (f"written, and not shown: {one}" for one in happened - foreseen)


def _differs_in_the_end(shown: Iterable[Shown], recorded: Collection[KeptRow], before: Tables) -> Iterator[str]:
    """Of an object that many rows change together, only what they make of it is recorded."""
    gone = {(row.label, str(row.pk)) for row in recorded if row.kind is ChangeKind.DELETE}
    tables_with_gone = {label for label, _ in gone}

    def is_comparable(one: Shown) -> bool:
        label, link = one.table._meta.label, field_of(one.table, one.name)
        is_emptied = _is_emptied(link) and concrete_model(link.related_model)._meta.label in tables_with_gone
        return one.pk != _NEW and (label, one.pk) not in gone and not is_emptied

    def counted(changes: Iterable[Shown]) -> Counter[Shown]:
        named = (_named(one, before)._replace(source=0, line=0) for one in _joined(changes, by_row=False))
        return Counter(filter(is_comparable, named))

    foreseen, happened = counted(shown), counted(_updates(recorded))
    yield from (f"shown, and not written: {one}" for one in foreseen - happened)
    yield from (f"written, and not shown: {one}" for one in happened - foreseen)


def _is_emptied(field: Any) -> bool:
    return bool(field.remote_field) and field.remote_field.on_delete is SET_NULL


def _joined(changes: Iterable[Shown], *, by_row: bool) -> list[Shown]:
    """Bring together what is done to one field, from the first old value to the last new one."""
    joined: dict[object, Shown] = {}
    for one in changes:
        one = one._replace(old=_comparable(one.old), new=_comparable(one.new))
        where = one[:5] if by_row else one[2:5]
        joined[where] = joined.get(where, one)._replace(new=one.new)
    return [one for one in joined.values() if one.old != one.new]


def _comparable(value: object) -> object:
    """JSON and lists tell apart what Python does not, and have no hash."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def _named(one: Shown, before: Tables) -> Shown:
    """Call an object that was not there before by no key: the database gives it another one the next time."""
    link = field_of(one.table, one.name)
    if link.remote_field and link.target_field.primary_key:
        label = concrete_model(link.related_model)._meta.label
        one = one._replace(old=_known(one.old, label, before), new=_known(one.new, label, before))
    return one._replace(pk=_known(one.pk, one.table._meta.label, before))


def _known(pk: Any, label: str, before: Tables) -> Any:
    return pk if pk is None or str(pk) in {str(known) for known in before.get(label, ())} else _NEW
