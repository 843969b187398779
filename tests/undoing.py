"""What the tables hold, to the last column; and whether an undo leaves them as they were before a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Model

from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.models import Run as RunRecord
from nsync.undo import undo
from tests.agreeing import Example, Run, Variant, _make, _run, _undone

Tables = dict[str, dict[Any, dict[str, Any]]]  # label → primary key → column → value


def tables(names: Collection[str] = ()) -> Tables:
    """Read every table of the test app (or of some models), those between too, and what nsync remembers of keys."""
    every = apps.get_app_config("testapp").get_models(include_auto_created=True)
    chosen = [model for model in every if not names or (model._meta.auto_created or model).__name__ in names]
    models = [*chosen, ExternalKeyMapping, ExternalSystem]
    with_table = [model for model in models if model._meta.managed and not model._meta.proxy]
    held = holding_rows([model._meta.db_table for model in with_table])
    return {model._meta.label: _rows(model) if model._meta.db_table in held else {} for model in with_table}


def holding_rows(names: Sequence[str]) -> frozenset[str]:
    """Give the tables that hold any row: most hold none, and to ask about all of them costs one query."""
    holds = ", ".join(f"EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {holds}")
        return frozenset(compress(names, cursor.fetchone()))


def _rows(model: type[Model]) -> dict[Any, dict[str, Any]]:
    names = [field.attname for field in model._meta.local_concrete_fields]
    rows = (dict(zip(names, values, strict=True)) for values in model._base_manager.values_list(*names))
    return {row[model._meta.pk.attname]: row for row in rows}


def differences(before: Tables, after: Tables) -> str:
    """Say which rows differ; nothing if none does."""
    found = []
    for label, rows in before.items():
        for pk in {**rows, **after[label]}:
            old, new = rows.get(pk), after[label].get(pk)
            if old != new:
                found.append(f"{label} {pk}: wanted {old}, found {new}")
    return "\n".join(found)


def check_undo(example: Example, variants: Collection[Variant]) -> None:
    """Run an example; undo its last run, and undo that; compare every table with what it was."""
    for variant in variants:
        with _undone():
            _make(example.start)
            *earlier, last = example.runs
            for run in earlier:
                _run(run, variant)
            _check(example, last, variant)


def _check(example: Example, last: Run, variant: Variant) -> None:
    before = tables()
    told = _run(Run(last.files, {**last.options, "record": "changes"}, last.policy), variant)
    if told.raised or not told.committed:
        assert not differences(before, tables())
        return
    after = tables()
    first = RunRecord.objects.latest("pk")
    for run, wanted in ((first.pk, before), (None, after), (None, before)):
        report = undo(run or RunRecord.objects.latest("pk").pk)
        wrong = differences(wanted, tables()).splitlines()
        wrong += [f"left {one.row.label} {one.row.pk} {one.field}: {one.reason}" for one in report.left]
        assert wrong == [], "\n".join([f"{example}\n\n{variant}", *wrong])
