"""``syncruns``: which runs there were, and what one of them did."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from django.core.management import call_command

from nsync import Input, SyncOptions, sync, sync_all
from nsync.models import RecordedChange, RowOutcome, Run
from tests.commands.conftest import Project, Ran
from tests.testapp.models import Asset, House, Person

Command = Callable[..., Ran]
MANY = 25  # rows that are kept as one block


def run_of(text: str, model: str = "testapp.House", system: str = "HR", **options: object) -> Run:
    """Sync a text, and give the record of that."""
    sync(io.StringIO(text), model, system=system, options=SyncOptions(**{"record": "changes", **options}))  # type: ignore[arg-type]
    return Run.objects.latest("pk")


def houses(count: int = MANY) -> str:
    rows = "".join(f"{number},cu*,address,Street {number},{number}\n" for number in range(count))
    return f"external_key,action_flags,match_on,address,floors\n{rows}"


def bad(count: int) -> str:
    return "action_flags,match_on,address,floors\n" + "cu*,address,Manor,four\n" * count


def test_without_runs_it_says_so(command: Command) -> None:
    ran = command("syncruns")

    assert (ran.code, ran.out) == (0, "There is no run.\n")


def test_runs_are_listed_newest_first(command: Command) -> None:
    first = run_of(houses(2))
    second = run_of(bad(1))

    ran = command("syncruns")

    newest, oldest = ran.out.splitlines()
    assert newest.split()[:3] == [str(second.pk), "rolled", "back"]
    assert newest.endswith("HR → testapp.House  1 failed")
    assert oldest.split()[:2] == [str(first.pk), "applied"]
    assert oldest.endswith("HR → testapp.House  2 created")
    assert first.user in oldest


def test_the_list_ends_at_the_limit(command: Command) -> None:
    runs = [run_of(houses(1)) for _ in range(3)]

    ran = command("syncruns", "--limit", "2")

    assert [line.split()[0] for line in ran.out.splitlines()] == [str(run.pk) for run in reversed(runs[1:])]


@pytest.mark.parametrize(
    ("options", "is_found"),
    [
        (("--system", "HR"), True),
        (("--system", "H"), False),
        (("--model", "testapp.house"), True),
        (("--model", "testapp.Person"), False),
        (("--model", "testapp.Hous"), False),
        (("--status", "applied"), True),
        (("--status", "failed"), False),
    ],
)
def test_the_list_can_be_of_one_system_model_or_status(
    command: Command, options: tuple[str, str], is_found: bool
) -> None:
    run = run_of(houses(1))

    ran = command("syncruns", *options)

    assert ran.code == 0
    if is_found:
        assert ran.out.split()[0] == str(run.pk)
    else:
        assert ran.out == f"There is no run that fits {' '.join(options)}.\n"


def test_a_run_of_several_systems_is_found_by_each(command: Command) -> None:
    inputs = [Input(io.StringIO(houses(1)), "testapp.House", name) for name in ("HR", "CRM")]
    sync_all(inputs, options=SyncOptions(record="changes"))

    assert command("syncruns", "--system", "HR").out == command("syncruns", "--system", "CRM").out
    assert "HR, CRM → testapp.House" in command("syncruns").out


def test_an_unknown_status_is_refused(command: Command) -> None:
    assert command("syncruns", "--status", "fine").code == 1


def test_one_run_is_shown_with_all_that_its_record_holds(command: Command) -> None:
    run = run_of(houses(3), on_error="skip")
    Run.objects.filter(pk=run.pk).update(command="syncfile HR testapp House houses.csv", warnings={"held-by": 7})

    ran = command("syncruns", str(run.pk))

    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"Run {run.pk}: applied\n")
    for text in (
        "command: syncfile HR testapp House houses.csv",
        "on_error=skip",
        "policy:  nsync.policies.BasicSyncPolicy",
        "testapp.House (system HR): 3 rows, ",
        f"SHA-256 {run.sources[0]['sha256'][:12]}…",
        "3 created",
        "held-by  7",
    ):
        assert text in ran.out


def test_the_error_that_ended_a_run_is_shown(command: Command) -> None:
    run = run_of(bad(3), max_errors=2)

    assert f"error:   {run.error}" in command("syncruns", str(run.pk)).out
    assert run.error


def test_of_many_row_outcomes_the_first_twenty_are_shown(command: Command) -> None:
    run = run_of(bad(23))

    few, all_ = command("syncruns", str(run.pk)), command("syncruns", str(run.pk), "-v", "2")

    assert few.out.count("failed: invalid-integer: [floors] not a whole number") == 20
    assert "and 3 more: -v 2 shows all" in few.out
    assert all_.out.count("failed: invalid-integer: [floors] not a whole number") == 23
    assert "more" not in all_.out
    assert "<stream>:2: failed" in few.out


def test_changes_are_counted_by_model_and_kind(command: Command) -> None:
    run = run_of(houses())

    lines = command("syncruns", str(run.pk)).out.splitlines()

    assert "  testapp.House             insert  25" in lines
    assert "  nsync.ExternalSystem      insert   1" in lines
    assert not any(line.startswith("  insert") for line in lines)


def test_what_is_not_kept_is_said(command: Command) -> None:
    rows, nothing = run_of(houses(1), record="rows"), run_of(houses(1))

    assert "What it changed is not kept." in command("syncruns", str(rows.pk)).out
    assert "It changed nothing." in command("syncruns", str(nothing.pk)).out


def test_changes_are_shown_one_line_for_each_row(command: Command) -> None:
    run_of(houses(3))
    run = run_of(
        "external_key,action_flags,match_on,address,floors\n0,cu*,address,Street 0,\n1,cu*,address,Street 1,9\n"
        "2,d*,address,Street 2,\n3,cu*,address,Street 3,1\n"
    )

    lines = command("syncruns", str(run.pk), "--changes").out.splitlines()

    pks = dict(House.objects.values_list("address", "pk"))
    assert f"  update testapp.House {pks['Street 0']}  floors: 0 → (null)  (<stream>:2)" in lines
    assert f"  update testapp.House {pks['Street 1']}  floors: 1 → 9  (<stream>:3)" in lines
    inserted = next(line for line in lines if line.startswith("  insert testapp.House"))
    assert "address: Street 3" in inserted
    assert inserted.endswith("(<stream>:5)")
    assert "owner" not in inserted  # NULL
    assert any(line.startswith("  delete testapp.House") and "address: Street 2" in line for line in lines)


def test_changes_of_one_object_are_found_in_a_block(command: Command) -> None:
    run = run_of(houses())
    assert RecordedChange.objects.exclude(block="").exists()
    house = House.objects.get(floors=7)

    ran = command("syncruns", str(run.pk), "--model", "testapp.house", "--object", str(house.pk))

    shown = [line for line in ran.out.splitlines() if line.startswith("  insert testapp")]
    assert len(shown) == 1
    assert "floors: 7" in shown[0]
    assert shown[0].endswith("(<stream>:9)")


def test_a_primary_key_alone_finds_the_objects_of_all_models(command: Command) -> None:
    run = run_of(houses())
    pk = str(RecordedChange.objects.get(model="nsync.ExternalSystem").object_id)

    ran = command("syncruns", str(run.pk), "--object", pk)

    assert f"insert nsync.ExternalSystem {pk}  " in ran.out


def test_a_uuid_may_be_spelled_in_any_way(command: Command) -> None:
    run = run_of("action_flags,match_on,name\ncu*,name,Desk\n", "testapp.Asset")
    spelled = Asset.objects.get().pk.hex.upper()

    assert "name: Desk" in command("syncruns", str(run.pk), "--model", "testapp.Asset", "--object", spelled).out


def test_an_object_that_the_run_did_not_change_shows_none(command: Command) -> None:
    run = run_of(houses(1))

    assert command("syncruns", str(run.pk), "--object", "999999").out.endswith("\n  none of these\n")


def test_a_model_that_the_run_did_not_change_is_an_error_that_names_those(command: Command) -> None:
    run = run_of(houses(1))

    ran = command("syncruns", str(run.pk), "--model", "testapp.Person")

    assert ran.code == 1
    assert ran.err.endswith(
        "changed no testapp.Person: it changed nsync.ExternalKeyMapping, nsync.ExternalSystem, testapp.House"
    )


def test_changes_are_written_as_csv(command: Command) -> None:
    run_of(houses(2))
    run = run_of("external_key,action_flags,match_on,address,floors,country\n0,cu*,address,Street 0,,@home\n")
    house = House.objects.get(address="Street 0")

    ran = command("syncruns", str(run.pk), "--csv")

    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert list(rows[0]) == ["run", "change", "kind", "model", "object", "field", "before", "after", "source", "line"]
    by_field = {row["field"]: row for row in rows}
    assert by_field["floors"] | {"change": ""} == {
        "run": str(run.pk),
        "change": "",
        "kind": "update",
        "model": "testapp.House",
        "object": str(house.pk),
        "field": "floors",
        "before": "0",
        "after": r"\N",
        "source": "<stream>",
        "line": "2",
    }
    assert (by_field["country"]["before"], by_field["country"]["after"]) == ("", "'@home")


def test_csv_holds_each_field_of_what_was_created(command: Command) -> None:
    run = run_of(houses())

    rows = list(csv.DictReader(io.StringIO(command("syncruns", str(run.pk), "--csv", "--model", "testapp.House").out)))

    assert {"address", "country", "floors", "owner_id"} <= {row["field"] for row in rows}
    assert [row["after"] for row in rows if row["field"] == "floors"] == [str(number) for number in range(MANY)]


def test_the_list_is_json_too(command: Command) -> None:
    run = run_of(houses(2))

    (shown,) = json.loads(command("syncruns", "--json").out)

    assert (shown["id"], shown["status"], shown["outcomes"]) == (run.pk, "applied", {"created": 2})
    assert json.loads(command("syncruns", "--json", "--status", "failed").out) == []


def test_one_run_is_json_too(command: Command) -> None:
    run_of(houses(2))
    run = run_of(
        "action_flags,match_on,address,floors\nu*,address,Street 1,8\nu*,address,Street 1,x\n", on_error="skip"
    )

    shown = json.loads(command("syncruns", str(run.pk), "--json", "--changes").out)

    assert shown["sources"] == run.sources
    assert shown["counts"] == [{"label": "testapp.House", "kind": "update", "rows": 1}]
    assert [(row["line"], row["code"]) for row in shown["rows"]] == [(3, "invalid-integer")]
    (change,) = shown["changes"]
    assert (change["before"], change["after"], change["line"]) == ({"floors": 1}, {"floors": 8}, 2)
    assert "changes" not in json.loads(command("syncruns", str(run.pk), "--json").out)


def test_an_undo_names_the_run_and_the_run_its_undo(command: Command) -> None:
    run = run_of(houses(1))
    undo = Run.objects.create(undoes=run, status=Run.Status.APPLIED, system="HR", model="testapp.House")
    Run.objects.filter(pk=run.pk).update(status=Run.Status.UNDONE)
    change = RecordedChange.objects.get(model="testapp.House")
    change.pk, change.run, change.kind, change.before, change.after = None, undo, "delete", change.after, ""
    change.save(force_insert=True)

    assert command("syncruns", str(run.pk)).out.startswith(f"Run {run.pk}: undone, by run {undo.pk}\n")
    shown = command("syncruns", str(undo.pk), "--changes").out
    assert f"It undoes run {run.pk}." in shown
    assert "(<stream>:2)" in shown  # the source of the run


@pytest.mark.parametrize("has_runs", [True, False])
def test_an_unknown_run_is_an_error_that_says_which_there_are(command: Command, has_runs: bool) -> None:
    runs = [run_of(houses(1)) for _ in range(12)] if has_runs else []

    ran = command("syncruns", "999999")

    newest = ", ".join(str(run.pk) for run in reversed(runs[2:]))
    said = f"there are {newest} and 2 older ones" if has_runs else "none is kept"
    assert (ran.code, ran.err) == (1, f"there is no run 999999{';' if has_runs else ':'} {said}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--changes",),
        ("--csv",),
        ("--object", "1"),
        ("1", "--system", "HR"),
        ("1", "--limit", "3"),
        ("1", "--csv", "--json"),
    ],
)
def test_options_that_do_not_go_together_are_refused(command: Command, arguments: tuple[str, ...]) -> None:
    assert command("syncruns", *arguments).code == 2


def test_an_unknown_database_is_an_error(command: Command) -> None:
    ran = command("syncruns", "--database", "nowhere")

    assert (ran.code, ran.err) == (1, "--database: there is no 'nowhere'; there are default, other")


def test_values_that_are_not_kept_are_said_to_be_so(command: Command, settings: object) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.last_name"]}  # type: ignore[attr-defined]
    run = run_of("action_flags,match_on,first_name,last_name\ncu*,first_name,Homer,Secret\n", "testapp.Person")

    shown = command("syncruns", str(run.pk), "--changes").out
    written = command("syncruns", str(run.pk), "--csv").out

    assert Person.objects.get().last_name == "Secret"
    assert "last_name: (not kept)" in shown
    assert "last_name,(not kept),(not kept)" in written
    assert "Secret" not in shown + written


def test_a_value_that_the_model_does_not_take_any_more_is_shown_as_it_was_written(command: Command) -> None:
    run = run_of(houses(1))
    change = RecordedChange.objects.get(model="testapp.House")
    RecordedChange.objects.filter(pk=change.pk).update(after='{"floors":"four"}')

    ran = command("syncruns", str(run.pk), "--changes")

    assert ran.code == 0
    assert "floors: four" in ran.out


def test_a_change_that_is_damaged_is_an_error_with_its_place(command: Command) -> None:
    run = run_of(houses(1))
    change = RecordedChange.objects.get(model="testapp.House")
    RecordedChange.objects.filter(pk=change.pk).update(after="{")

    ran = command("syncruns", str(run.pk), "--changes")

    assert ran.code == 1
    assert f"change {change.pk} of run {run.pk}, of testapp.House, cannot be read: it is damaged" in ran.err


def test_text_is_plain_where_the_output_has_only_ascii(command: Command) -> None:
    run = run_of("action_flags,match_on,address\ncu*,address,Straße → 1…\n")
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "ascii", write_through=True)

    call_command("syncruns", stdout=out)
    call_command("syncruns", str(run.pk), "--changes", stdout=out)
    call_command("syncruns", str(run.pk), "--csv", stdout=out)

    text = raw.getvalue().decode("ascii")
    assert "HR -> testapp.House" in text
    assert "address: Stra\\xdfe -> 1..." in text


def test_a_name_cannot_steer_the_terminal(command: Command) -> None:
    run = run_of("action_flags,match_on,address\ncu*,address,\x1b[31mRed\n")

    assert "\x1b" not in command("syncruns", str(run.pk), "--changes").out


def test_who_reads_no_more_sees_no_traceback(project: Project) -> None:
    project.write("houses.csv", houses(2_000))
    code = "sync('houses.csv', 'testapp.House', system='HR', options=SyncOptions(record='changes'))"
    assert project.run("shell", "-c", f"from nsync import SyncOptions, sync; {code}").code == 0

    with project.start("syncruns", "1", "--csv") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert said == ""
    assert process.returncode == 0


def test_a_database_without_history_is_an_error(project: Project) -> None:
    ran = project.run("syncruns", NSYNC_TEST_FILE=":memory:")

    assert ran.code == 1
    assert "is it there, and migrated?" in ran.err
    assert "Traceback" not in ran.err


def test_row_outcomes_stay_readable_when_the_run_did_not_end_by_itself(command: Command) -> None:
    run = Run.objects.create(system="HR", model="testapp.House", status=Run.Status.FAILED, error="interrupted")
    RowOutcome.objects.create(run=run, source=0, line=4, outcome="failed", code="check", message="no")

    ran = command("syncruns", str(run.pk))

    assert "  source 1:4: failed: check: no" in ran.out
    assert "error:   interrupted" in ran.out
