"""``syncinit``: a feed for a file, and why it is so."""

from __future__ import annotations

import json
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from nsync.feeds.checking import problems_of
from nsync.feeds.reading import FeedFile
from nsync.models import ExternalKeyMapping
from nsync.profiling import sample
from tests.commands.conftest import Ran
from tests.testapp.models import Airport, Company, Person, Product

Command = Callable[..., Ran]
TEXT = (
    "PERSNR;First Name;LASTNAME;Geboren;Birth-day;salary;company;Remark\n"
    "4711;Homer;Simpson;x;12/05/1955;1.234,50;Acme;\n"
    "4712;Zoë;Wayne;x;31/01/1980;99,00;Acme;NULL\n"
    "4713;Ned;Flanders;x;01/02/1960;1,00;Fox;\n"
    "4714;Moe;Szyslak;x;;0,50;Acme;\n"
)
ROWS = [["employee_id", "first_name"], ["E1", "Homer"], ["E2", "Marge"]]
COLUMNS = ["employee_id:1-12", "first_name:13-22"]
PROPOSED = """\
# As persons-2024-01-31.csv looks, all 4 rows of it.
[feeds.persons]
system = "HR"
model = "testapp.Person"
# decide: files = "persons-*.csv"  # which files are meant; until then name them: syncfeed persons FILE
encoding = "utf-8"  # 1 line with more than ASCII read so
delimiter = ";"  # parts all lines alike
null_marker = "NULL"  # it stands in 1 cell, first in line 3
decimal_comma = true  # line 2: '1.234,50' is a number only so
date_order = "dmy"  # line 3: '31/01/1980' reads only so
action_flags = "cu*"  # creates and updates; nothing is deleted
on_displaced = "keep"  # nor is what holds the match values of another object
# decide: external_key_column = "PERSNR"  # unique, and filled in all 4 rows; so few rows prove little; so are First \
Name, LASTNAME, salary
# decide: match_on = "first_name"  # unique in all 4 rows, and in the database; the model promises nothing; so few \
rows prove little

[feeds.persons.columns]
# decide: PERSNR = "employee_id"  # the only column left that is unique and fits its 20 characters
"First Name" = "first_name"  # so it is called, but for case and punctuation
LASTNAME = "last_name"  # so it is called, but for case and punctuation
# decide: Geboren = ""  # no field is like it, such as 'x'
Birth-day = "birthday"  # so it is called, but for case and punctuation
salary = "salary"  # so it is called
company = "company=>name"  # 100 % of 2 different values are found in Company.name
# decide: Remark = ""  # no field is like it, it is empty in all rows
# Fields without a column: employee_id, age, hair_colour, email, manager, nickname, active
"""


@pytest.fixture(autouse=True)
def companies(db: None) -> None:
    for name in ("Acme", "Fox", "Initech"):
        Company.objects.create(name=name)


def put(text: str = TEXT, name: str = "persons-2024-01-31.csv", encoding: str = "utf-8") -> str:
    Path(name).write_text(text, encoding=encoding)
    return name


def line(ran: Ran, start: str) -> str:
    found = [line for line in ran.out.splitlines() if line.startswith(start)]
    assert len(found) == 1, ran.out
    return found[0]


def feed(ran: Ran, name: str = "persons") -> dict[str, Any]:
    return tomllib.loads(ran.out)["feeds"][name]  # type: ignore[no-any-return]


def put_workbook(name: str) -> None:
    book = xlsxwriter.Workbook(name)
    book.add_worksheet("Notes").write_row(0, 0, ["see Staff"])
    staff = book.add_worksheet("Staff")
    for number, cells in enumerate([["Staff", ""], *ROWS]):
        staff.write_row(number, 0, cells)
    book.close()


def put_archive(name: str) -> None:
    with zipfile.ZipFile(name, "w") as archive:
        archive.writestr("notes.csv", "a,b\n1,2\n")
        archive.writestr("staff.csv", "".join(f"{a},{b}\n" for a, b in ROWS))


def put_json(name: str) -> None:
    records = [dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]
    Path(name).write_text(json.dumps({"data": {"items": records}}))


def put_xml(name: str) -> None:
    staff = "".join(f"<p><{ROWS[0][0]}>{a}</{ROWS[0][0]}><{ROWS[0][1]}>{b}</{ROWS[0][1]}></p>" for a, b in ROWS[1:])
    Path(name).write_text(f"<all><note>x</note><note>y</note>{staff}</all>")


