"""``syncfile``: its options, its files and what it says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nsync.models import ExternalKeyMapping, ExternalSystem
from tests.commands.conftest import Ran
from tests.testapp.models import Company, House, Person

GOOD = "external_key,action_flags,match_on,first_name,employee_id,age\n1,cu*,employee_id,Homer,E1,39\n"
BAD = GOOD + "2,cu*,employee_id,Bruce,E2,forty\n3,cu*,employee_id,Clark,E3,=1+1\n"
Command = Callable[..., Ran]
SYNC = ("syncfile", "TestSystem", "testapp", "Person", "persons.csv")


def write(text: str, name: str = "persons.csv") -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_the_invocation_of_0_4_works(command: Command) -> None:
    """T5."""
    write(GOOD)

    ran = command("syncfile", "TestSystem", "testapp", "Person", "persons.csv")

    assert ran.code == 0
    assert Person.objects.get().first_name == "Homer"
    mapping = ExternalKeyMapping.objects.get()
    assert (mapping.external_system.name, mapping.external_key) == ("TestSystem", "1")


@pytest.mark.parametrize(
    ("arguments", "options", "is_created"),
    [
        ((), {}, True),
        (("--create_external_system", "True"), {}, True),
        (("--create_external_system=False",), {}, False),
        (("--no-create-external-system",), {}, False),
        (("--no-create-external-system", "--create_external_system", "True"), {}, True),
        (("--create_external_system", "True", "--no-create-external-system"), {}, False),
        ((), {"create_external_system": False}, False),
        ((), {"create_external_system": "False"}, False),
    ],
)
def test_old_and_new_spellings_mean_what_they_say(
    command: Command, arguments: tuple[str, ...], options: dict[str, object], is_created: bool
) -> None:
    """T5: both fill one destination, and the last one counts."""
    write(GOOD)

    ran = command(*SYNC, *arguments, **options)

    assert ran.code == (0 if is_created else 1)
    assert ExternalSystem.objects.exists() == is_created


@pytest.mark.parametrize("arguments", [("--as_transaction", "False"), ("--no-as-transaction",)])
def test_without_a_transaction_earlier_batches_stay(command: Command, arguments: tuple[str, ...]) -> None:
    """T3, T5: 0.4 took ``False`` for true."""
    write(BAD)

    ran = command(*SYNC, *arguments, "--batch-size", "1")

    assert ran.code == 3
    assert Person.objects.count() == 1


def test_options_give_what_the_file_does_not(command: Command) -> None:
    """C2."""
    Company.objects.create(name="ACME")
    write("I;7;Homer;ACME;39;x\n")

    ran = command(
        *SYNC,
        *("--header", "op,nr,Name,Firma,age,junk", "--delimiter", ";"),
        *("--action-flags-column", "op", "--flag-map", "I=c,U=u*,D=d"),
        *("--external-key-column", "nr", "--map", "nr=employee_id", "--match-on", "employee_id"),
        *("--map", "Name=first_name", "--map", "Firma=company=>name", "--map", "junk="),
        *("--set", "last_name=a=b"),
    )

    homer = Person.objects.get()
    assert ran.code == 0, ran.err
    assert "Ignored columns" not in ran.out
    assert (homer.first_name, homer.last_name, homer.employee_id) == ("Homer", "a=b", "7")
    assert homer.company is not None
    assert homer.company.name == "ACME"
    assert ExternalKeyMapping.objects.get().external_key == "7"


def test_a_reference_column_can_be_mapped_and_dropped(command: Command) -> None:
    """C2: the header's own signs do not end it."""
    Person.objects.create(first_name="Homer")
    write("action_flags,match_on,address,owner=>first_name,owner=>nick\nc,address,Manor,Homer,x\n", "houses.csv")

    ran = command(
        *("syncfile", "HR", "testapp", "House", "houses.csv"),
        *("--map", "owner=>nick=", "--map", "owner=>first_name=owner=>first_name__iexact"),
    )

    assert ran.code == 0, ran.err
    assert House.objects.get().owner == Person.objects.get()


def test_call_command_takes_options_as_the_command_line_writes_them(command: Command) -> None:
    write("op,Name\nI,Homer\n")

    ran = command(
        *SYNC,
        action_flags_column="op",
        flag_map="I=c",
        match_on="first_name",
        map=["Name=first_name"],
        set=[("last_name", "Simpson")],
        max_errors="3",
    )

    assert ran.code == 0, ran.err
    assert str(Person.objects.get()) == "Homer Simpson"


