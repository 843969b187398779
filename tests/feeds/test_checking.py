"""What is wrong with a feed can be known before there is a file: as much as that, and no more."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nsync import ConfigError, SyncOptions, sync
from nsync.beforehand import check_columns
from nsync.decode.compiling import compile_layout
from nsync.decode.contract import check_names
from nsync.feeds.checking import problems_of
from nsync.feeds.reading import FeedFile
from tests.testapp.models import House


def read(folder: Path, lines: str, model: str = "Person") -> tuple[FeedFile, list[str]]:
    """Give the file of one feed, and what is wrong with it, without the name of the file."""
    path = folder / "nsync.toml"
    path.write_text(f'[feeds.x]\nsystem = "HR"\nmodel = "testapp.{model}"\n{lines}\n', encoding="utf-8")
    file = FeedFile(path)
    return file, [file.told(problem).replace(f"{path}:", "") for problem in problems_of(file)]


@pytest.mark.parametrize(
    ("lines", "model", "text"),
    [
        ('match_on = "address country"\nset = {country = "CH"}', "House", "address\nE\n"),
        ('match_on = "address country"\nset = {country = "CH"}\ncontract = "exact"\ncolumns = {A = "address"}', "House",
         "A\nE\n"),
        ('match_on = "employee_id"\ncontract = "any"\ncolumns = {Nr = "employee_id", Nummer = "employee_id"}', "Person",
         "Nr,first_name\n1,x\n"),
        ('match_on = "employee_id"\ncontract = "any"\ncolumns = {Nr = "employee_id"}\nset = {employee_id = "1"}',
         "Person", "first_name\nx\n"),
        ('match_on = "address"\ncolumns = {A = " address "}', "House", "A\nE\n"),
        ('match_on = "employee_id__iexact"\ncolumns = {Nr = ["employee_id", "employee_id__iexact"]}', "Person",
         "Nr,first_name\n1,x\n"),
        ('match_on = "first_name last_name"\nonly_columns = [" Nr", "first_name", "last_name "]\n'
         'columns = {Nr = "employee_id"}', "Person", "Nr,first_name,last_name,age\n1,x,y,z\n"),
        ('match_on = "address owner=>employee_id"\ncolumns = {O = "owner => employee_id"}', "House",
         "address,O\nE,1\n"),
        ('match_on = "address owner"\ncolumns = {O = "owner_id"}', "House", "address,O\nE,\n"),
        ('match_on = "address owner"', "House", "address,owner_id\nE,\n"),
        ('match_on = "first_name tags=>name"', "Person", "first_name,tags=>+name\nx,\n"),
        ('match_on = "first_name"\ncolumns = {Changed = "modified", Id = ""}', "Person",
         "first_name,Changed,Id\nx,2024-01-01,3\n"),
        ('match_on = "first_name"\ncolumns = {A = "no_such_field"}\nonly_columns = ["first_name"]', "Person",
         "first_name,A\nx,y\n"),
        ('match_on = "first_name last_name | ~"', "Person", "first_name,last_name\nx,y\n"),
        ('action_flags = "d*"\nmatch_on = "first_name"\nset = {age = "none"}', "Person", "first_name\nx\n"),
        ('match_on = "first_name"\nonly_columns = ["first_name", "junk"]', "Person", "first_name,junk\nx,y\n"),
        ('external_key_column = "{A}-{B}"\ncolumns = {A = "first_name"}', "Person", "A,B\nx,y\n"),
        ('match_on = "first_name"\nheader = ["first_name", "action_flags"]', "Person", "x,c\n"),
    ],
)  # fmt: skip
def test_what_a_source_can_be_synced_with_is_not_refused(
    db: None, tmp_path: Path, lines: str, model: str, text: str
) -> None:
    flags = "" if "action_flags" in lines else 'action_flags = "cu*"\n'

    file, told = read(tmp_path, flags + lines, model)
    report = sync(io.StringIO(text), f"testapp.{model}", system="HR", options=file.feeds["x"].options)

    assert told == []
    assert report.status == "applied"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('header = ["first_name"]', "1: [feeds.x] no column 'action_flags': say what the rows ask for"),
        ('match_on = "first_name"\ncontract = "exact"', "4: [feeds.x] --match-on: 'first_name' is no column"),
        ('match_on = "age"\nonly_columns = ["first_name"]', "4: [feeds.x] --match-on: 'age' is no column"),
        ('match_on = "Nr"\ncolumns = {Nr = "age"}', "4: [feeds.x] --match-on: 'Nr' is no column to match on"),
        (
            'match_on = "first_nme"',
            "4: [feeds.x] --match-on: 'first_nme' is no column to match on; there are none; did",
        ),
        ('match_on = "first_name |"', "4: [feeds.x] --match-on: 'first_name |': | needs 2 operand(s)"),
        ('match_on = "company=>nme"', "4: [feeds.x] --match-on: bad-reference: column 'company=>nme'"),
        ('set = {age = "young"}', "4: [feeds.x] --set age: "),
        ('set = {"company=>city__year" = "x"}', "4: [feeds.x] bad-reference"),
        ('action_flags = "x"\nset = {age = 1, active = true}', "4: [feeds.x] --action-flags 'x'"),
        ('timezone = "X/Y"\ncolumns = {A = "birthday", B = "age"}', "4: [feeds.x] --timezone X/Y: no such time zone"),
        ('database = "nope"', "4: [feeds.x] --database: there is no 'nope'; there are default"),
        ('snapshot = true\nsnapshot_action = "set:nope=1"', "5: [feeds.x] --snapshot-action set:nope"),
        ('snapshot = true\nsnapshot_action = "set:age=old"', "5: [feeds.x] --snapshot-action set:age"),
        ('columns = {a = "age", b = " age"}', "4: [feeds.x] columns 'a' and 'b' both set age"),
        ('set = {age = 1}\ncolumns = {a = "age"}', "5: [feeds.x] columns 'a' and '--set age' both set age"),
    ],
)
def test_what_no_source_could_be_synced_with_is_told_once(tmp_path: Path, lines: str, said: str) -> None:
    _, told = read(tmp_path, lines)

    assert [one[: len(said)] for one in told] == [said]


def test_several_mistakes_of_a_feed_are_told_at_once(tmp_path: Path) -> None:
    lines = ['format = "cvs"', 'timezone = "X/Y"', 'policy = "a.B"', 'database = "nope"', 'set = {age = "x"}']

    _, told = read(tmp_path, "\n".join(lines))

    assert [one[:1] for one in told] == ["4", "5", "6", "7", "8"]


def test_constants_that_the_model_can_hold_are_right(tmp_path: Path) -> None:
    values: dict[str, Any] = {"salary": "1.50", "birthday": "1955-05-12", "active": "true", '"company=>name"': '"Duff"'}
    lines = "\n".join(f"{name} = {value}" for name, value in values.items())

    _, told = read(tmp_path, f"[feeds.x.set]\n{lines}")

    assert told == []


_HEADERS = [
    "A",
    " B",
    "address",
    "owner",
    "owner_id",
    "owner=>employee_id",
    "external_key",
    "action_flags",
    "id",
    "junk",
]
_TARGETS = [
    "address",
    " floors ",
    "owner=>employee_id",
    "owner",
    "",
    "address__iexact",
    "id",
    "owner=>external_key@ERP",
]
_WORDS = ["address", "owner", "owner_id", "owner=>employee_id", "address__iexact", "pk", "country"]


def _some(pool: list[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(pool), max_size=most, unique=True)


@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])  # most columns have no options
@given(
    options=st.builds(
        SyncOptions,
        map=st.lists(st.tuples(st.sampled_from(_HEADERS), st.sampled_from(_TARGETS)), max_size=3).map(tuple),
        set=_some(_TARGETS[:4], 1).map(lambda targets: tuple((target, "1") for target in targets)),
        only_columns=st.just(()) | _some([*_HEADERS, *_TARGETS[:4]], 4).map(tuple),
        match_on=st.none() | _some(_WORDS, 2).map(" ".join),
        action_flags=st.sampled_from([None, "cu*"]),
        external_key_column=st.sampled_from([None, "A", " B ", "{A}-{B}", "id"]),
        contract=st.sampled_from(["any", "at-least", "exact"]),
        strict=st.booleans(),
    ),
    others=_some([*map(str.strip, _HEADERS), *_WORDS], 4),
    data=st.data(),
)
def test_no_options_are_refused_with_which_there_is_a_header(
    options: SyncOptions, others: list[str], data: st.DataObject
) -> None:
    named = [header.strip() for header, _ in options.map] + (options.match_on or "").split()
    header = list(dict.fromkeys([*named, *others, "A", "B", "action_flags"]))
    for name in data.draw(_some(header, 3)):
        header.remove(name)
    try:
        check_names(options, [header])
        compile_layout(House, header, "HR", {"HR", "ERP"}, options)
    except ConfigError:
        assume(False)

    check_columns(House, options, "HR")


@pytest.mark.parametrize(
    ("files", "sign"),
    [
        ("storage:default:in/persons*.csv", "*"),
        ("storage:default:in/persons-?.csv", "?"),
        ("storage:default:in/[ab].csv", "["),
        ("https://example.org/in/persons*.csv", "*"),
        ("sftp://[::1]/in/[ab].csv", "["),
        ("https://example.org/export?fields=*", ""),
        ("https://[::1]/persons.csv", ""),
        ("sql+default:SELECT * FROM persons", ""),
        ("storage:default:in/persons.csv", ""),
        ("in/persons*.csv", ""),
    ],
)
def test_a_pattern_where_none_is_followed_is_told(tmp_path: Path, files: str, sign: str) -> None:
    _, told = read(tmp_path, f'action_flags = "cu*"\nmatch_on = "employee_id"\nfiles = "{files}"')

    wanted = f"6: [feeds.x] files: {sign} stands for no other signs here"
    assert [one[: len(wanted)] for one in told] == [wanted] * bool(sign)