def put_lines(name: str) -> None:
    Path(name).write_text("".join(f"{a:12}{b:10}\n" for a, b in ROWS[1:]))


@pytest.mark.parametrize(
    ("name", "make", "options", "has_encoding"),
    [
        ("staff.xlsx", put_workbook, {"sheet": "Staff", "header_row": 2}, False),
        ("staff.zip", put_archive, {"member": "staff.*"}, True),
        ("staff.json", put_json, {"records": "data.items"}, True),
        ("staff.xml", put_xml, {"record_element": "p"}, False),
        ("staff.txt", put_lines, {"format": "fixed", "fixed_columns": COLUMNS}, True),
    ],
)
def test_how_the_file_was_read_is_part_of_the_feed(
    command: Command, name: str, make: Callable[[str], None], options: dict[str, Any], has_encoding: bool
) -> None:
    make(name)
    words = {key: ",".join(value) if isinstance(value, list) else str(value) for key, value in options.items()}
    spelled = [word for key, value in words.items() for word in (f"--{key.replace('_', '-')}", value)]

    ran = command("syncinit", "HR", "testapp.Person", name, *spelled, "--write")

    assert ran.code == 0, ran.err
    written = tomllib.loads(Path("nsync.toml").read_text())["feeds"]["persons"]
    assert {key: written.get(key) for key in options} == options
    assert ("encoding" in written) == has_encoding
    assert command("syncfeed", "persons", name).code == 0
    assert sorted(Person.objects.values_list("employee_id", "first_name")) == [("E1", "Homer"), ("E2", "Marge")]


def test_the_database_that_was_looked_at_is_that_of_the_feed(command: Command) -> None:
    assert feed(command("syncinit", "HR", "testapp.Person", put(), "--database", "default"))["database"] == "default"


def test_a_feed_is_proposed_that_says_why(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put())

    assert ran.code == 0, ran.err
    assert ran.out == PROPOSED


def test_nothing_that_deletes_is_ever_proposed(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put("employee_id,first_name\n1,Homer\n2,Marge\n"))

    assert feed(ran)["on_displaced"] == "keep"
    assert feed(ran)["match_on"] == "employee_id"
    for key in ("snapshot", "archive", "failed", "all_files", "max_deletes"):
        assert key not in feed(ran)
        assert f"decide: {key}" not in ran.out


def test_nothing_is_deleted_by_a_feed_of_which_everything_is_decided(command: Command) -> None:
    """Else a file that gives the key of one person the name of another would delete that other."""
    Person.objects.create(first_name="Marge")
    name = put("nr,first_name\nK1,Homer\nK2,Bart\n")
    assert command("syncinit", "HR", "testapp.Person", name, "--delimiter", ",", "--write").code == 0
    feeds = Path("nsync.toml")
    text = feeds.read_text()
    assert "# decide: external_key_column" in text
    assert "# decide: match_on" in text
    feeds.write_text(text.replace("# decide: ", ""))
    assert command("syncfeed", "persons", name).code == 0

    ran = command("syncfeed", "persons", put("nr,first_name\nK1,Marge\n"))

    assert ran.code == 0, ran.err
    assert Person.objects.count() == 3


def test_a_column_that_may_be_the_key_is_not_left_out_too(command: Command) -> None:
    name = put("Personalnr,first_name,shoes\nP1,Homer,44\nP2,Marge,44\n")
    assert command("syncinit", "HR", "testapp.Person", name, "--write").code == 0
    feeds = Path("nsync.toml")
    text = feeds.read_text()
    assert '# decide: external_key_column = "Personalnr"' in text
    assert 'Personalnr = ""' not in text
    feeds.write_text(text.replace("# decide: ", ""))
    assert problems_of(FeedFile(feeds)) == []

    assert command("syncfeed", "persons", name).code == 0
    assert sorted(ExternalKeyMapping.objects.values_list("external_key", flat=True)) == ["P1", "P2"]


@pytest.mark.parametrize("header", ["password", "action_flags", "match_on"])
def test_a_column_that_is_left_out_is_not_the_key(command: Command, header: str) -> None:
    """S1."""
    ran = command("syncinit", "HR", "auth.User", put(f"{header},first_name\nc,x\nu,x\n"))

    assert f'external_key_column = "{header}"' not in ran.out