@pytest.mark.parametrize(
    "options", [{"max_errors": -1}, {"on_error": "ignore"}, {"map": ["x"]}, {"as_transaction": "Maybe"}]
)
def test_call_command_refuses_what_the_command_line_refuses(command: Command, options: dict[str, object]) -> None:
    write(GOOD)

    assert command(*SYNC, **options).code == 2


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("nsync.policies.NoSuchPolicy", 'does not define a "NoSuchPolicy"'),
        ("no.such.module.Policy", "No module named 'no'"),
        ("Policy", "doesn't look like a module path"),
        ("tests.commands.policies.NOT_A_CLASS", "no class with an execute() method"),
        ("nsync.policies.TransactionSyncPolicy", "leave --policy out"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named(command: Command, policy: str, said: str) -> None:
    write(GOOD)

    ran = command(*SYNC, "--policy", policy)

    assert ran.code == 1
    assert f"--policy {policy}: " in ran.err
    assert said in ran.err


def test_a_policy_of_ones_own_is_used(command: Command) -> None:
    Person.objects.create(first_name="Homer", employee_id="E1")
    write(GOOD + "1,d*,employee_id,,E1,\n")

    command(*SYNC)
    assert not Person.objects.exists()
    ran = command(*SYNC, "--policy", "tests.commands.policies.DeletesFirst")

    assert ran.code == 0, ran.err
    assert Person.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--report", "report.txt"), "its suffix must say what it is: .json or .csv"),
        (("--report", "nowhere/report.json"), "there is no folder 'nowhere'"),
        (("--rejects", "nowhere/rejects.csv"), "there is no folder 'nowhere'"),
        (("--rejects", "persons.csv"), "is a source of this run"),
        (("--report", "./persons.csv"), "is a source of this run"),
        (("--report", "folder.json"), "is a folder"),
        (("--rejects", "persons.csv/"), "is a file; name a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_an_error_before_the_run(
    command: Command, arguments: tuple[str, ...], said: str
) -> None:
    """C6."""
    write(GOOD)
    Path("folder.json").mkdir()

    ran = command(*SYNC, *arguments)

    assert ran.code == 1
    assert said in ran.err
    assert not Person.objects.exists()
    assert Path("persons.csv").read_text() == GOOD


def test_report_and_rejects_cannot_be_one_file(command: Command) -> None:
    write(GOOD)

    assert command(*SYNC, "--report", "x.csv", "--rejects", "./x.csv").code == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_file_that_cannot_be_written_after_the_run_hides_nothing(command: Command) -> None:
    """T7: what was committed is committed, and said."""
    write(BAD)

    ran = command(*SYNC, "--on-error", "skip", "--rejects", "/dev/full")

    assert ran.code == 3
    assert ran.out.startswith("Applied, but 2 of 3 rows failed")
    assert "cannot write /dev/full: No space left on device" in ran.err
    assert Person.objects.exists()


def test_rejects_are_fixed_and_synced_again(command: Command) -> None:
    """O3."""
    write(BAD)

    ran = command(*SYNC, "--on-error", "skip", "--rejects", "rejects.csv")

    assert "The failed rows are in rejects.csv: fix them there and sync that file." in ran.out
    text = Path("rejects.csv").read_text(encoding="utf-8")
    message = "[age] not a whole number; write one such as 42"
    assert text == (
        "external_key,action_flags,match_on,first_name,employee_id,age,nsync_line,nsync_code,nsync_message\n"
        f"2,cu*,employee_id,Bruce,E2,forty,3,invalid-integer,{message}\n"
        f"3,cu*,employee_id,Clark,E3,'=1+1,4,invalid-integer,{message}\n"
    )

    write(text.replace("forty", "40").replace("'=1+1", "2"), "rejects.csv")
    ran = command("syncfile", "TestSystem", "testapp", "Person", "rejects.csv")

    assert ran.code == 0, ran.err
    assert "Ignored columns" not in ran.out
    assert sorted(Person.objects.values_list("first_name", "age")) == [("Bruce", 40), ("Clark", 2), ("Homer", 39)]


def test_rejects_are_written_after_a_rollback_too_and_never_left_from_last_night(command: Command) -> None:
    """O3."""
    write(BAD)
    command(*SYNC, "--rejects", "rejects.csv")
    assert len(Path("rejects.csv").read_text().splitlines()) == 3

    write(GOOD)
    command(*SYNC, "--rejects", "rejects.csv")

    assert Path("rejects.csv").read_text() == (
        "external_key,action_flags,match_on,first_name,employee_id,age,nsync_line,nsync_code,nsync_message\n"
    )


def test_the_json_report_has_everything(command: Command) -> None:
    """O2."""
    write(BAD.replace("\n", ",x\n").replace("age,x", "age,nmae"))

    command(*SYNC, "--report", "report.json")

    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    assert report["status"] == "rolled back"
    assert report["committed"] is False
    assert {name: count for name, count in report["outcomes"].items() if count} == {"created": 1, "failed": 2}
    assert report["warnings"] == {}
    assert report["displaced"] == 0
    assert report["sources"][0]["columns"][0]["code"] == "unknown-column"
    assert report["seconds"] > 0
    assert report["queries"] > 0
    assert [(row["line"], row["outcome"], row["column"], row["value"]) for row in report["details"]] == [
        (3, "failed", "age", "forty"),
        (4, "failed", "age", "=1+1"),
    ]


def test_the_csv_report_has_a_line_for_each_problem(command: Command) -> None:
    """O2; cells are guarded as O3 says."""
    write(
        BAD.replace("match_on,first_name", "match_on,birthday,first_name").replace("employee_id,Cl", "employee_id,x,Cl")
    )

    command(*SYNC, "--report", "report.csv")

    with open("report.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["column"], row["code"]) for row in rows if row["line"] == "4"] == [
        ("4", "birthday", "invalid-date"),
        ("4", "age", "invalid-integer"),
    ]
    assert [row["value"] for row in rows if row["line"] == "4"] == ["x", "'=1+1"]


def test_verbosity_says_how_much_is_told(command: Command) -> None:
    """T7, O2."""
    write(GOOD + "".join(f"9{n},u*,employee_id,Nobody,X{n},3\n" for n in range(60)))

    quiet, normal, more, everything = (command(*SYNC, verbosity=level) for level in range(4))

    assert (quiet.out, quiet.err) == ("", "")
    assert "unmatched  60" in normal.out
    assert "persons.csv:3" not in normal.out
    assert more.out.count("no-match: ") == 50
    assert "and 10 more rows: -v 3 shows all, --report FILE keeps them" in more.out
    assert everything.out.count("no-match: ") == 60


def test_a_quiet_run_still_tells_of_errors(command: Command) -> None:
    write(BAD)

    rolled_back = command(*SYNC, verbosity=0)
    skipped = command(*SYNC, "--on-error", "skip", verbosity=0)

    assert (rolled_back.code, rolled_back.out) == (1, "")
    assert "Nothing was committed: 2 of 3 rows failed. The first: persons.csv:3 [age]" in rolled_back.err
    assert (skipped.code, skipped.out) == (3, "")
    assert "Applied, but 2 of 3 rows failed" in skipped.err


def test_a_dry_run_shows_old_and_new_values(command: Command) -> None:
    """O4."""
    Person.objects.create(first_name="Homer", employee_id="E1", age=38)
    write(GOOD)

    ran = command(*SYNC, "--dry-run")

    assert ran.code == 0
    assert ran.out.startswith("Nothing was written (dry run).\n")
    assert "What the rows would become:\n  updated  1\n" in ran.out
    assert "testapp.Person.age  1" in ran.out
    assert "38 → 39" in ran.out
    assert "To write it, leave out --dry-run." in ran.out
    assert not ExternalSystem.objects.exists()


def test_a_dry_run_says_what_it_cannot_foresee(command: Command) -> None:
    """O4."""
    write("action_flags,match_on,name\nc,name,x\n", "saved.csv")

    ran = command("syncfile", "HR", "testapp", "Saved", "saved.csv", "--dry-run")

    assert "cannot foresee what it would do:\n  testapp.Saved.save() is overridden" in ran.out


def test_a_file_without_rows_is_a_warning(command: Command) -> None:
    """C4."""
    write(GOOD.splitlines()[0] + "\n")

    ran = command(*SYNC, "--report", "report.json")

    assert ran.code == 0
    assert "no-rows  1" in ran.out
    assert json.loads(Path("report.json").read_text())["warnings"] == {"no-rows": 1}


def test_the_delimiter_that_was_found_is_told(command: Command) -> None:
    write(GOOD.replace(",", ";"))

    ran = command(*SYNC, "--delimiter", "auto")

    assert ran.code == 0
    assert "Note: persons.csv: delimiter: ';' (found by sniffing)" in ran.out
