"""``synclint``: what is wrong with a file, before it is synced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.commands.conftest import Ran
from tests.testapp.models import Company, Person

Command = Callable[..., Ran]
FEED = """
[feeds.persons]
system = "HR"
model = "testapp.Person"
files = "persons*.csv"
action_flags = "cu*"
match_on = "employee_id"
external_key_column = "Nr"

[feeds.persons.columns]
Nr = "employee_id"
Vorname = "first_name"
Alter = "age"
Firma = "company=>name"
Chef = "manager=>employee_id"
"""
HEADER = "Nr,Vorname,Alter,Firma,Chef\n"
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP")


@pytest.fixture(autouse=True)
def folder(in_folder: Path) -> Path:
    (in_folder / "nsync.toml").write_text(FEED)
    return in_folder


def put(text: str, name: str = "persons.csv") -> None:
    Path(name).write_text(text, encoding="utf-8")


def lines(ran: Ran) -> list[str]:
    return [line.strip() for line in ran.out.splitlines()]


def test_a_file_without_faults_is_told_column_by_column(command: Command) -> None:
    Company.objects.create(name="Acme")
    put(HEADER + "1,Homer,39,Acme,\n2,Marge,34,,1\n10,Ned,60,,1\n")

    ran = command("synclint", "persons")

    assert ran.code == 0, ran.err
    assert ran.out == (
        "persons.csv → testapp.Person (system HR): 3 rows\n"
        "\n"
        "Column   is                    filled  distinct  least  greatest  longest\n"
        "Nr       key, employee_id       100 %         3  1      2               2\n"
        "Vorname  first_name             100 %         3  Homer  Ned             5\n"
        "Alter    age                    100 %         3  34     60              2\n"
        "Firma    company=>name           33 %         1  Acme   Acme            4\n"
        "Chef     manager=>employee_id    67 %         1  1      1               1\n"
    )


def test_rows_that_would_fail_are_counted_and_shown_with_their_lines(command: Command) -> None:
    put(HEADER + f"1,Homer,old,,\n2,{'x' * 60},34,,\n3,Bart,young,,\n4,Lisa,8,,,extra\n5,Maggie,1,,\n")

    ran = command("synclint", "persons")

    assert ran.code == 1
    assert "persons.csv → testapp.Person (system HR): 5 rows, of which 4 would fail" in lines(ran)
    assert "Alter: invalid-integer: 2 rows" in lines(ran)
    assert "line 2: 'old': not a whole number" in ran.out
    assert "Vorname: too-long: 1 row" in lines(ran)
    assert "(row): extra-cells: 1 row" in lines(ran)
    assert "persons.csv: 4 of 5 rows would fail, 3 things to mend or to look at" in ran.err


def test_only_the_first_examples_are_shown(command: Command) -> None:
    put(HEADER + "".join(f"{number},Homer,x{number},,\n" for number in range(10)))

    ran = command("synclint", "persons")

    assert "Alter: invalid-integer: 10 rows" in lines(ran)
    assert [line for line in lines(ran) if line.startswith("line ")] == [
        line for line in lines(ran) if line.startswith(("line 2:", "line 3:", "line 4:"))
    ]


def test_keys_and_matches_that_stand_twice_are_to_be_looked_at(command: Command) -> None:
    put(HEADER + "1,Homer,39,,\n2,Marge,34,,\n1,Homer,40,,\n1,Homer,41,,\n")

    ran = command("synclint", "persons")

    assert ran.code == 0
    assert "Nr: repeated-key: 1 value" in lines(ran)
    assert "Nr: repeated-match: 1 value" in lines(ran)
    assert lines(ran).count("line 2: '1': 3 times, the last time in line 5") == 2
    assert command("synclint", "persons", "--fail-on", "warning").code == 1


def test_references_that_neither_the_database_nor_the_file_has_are_told(command: Command) -> None:
    """R5, R6: whoever comes later in the file counts as found."""
    Company.objects.create(name="Acme")
    Person.objects.create(employee_id="99", first_name="Burns")
    put(HEADER + "1,Homer,39,Acme,99\n2,Marge,34,acme,3\n3,Bart,10,Fox,7\n4,Lisa,8,Fox,7\n")

    ran = command("synclint", "persons")

    assert ran.code == 0
    assert "Firma: missing-reference: 3 rows" in lines(ran)
    assert "Chef: missing-reference: 2 rows" in lines(ran)
    assert {"line 3: 'acme'", "line 4: 'Fox'", "line 4: '7'"} <= set(lines(ran))
    assert command("synclint", "persons", "--on-missing-reference", "error").code == 1
    assert "missing-reference" not in command("synclint", "persons", "--no-references").out


def test_many_references_are_asked_for_in_a_few_queries(
    command: Command, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    Company.objects.bulk_create(Company(name=f"C{number}") for number in range(3_000))
    put(HEADER + "".join(f"{number},Homer,39,C{number},\n" for number in range(5_000)))

    with django_assert_max_num_queries(30):
        ran = command("synclint", "persons")

    assert "Firma: missing-reference: 2,000 rows" in lines(ran)


def test_nothing_is_written(command: Command) -> None:
    put(HEADER + "1,Homer,39,Acme,\n2,Marge,34,,1\n")
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        command("synclint", "persons", "--map", "Chef=manager=>external_key")

    assert sent
    assert [sql for sql in sent if sql.lstrip().upper().startswith(WRITES)] == []


def test_columns_that_are_gone_are_all_named_and_the_others_are_looked_at(command: Command) -> None:
    """C2."""
    put("Nr,Vornam,Alter\n1,Homer,old\n")

    ran = command("synclint", "persons")

    assert ran.code == 1
    for name in ("Vorname", "Firma", "Chef"):
        assert f"{name}: missing-column" in lines(ran)
    assert "line 1: the file has no such column; did you mean Vornam?" in lines(ran)
    assert "Alter: invalid-integer: 1 row" in lines(ran)


def test_a_key_column_that_is_gone_is_named(command: Command) -> None:
    put("Vorname,Alter,Firma,Chef\nHomer,39,,\n")

    ran = command("synclint", "persons")

    assert ran.code == 1
    assert "Nr: missing-column" in lines(ran)


def test_columns_that_are_new_are_told_as_the_contract_has_it(command: Command) -> None:
    put(HEADER.replace("\n", ",nmae\n") + "1,Homer,39,,,x\n")

    assert command("synclint", "persons").code == 0
    assert "nmae: unknown-column" in lines(command("synclint", "persons"))
    ran = command("synclint", "persons", "--contract", "exact")
    assert ran.code == 1
    assert "(file): new-column" in lines(ran)


def test_a_file_that_ends_in_the_middle_is_told_as_far_as_it_goes(command: Command) -> None:
    put(HEADER + '1,Homer,39,,\n2,"Marge,34,,\n')

    ran = command("synclint", "persons")

    assert ran.code == 1
    assert "(file): unreadable" in lines(ran)
    assert "1 row" in lines(ran)[0]


def test_a_file_may_be_named_and_a_feed_need_not(command: Command) -> None:
    put("first_name,age\nHomer,old\n", "other.csv")

    ran = command("synclint", "HR", "testapp", "Person", "other.csv", "--match-on", "first_name")

    assert ran.code == 1
    assert "age: invalid-integer: 1 row" in lines(ran)
    put(HEADER + "1,Homer,39,,\n", "third.csv")
    assert command("synclint", "persons", "third.csv").out.startswith("third.csv → testapp.Person")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["person"], 1, "did you mean 'persons'?"),
        (["persons"], 1, "persons: no file fits"),
        (["persons", "gone.csv"], 1, "no such file"),
        (["HR", "testapp", "Person"], 2, "name a feed"),
        (["HR", "testapp", "Persn", "x.csv"], 1, "no model 'Persn'"),
    ],
)
def test_what_cannot_be_checked_is_said(command: Command, arguments: list[str], code: int, said: str) -> None:
    ran = command("synclint", *arguments)

    assert ran.code == code
    assert said in ran.err


def test_rows_that_mean_no_object_would_fail(command: Command) -> None:
    """I3, I5."""
    put("employee_id,first_name\n1,Homer\n,Marge\n", "p.csv")

    ran = command("synclint", "HR", "testapp", "Person", "p.csv", "--match-on", "employee_id")
    assert ran.code == 1
    assert "(row): empty-match: 1 row" in lines(ran)
    assert "(row): no-identity: 2 rows" in lines(command("synclint", "HR", "testapp", "Person", "p.csv"))


def test_what_a_new_object_needs_and_a_row_does_not_have_is_to_be_looked_at(command: Command) -> None:
    """V3, R5."""
    put("name,house=>address\nKitchen,Evergreen Terrace\nBath,\n", "rooms.csv")
    put("name\nKitchen\n", "bare.csv")

    ran = command("synclint", "HR", "testapp", "Room", "rooms.csv", "--match-on", "name")
    assert ran.code == 1
    assert "house=>address: missing-reference: 1 row" in lines(ran)
    assert "house=>address: required: 1 row" in lines(ran)
    assert "house: required" in lines(command("synclint", "HR", "testapp", "Room", "bare.csv", "--match-on", "name"))
    ran = command("synclint", "HR", "testapp", "Room", "bare.csv", "--match-on", "name", "--action-flags", "u*")
    assert "required" not in ran.out


def test_cells_of_json_are_looked_at_as_those_of_text(command: Command) -> None:
    put(
        '{"first_name": "Homer", "age": 39, "salary": 1.50}\n{"first_name": null, "age": "x", "salary": 2}\n', "p.jsonl"
    )

    ran = command("synclint", "HR", "testapp", "Person", "p.jsonl", "--match-on", "first_name")

    assert ran.code == 1
    assert "age: invalid-integer: 1 row" in lines(ran)
    assert any(
        line.split() == ["first_name", "first_name", "50", "%", "1", "Homer", "Homer", "5"] for line in lines(ran)
    )


def test_an_empty_marker_is_no_cell(command: Command) -> None:
    """C5."""
    put(HEADER + "1,Homer,NULL,NULL,\n")

    ran = command("synclint", "persons", "--null-marker", "NULL")

    assert ran.code == 0
    assert any(line.split()[:4] == ["Alter", "age", "0", "%"] for line in lines(ran))