def test_columns_that_might_delete_are_left_out(command: Command) -> None:
    text = "external_key,action_flags,match_on,id,first_name\nK1,d,,1,Homer\nK2,d*,,2,Marge\n"

    ran = command("syncinit", "HR", "testapp.Person", put(text))

    assert feed(ran)["external_key_column"] == "external_key"
    assert feed(ran)["columns"] == {"action_flags": "", "id": "", "first_name": "first_name"}


def test_an_order_of_dates_that_nothing_proves_is_left_to_decide(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put("first_name,birthday\nHomer,01/02/1955\nNed,03/04/1960\n"))

    assert "date_order" not in feed(ran)
    assert line(ran, "# decide: date_order").startswith(
        "# decide: date_order = \"dmy\"  # line 2: '01/02/1955' reads in several ways, and no line proves one; or mdy"
    )


def test_numbers_that_may_be_grouped_by_thousands_prove_no_decimal_comma(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put("first_name;salary\nHomer;1,500\nNed;2,000\nMoe;100\n"))

    assert "decimal_comma" not in feed(ran)
    assert line(ran, "# decide: decimal_comma") == (
        "# decide: decimal_comma = true  # line 2: '1,500' is a number so, but may be grouped by thousands; "
        "no line proves it"
    )
    assert line(ran, "# decide: salary").endswith("'1,500': not a decimal number; write one such as 12.50")


@pytest.mark.parametrize("value", ["1.234,50", "1,5", "0,125", "1234,500"])
def test_a_number_that_reads_in_no_other_way_proves_a_decimal_comma(command: Command, value: str) -> None:
    ran = command("syncinit", "X", "testapp.Airport", put(f"name;elevation\nA;1,500\nB;{value}\n"))

    assert line(ran, "decimal_comma") == f"decimal_comma = true  # line 3: '{value}' is a number only so"


@pytest.mark.parametrize("value", ["1,234.50", "1,234,567", "-1,500.5"])
def test_a_number_with_a_comma_before_its_point_proves_that_there_is_no_decimal_comma(
    command: Command, value: str
) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put(f"first_name;salary\nHomer;1,5\nNed;{value}\n"))

    assert "decimal_comma" not in ran.out


def test_a_match_that_the_model_does_not_promise_needs_many_rows(command: Command) -> None:
    rows = "".join(f"{number % 40},N{number // 40}\n" for number in range(800))

    ran = command("syncinit", "HR", "testapp.Person", put(f"first_name,last_name\n{rows}"))
    assert feed(ran)["match_on"] == "first_name last_name"
    ran = command("syncinit", "HR", "testapp.Person", put(f"first_name,last_name\n{rows[:900]}"))
    assert "match_on" not in feed(ran)
    assert '# decide: match_on = "first_name last_name"' in ran.out


def test_a_match_that_only_the_first_rows_of_a_file_show_is_left_to_decide(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "MOST_ROWS", 700)
    rows = "".join(f"{number % 40},N{number // 40}\n" for number in range(800))

    ran = command("syncinit", "HR", "testapp.Person", put(f"first_name,last_name\n{rows}"))

    assert line(ran, "# decide: match_on").endswith("; synclint tells whether it is so in the others too")
    assert "the first 700 rows" in ran.out


def test_a_match_that_the_database_has_twice_is_not_proposed(command: Command) -> None:
    rows = "".join(f"{number % 40},N{number // 40}\n" for number in range(800))
    Person.objects.create(first_name="1", last_name="N1")
    Person.objects.create(first_name="1", last_name="N1")

    assert "match_on = " not in command("syncinit", "HR", "testapp.Person", put(f"first_name,last_name\n{rows}")).out


def test_a_match_is_left_to_decide_while_no_column_is_known_as_a_field(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put("Personalnr,Vorname\nP1,Homer\nP2,Marge\n"))

    assert line(ran, "# decide: match_on").startswith(
        '# decide: match_on = "…"  # no column is known as a field yet; once you have decided which are'
    )
    assert "is unique" not in ran.out


def test_a_match_that_no_known_columns_make_is_told_as_that(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put("Personalnr,first_name\nP1,Homer\nP2,Homer\n"))

    assert line(ran, "# match_on: ") == (
        "# match_on: of the columns that are known as fields, no set of up to three is filled and unique here and in "
        "the database; rows go by their key alone"
    )


