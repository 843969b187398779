"""What is kept of a run: that there was one, how it ended, which rows were no plain success, and what it wrote."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from nsync import Input, SyncOptions, sync, sync_all
from nsync.errors import ConfigError
from nsync.models import ExternalSystem, RecordedChange, RowOutcome
from nsync.models import Run as RunRecord
from nsync.policies import BasicSyncPolicy
from nsync.record.journal import kept_rows
from nsync.recording import KeptRow
from nsync.signals import batch_applied
from tests.agreed_relations import EXAMPLES
from tests.agreeing import Example, Run, Variant, check
from tests.plan.known import link
from tests.testapp.models import House, Parcel, Person, Stock

pytestmark = pytest.mark.django_db

HEAD = "external_key,action_flags,match_on,employee_id,first_name\n"


def run(text: str, model: Any = Person, **options: Any) -> RunRecord:
    """Sync a text, and give what is kept of that."""
    sync(io.StringIO(text), model, system="HR", options=SyncOptions(**{"record": "changes", **options}))
    return RunRecord.objects.latest("pk")


def rows(run: RunRecord) -> list[KeptRow]:
    """Give all that a run wrote, in its order."""
    return [row for change in run.changes.order_by("pk") for row in kept_rows(change)]


def told(run: RunRecord) -> list[tuple[str, str, int]]:
    """Give what a run wrote in brief: kind, model, line."""
    return [(row.kind.value, row.label.partition(".")[2], row.line) for row in rows(run)]


def test_a_run_says_who_asked_for_what_and_how_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(f"{HEAD}k1,cu*,employee_id,1,A\nk2,cu*,employee_id,2,B\n,u*,employee_id,9,C\n")
    call_command("syncfile", "HR", "testapp", "Person", str(path), on_missing_reference="error", record="rows")
    found = RunRecord.objects.get()
    assert (found.status, found.system, found.model, found.recorded) == ("applied", "HR", "testapp.Person", "rows")
    assert found.policy == "nsync.policies.BasicSyncPolicy"
    assert found.options == {"on_missing_reference": "error", "record": "rows"}
    assert found.outcomes == {"created": 2, "unmatched": 1}
    (source,) = found.sources
    assert (source["name"], source["size"], source["rows"]) == (str(path), path.stat().st_size, 3)
    assert source["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source["outcomes"] == {"created": 2, "unmatched": 1}
    assert found.user
    assert found.host
    assert found.ended is not None
    assert found.started <= found.ended
    assert min(found.seconds or 0, found.queries or 0, found.peak_memory or 0) > 0
    outcome = RowOutcome.objects.get()
    assert (outcome.source, outcome.line, outcome.outcome, outcome.code) == (0, 4, "unmatched", "no-match")


def test_every_change_is_kept_with_its_values_and_its_line() -> None:
    person = Person.objects.create(first_name="A", employee_id="1", age=40)
    link(person, "k1")
    found = run(f"{HEAD}k1,u*,employee_id,1,B\nk2,c,employee_id,2,C\n")
    assert told(found) == [
        ("update", "Person", 2),
        ("insert", "Person", 3),
        ("insert", "ExternalKeyMapping", 3),
    ] or told(found) == [
        ("insert", "Person", 3),
        ("insert", "ExternalKeyMapping", 3),
        ("update", "Person", 2),
    ]
    update = next(row for row in rows(found) if row.kind.value == "update")
    assert (update.pk, update.before["first_name"], update.after["first_name"]) == (person.pk, "A", "B")
    assert update.before.keys() == update.after.keys() == {"first_name", "modified"}


def test_an_external_system_that_the_run_made_is_kept_too() -> None:
    found = run(f"{HEAD}k1,c,employee_id,2,C\n")
    assert ("insert", "ExternalSystem", 0) in told(found)
    assert ExternalSystem.objects.count() == 1


@pytest.mark.parametrize(
    ("record", "outcomes", "changes"), [("changes", 1, True), ("rows", 1, False), ("summary", 0, False)]
)
def test_settings_and_options_say_how_much_is_kept(settings: Any, record: str, outcomes: int, changes: bool) -> None:
    text = f"{HEAD}k1,c,employee_id,1,A\n,u*,employee_id,9,C\n"
    settings.NSYNC = {"RECORD": record}
    sync(io.StringIO(text), Person, system="HR")
    by_settings = RunRecord.objects.latest("pk")
    settings.NSYNC = {"RECORD": "summary"}
    by_option = run(text.replace("k1,c,employee_id,1", "k3,c,employee_id,3"), record=record)
    for found in (by_settings, by_option):
        assert (found.recorded, found.row_outcomes.count(), found.changes.exists()) == (record, outcomes, changes)


def test_a_run_that_rolls_back_is_kept_with_its_rows_and_without_changes() -> None:
    """T4."""
    found = run(f"{HEAD}k1,c,employee_id,1,A\nk2,x,employee_id,2,B\n")
    assert (found.status, found.outcomes) == ("rolled back", {"failed": 1, "created": 1})
    assert [(row.line, row.code, row.outcome) for row in found.row_outcomes.all()] == [(3, "bad-flags", "failed")]
    assert not RecordedChange.objects.exists()


def test_a_run_that_ends_early_says_why() -> None:
    """T4, C6."""
    found = run(f'{HEAD}k1,c,employee_id,1,A\nk2,c,employee_id,2,"B\n')
    assert found.status == "failed"
    assert "a quote that opens in this record is never closed" in found.error


def test_a_run_that_raises_is_kept_as_failed() -> None:
    class Broken(BasicSyncPolicy):
        def boundary(self, using: str) -> Any:
            raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError):
        sync(io.StringIO(HEAD), Person, system="HR", policy=Broken)
    found = RunRecord.objects.get()
    assert (found.status, found.error) == ("failed", "ZeroDivisionError: no")


def test_what_is_wrong_before_the_first_row_is_no_run() -> None:
    """C6."""
    with pytest.raises(ConfigError):
        run("nothing\n1\n")
    assert not RunRecord.objects.exists()


def test_a_dry_run_leaves_nothing() -> None:
    """O4."""
    sync(io.StringIO(f"{HEAD}k1,c,employee_id,1,A\n"), Person, system="HR", options=SyncOptions(dry_run=True))
    assert not RunRecord.objects.exists()
    assert not RecordedChange.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("engine", ["objects", "bulk", "auto"])
def test_a_batch_that_is_rolled_back_leaves_no_change(engine: str) -> None:
    """T3, T4."""
    text = f"{HEAD}" + "".join(f"k{n},c,employee_id,{n},A\n" for n in range(5)) + "k9,x,employee_id,9,B\n"
    found = run(text, as_transaction=False, batch_size=2, engine=engine)
    assert found.status == "applied with rejects"
    made = sorted(str(row.after["employee_id"]) for row in rows(found) if row.label == "testapp.Person")
    assert made == sorted(Person.objects.values_list("employee_id", flat=True)) == ["0", "1", "2", "3"]


def test_rows_that_are_refused_leave_no_change() -> None:
    """T4."""
    Person.objects.create(first_name="X", employee_id="2")
    text = HEAD.replace("match_on", "last_name") + "".join(f"k{n},c,L,{n},A\n" for n in range(4))
    for engine in ("objects", "bulk"):
        with transaction.atomic():
            found = run(text, on_error="skip", engine=engine, match_on="")
            made = sorted(str(row.after["employee_id"]) for row in rows(found) if row.label == "testapp.Person")
            assert (found.status, made) == ("applied with rejects", ["0", "1", "3"])
            transaction.set_rollback(True)


def test_receivers_of_every_model_do_not_hear_of_the_history() -> None:
    heard: list[str] = []

    def hear(sender: Any, **_: Any) -> None:
        heard.append(sender.__name__)

    post_save.connect(hear)
    try:
        run(f"{HEAD}k1,c,employee_id,1,A\n")
    finally:
        post_save.disconnect(hear)
    assert not {"Run", "RowOutcome", "RecordedChange"} & set(heard)


def test_values_of_hidden_fields_are_nowhere(settings: Any) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.first_name", "testapp.Person.age"]}
    head = "external_key,action_flags,employee_id,Vorname,age\n"
    text = "".join(f"k{n},cu*,{n},Secret{n},{n}\n" for n in range(40)) + "k99,cu*,99,A,Secret\n"
    found = run(head + text, map=(("Vorname", "first_name"),), on_error="skip")
    kept = [str(value) for row in RowOutcome.objects.values() for value in row.values()]
    kept += [repr(row) for row in rows(found)]
    assert found.outcomes == {"failed": 1, "created": 40}
    assert not [text for text in kept if "Secret" in text]
    assert {row.hidden for row in rows(found) if row.label == "testapp.Person"} == {("first_name", "age")}


@pytest.mark.parametrize(
    ("redacted", "model", "text", "options"),
    [
        ("Stock.article", Stock, "shelf,article\nA,Secret\n", {}),
        ("Stock.article", Stock, "shelf,article\nB,Secret2\n", {"validate": True}),
        ("Stock.quantity", Stock, "shelf,article,quantity\nC,c,-4711\n", {}),
        ("Person.employee_id", Person, "first_name,Nummer\nA,Secret\n", {"map": (("Nummer", "employee_id"),)}),
    ],
)
def test_what_a_constraint_says_of_hidden_fields_is_not_kept_either(
    settings: Any, redacted: str, model: Any, text: str, options: dict[str, Any]
) -> None:
    """It may name another column, and the values of all."""
    settings.NSYNC = {"REDACT": [f"testapp.{redacted}"]}
    Stock.objects.create(shelf="A", article="Secret")
    Stock.objects.create(shelf="B", article="Secret2")
    Person.objects.create(first_name="B", employee_id="Secret")
    header, line = text.splitlines()
    found = run(f"external_key,action_flags,{header}\nk,c,{line}\n", model, **options)
    outcome = found.row_outcomes.get()
    assert outcome.outcome == "failed"
    assert not [word for word in ("Secret", "4711") if word in f"{outcome.value} {outcome.message}"]


@pytest.mark.parametrize(("redacted", "is_kept"), [("Person.first_name", False), ("House.address", True)])
def test_nor_is_what_others_say_when_they_end_a_run(settings: Any, redacted: str, is_kept: bool) -> None:
    """The database, or code of the project, may tell values."""
    settings.NSYNC = {"REDACT": [f"testapp.{redacted}"]}

    def fail(**_: Any) -> None:
        raise error

    batch_applied.connect(fail)
    try:
        for error in (OperationalError("Secret is gone"), ZeroDivisionError("Secret by 0")):
            with nullcontext() if isinstance(error, OperationalError) else pytest.raises(ZeroDivisionError):
                run(f"{HEAD}k1,c,employee_id,1,Secret\n")
    finally:
        batch_applied.disconnect(fail)
    kept = RunRecord.objects.values_list("status", "error").order_by("pk")
    assert [(status, "Secret" in text) for status, text in kept] == [("failed", is_kept)] * 2
    assert is_kept or all("standard error has it" in text for _, text in kept)


def test_what_we_say_ourselves_when_a_run_ends_is_kept(settings: Any) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.first_name"]}

    found = run(f"{HEAD}k1,zz,employee_id,1,Secret\n", on_error="stop")

    assert found.error == "stopped at the first row error (--on-error stop)"


def test_many_rows_cost_a_query_for_five_thousand_of_them(sync_text: Callable[..., Any]) -> None:
    costs = []
    for start, count in ((0, 1), (10, 100), (1_000, 3_000)):
        text = "external_key,code,label\n" + "".join(f"k{n},{n},A\n" for n in range(start, start + count))
        with CaptureQueriesContext(connection) as queries:
            sync_text(text, Parcel, action_flags="cu*", match_on="code", record="changes")
        costs.append(sum("nsync_recordedchange" in query["sql"] for query in queries))
    assert costs[1:] == [2, 2]  # objects and mappings


def test_recording_changes_nothing_else() -> None:
    """T1: what is left and told is the same."""
    for _, example in list(EXAMPLES.values())[::6]:
        given = [Run(one.files, {**one.options, "record": "changes"}, one.policy) for one in example.runs]
        check(Example(example.start, tuple(given)), ["Person", "House", "Company"], [Variant("auto", 5_000)])


def test_the_sources_of_a_run_are_all_kept() -> None:
    inputs = [
        Input(io.StringIO(f"{HEAD}k1,c,employee_id,1,A\n"), Person, "HR"),
        Input(io.StringIO("external_key,action_flags,address\nh1,c,Manor\n"), House, "ERP"),
    ]
    sync_all(inputs, options=SyncOptions(record="changes"))
    found = RunRecord.objects.get()
    assert (found.system, found.model) == ("HR, ERP", "testapp.Person, testapp.House")
    assert [source["rows"] for source in found.sources] == [1, 1]
    assert {(row.label, row.source) for row in rows(found) if "testapp" in row.label} == {
        ("testapp.Person", 0),
        ("testapp.House", 1),
    }