def test_a_reference_is_proposed_with_the_share_that_is_found(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put("first_name,Company\nA,Acme\nB,Fox\nC,Initech\nD,Umbrella\n"))

    assert line(ran, "Company") == 'Company = "company=>name"  # 75 % of 4 different values are found in Company.name'


def test_what_no_object_can_be_made_without_is_left_to_decide(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Room", put("nr,name\n1,Kitchen\n2,Bath\n"))

    assert '# decide: set.house = "…"  # no object can be made without it; no column has it' in ran.out.splitlines()


def test_a_reference_to_an_empty_table_is_left_to_decide(command: Command) -> None:
    Company.objects.all().delete()

    ran = command("syncinit", "HR", "testapp.Person", put("first_name,company\nA,Acme\nB,Fox\nC,Initech\n"))

    assert '# decide: company = "company=>name"  # Company has no rows yet' in ran.out


def test_a_file_without_a_header_is_told_by_what_is_stored(command: Command) -> None:
    for number in range(40):
        Person.objects.create(employee_id=f"E{number}", first_name=f"F{number}", age=number + 20)
    rows = "".join(f"{1_000 + number},F{number},E{number},{number + 20},x\n" for number in range(40))

    ran = command("syncinit", "CRM", "testapp.Person", put(rows))

    assert feed(ran)["header"] == ["column 1", "first_name", "employee_id", "age", "column 5"]
    assert feed(ran)["external_key_column"] == "employee_id"
    assert feed(ran)["match_on"] == "employee_id"
    assert "100 % of 40 rows agree with what is stored" in line(ran, "age")
    assert line(ran, "header").partition("  # ")[2].startswith("the first row is data: ")


def place_airports(elevation: Callable[[int], float]) -> None:
    for number in range(60):
        Airport.objects.create(icao=f"AB{number:02}", name=f"A{number}", elevation=elevation(number))


@pytest.mark.parametrize(
    ("held", "given"),
    [
        (lambda number: 1950 + number, lambda number: 1950 + (number * 7 + 3) % 60),  # years
        (lambda number: 80331 + number, lambda number: 80331 + (number * 7 + 3) % 60),  # postcodes
        (lambda number: 36 + number % 7 / 10, lambda number: 36.05 + number % 5 / 10),  # temperatures
        (lambda number: 1 / (100 + number), lambda number: 1 / (300 - number)),  # rates, all below 1 %
    ],
)
def test_numbers_that_are_near_by_chance_do_not_make_a_column_a_field(
    command: Command, held: Callable[[int], float], given: Callable[[int], float]
) -> None:
    place_airports(held)
    rows = "".join(f"AB{number:02},{given(number)}\n" for number in range(60))

    ran = command("syncinit", "X", "testapp.Airport", put(f"icao,other\n{rows}"))

    assert line(ran, "# decide: other").startswith('# decide: other = ""  # no field is like it')


def test_stored_lists_and_numbers_with_decimals_are_compared(command: Command) -> None:
    for number in range(40):
        Product.objects.create(sku=f"S{number:02}", metadata=[number] if number % 2 else number + 0.5)
    rows = "".join(f"S{number:02},{number + 0.25}\n" for number in range(40))

    ran = command("syncinit", "X", "testapp.Product", put(f"sku,other\n{rows}"))

    assert ran.code == 0, ran.err
    assert "other" in ran.out


def test_numbers_with_decimals_may_be_measured_differently(command: Command) -> None:
    place_airports(lambda number: number * 31.7)
    rows = "".join(f"AB{number:02},{number * 31.7 * 1.004:.1f}\n" for number in range(60))

    ran = command("syncinit", "X", "testapp.Airport", put(f"icao,other\n{rows}"))

    assert line(ran, "other") == 'other = "elevation"  # 100 % of 60 rows agree with what is stored'


def test_a_header_of_which_nothing_is_known_is_left_to_decide(command: Command) -> None:
    ran = command("syncinit", "CRM", "testapp.Person", put("1,a\n2,a\n"), "--write")

    assert ran.code == 0
    assert '# decide: header = ["column 1", "column 2"]  # the first row is data' in Path("nsync.toml").read_text()
    assert problems_of(FeedFile("nsync.toml")) == []


def test_a_header_that_stands_in_the_file_once_more_is_no_data(command: Command) -> None:
    header = "Personalnr,Vorname,Ort\n"
    text = f"{header}P1,Homer,Springfield\nP2,Marge,Springfield\n{header}P3,Ned,Springfield\n{header}"

    ran = command("syncinit", "HR", "testapp.Person", put(text))

    assert "header =" not in ran.out
    assert line(ran, "# line") == (
        "# line 4, and 1 more: the header once more, as where files are joined; a sync takes it as a row"
    )
    assert line(ran, "# As").endswith("looks, all 3 rows of it.")
    assert '# decide: external_key_column = "Personalnr"  # unique' in ran.out


def test_a_first_row_of_numbers_that_comes_again_is_data_twice(command: Command) -> None:
    ran = command("syncinit", "HR", "testapp.Person", put("1,44\n2,44\n1,44\n3,45\n"))

    assert line(ran, "# decide: header").endswith("are like what stands below")
    assert line(ran, "# As").endswith("looks, all 4 rows of it.")
    assert line(ran, "# decide: external_key_column").startswith('# decide: external_key_column = "…"  # no column is')


def test_columns_that_hand_out_power_are_left_out(command: Command) -> None:
    """S1."""
    ran = command("syncinit", "HR", "auth.User", put("username,password,is_staff\na,b,1\nc,d,0\n"))

    assert feed(ran, "users")["columns"] == {"username": "username", "password": "", "is_staff": ""}


def test_a_sample_that_does_not_tell_its_encoding_asks(command: Command) -> None:
    name = put("first_name\nHélène\nFrançois\nZoë\n", encoding="cp1252")

    ran = command("syncinit", "HR", "testapp.Person", name, "--delimiter", ",")
    assert ran.code == 1
    assert "cannot tell its encoding for sure" in ran.err
    ran = command("syncinit", "HR", "testapp.Person", name, "--delimiter", ",", "--encoding", "cp1252")
    assert feed(ran)["encoding"] == "cp1252"


def test_what_is_written_is_a_feed_that_runs_and_the_file_keeps_what_it_has(command: Command) -> None:
    before = '# feeds\n[feeds.others]  # mine\nsystem = "X"\nmodel = "testapp.Tag"\nfiles = "tags.csv"'
    Path("nsync.toml").write_text(before)
    name = put("employee_id,first_name,shoes\n1,Homer,44\n2,Marge,39\n")

    ran = command("syncinit", "HR", "testapp.Person", name, "--write")

    assert ran.out == "nsync.toml: added [feeds.persons]; 2 lines are left to decide\n"
    text = Path("nsync.toml").read_text()
    assert text.startswith(f"{before}\n\n# As {name} looks, all 2 rows of it.\n[feeds.persons]\n")
    assert problems_of(FeedFile("nsync.toml")) == []
    ran = command("syncfeed", "persons", name)
    assert ran.code == 0, ran.err
    assert ran.err == "nsync.toml:11: [feeds.persons] leaves to decide: files (line 11), shoes (line 22)\n"
    assert Person.objects.count() == 2


def test_a_name_that_is_taken_is_not_taken_again(command: Command) -> None:
    name = put("first_name\nHomer\nMarge\n")
    assert command("syncinit", "HR", "testapp.Person", name, "--write", "--delimiter", ",").code == 0
    before = Path("nsync.toml").read_text()

    ran = command("syncinit", "HR", "testapp.Person", name, "--write", "--delimiter", ",", "--name", "persons")
    assert (ran.code, Path("nsync.toml").read_text()) == (1, before)
    assert "there is a feed 'persons' already" in ran.err
    assert command("syncinit", "HR", "testapp.Person", name, "--write", "--delimiter", ",").out.startswith(
        "nsync.toml: added [feeds.persons-hr]"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["HR", "testapp.Persn", "x.csv"], "no model 'Persn'"),
        (["HR", "testapp.Person", "gone.csv"], "no such file"),
        (["", "testapp.Person", "gone.csv"], "the name of an external system has 1 to 100 characters"),
    ],
)
def test_what_cannot_be_looked_at_is_said(command: Command, arguments: list[str], said: str) -> None:
    ran = command("syncinit", *arguments)

    assert ran.code == 1
    assert said in ran.err
