"""What ``nsync.toml`` may hold, and what is said about what it may not."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import pytest

from nsync import ConfigError, Input, SyncOptions, load_feeds, sync
from nsync.feeds.checking import problems_of
from nsync.feeds.feed import Feed
from nsync.feeds.reading import FeedFile
from tests.testapp.models import Person

WHOLE = """
[feeds.persons]
system = "HR"
model = "testapp.Person"
files = "inbox/*.csv"
policy = "nsync.policies.OrderedSyncPolicy"
all_files = true
min_age = 1.5
on_missing_file = "error"
archive = "done/"
action_flags_column = "OP"
flag_map = {I = "c"}
match_on = "employee_id"
external_key_column = "{Werk}-{Nr}"
only_columns = ["Vorname", "employee_id"]
max_deletes = 20
wait = 2.5
strict = true

[feeds.persons.columns]
Vorname = "first_name"
Nr = ["employee_id", "nickname"]
Buero = ""

[feeds.persons.set]
age = 39
active = true
birthday = 1955-05-12
salary = 1.50
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "nsync.toml"
    path.write_text(text, encoding="utf-8")
    return path


def told(folder: Path, text: str) -> list[str]:
    file = FeedFile(write(folder, text))
    return [file.told(problem).replace(f"{file.path}:", "") for problem in problems_of(file)]


def feed(lines: str) -> str:
    return f'[feeds.x]\nsystem = "HR"\nmodel = "testapp.Person"\n{lines}\n'


def test_a_feed_is_options_and_inputs_under_a_name(tmp_path: Path) -> None:
    (found,) = load_feeds(write(tmp_path, WHOLE)).values()

    assert found == Feed(
        name="persons",
        system="HR",
        model="testapp.Person",
        files=f"{tmp_path}/inbox/*.csv",
        policy="nsync.policies.OrderedSyncPolicy",
        all_files=True,
        min_age=1.5,
        on_missing_file="error",
        archive=tmp_path / "done",
        failed=tmp_path / "failed",
        options=SyncOptions(
            action_flags_column="OP",
            flag_map=(("I", "c"),),
            match_on="employee_id",
            external_key_column="{Werk}-{Nr}",
            only_columns=("Vorname", "employee_id"),
            max_deletes="20",
            wait=2.5,
            strict=True,
            map=(("Vorname", "first_name"), ("Nr", "employee_id"), ("Nr", "nickname"), ("Buero", "")),
            set=(("age", "39"), ("active", "true"), ("birthday", "1955-05-12"), ("salary", "1.50")),
        ),
    )
    assert found.inputs("a.csv") == [Input("a.csv", "testapp.Person", "HR")]
    assert problems_of(FeedFile(tmp_path / "nsync.toml")) == []


def test_a_pattern_means_the_folder_of_the_file_whatever_that_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "[a]"
    folder.mkdir()

    assert load_feeds(write(folder, feed('files = "*.csv"')))["x"].files == f"{tmp_path}/[[]a]/*.csv"


def test_files_that_fail_go_beside_the_archive_unless_the_feed_says_otherwise(tmp_path: Path) -> None:
    def failed(lines: str) -> Path | None:
        return load_feeds(write(tmp_path, feed(lines)))["x"].failed

    assert failed("") is None
    assert failed('archive = "/srv/in/done"') == Path("/srv/in/failed")
    assert failed('archive = "done"\nfailed = "bad"') == tmp_path / "bad"
    assert failed('archive = "done"\nfailed = ""') is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('sytem = "HR"', "4: [feeds.x] unknown key 'sytem'. Did you mean 'system'?"),
        ('map = ["a=b"]', "4: [feeds.x] unknown key 'map'. Did you mean 'columns'?"),
        ('key = "id"', "4: [feeds.x] unknown key 'key'. Did you mean 'external_key_column'?"),
        ("dry_run = true", "4: [feeds.x] unknown key 'dry_run'. Known keys: "),
        ("strict = 1", "4: [feeds.x] strict: must be true or false, not 1"),
        ('only_columns = "a"', '4: [feeds.x] only_columns: must be a list of text, such as ["a", "b"], not \'a\''),
        ("max_deletes = true", "4: [feeds.x] max_deletes: must be a limit"),
        ("wait = -1", "4: [feeds.x] wait: must be a number of seconds"),
        ('date_order = "dym"', "4: [feeds.x] date_order: must be one of '', 'dmy', 'mdy', 'ymd', not 'dym'"),
        ('on_missing_file = "no"', "4: [feeds.x] on_missing_file: 'no' is none of warn, error"),
        ("all_files = 1", "4: [feeds.x] all_files: 1 is neither true nor false"),
        ("all_files = true", "4: [feeds.x] all_files without files"),
        ("min_age = -1", "4: [feeds.x] min_age: -1 is no number of seconds"),
        ("min_age = nan", "4: [feeds.x] min_age: NaN is no number of seconds"),
        ("min_age = inf", "4: [feeds.x] min_age: Infinity is no number of seconds"),
        ("min_age = true", "4: [feeds.x] min_age: True is no number of seconds"),
        (f"min_age = {'1' * 400}", "4: [feeds.x] min_age: 111"),
        ("wait = nan", "4: [feeds.x] wait: must be a number of seconds, not below 0, not NaN"),
        ("wait = inf", "4: [feeds.x] wait: must be a number of seconds, not below 0, not Infinity"),
        (f"wait = {'1' * 400}", "4: [feeds.x] wait: must be a number of seconds"),
        (f"batch_size = {'1' * 400}", "4: [feeds.x] batch_size: must be a whole number"),
        ("set = {salary = nan}", "4: [feeds.x] --set salary: "),
        ('files = ""', "4: [feeds.x] files: '' is no text"),
        ('columns = "a"', '4: [feeds.x] columns: must be a table, of lines such as "Header" = "field"'),
        ("columns = {a = 1}", "4: [feeds.x] columns: 'a' must be a field or a reference"),
        ("columns = {a = []}", "4: [feeds.x] columns: 'a' has an empty list; \"\" leaves the column out"),
        ("set = {age = [1]}", "4: [feeds.x] set: [1] is no single value"),
        ('format = "cvs"', "4: [feeds.x] --format cvs: no such format; did you mean csv?"),
        ('encoding = "utf-9"', "4: [feeds.x] --encoding"),
        ('delimiter = ";;"', "4: [feeds.x] --delimiter ';;'"),
        ('policy = "a.B"', "4: [feeds.x] --policy a.B"),
        ('snapshot_action = "release"', "4: [feeds.x] --snapshot-action goes with --snapshot"),
        ('[feeds.x.columns]\nA = "frst_name"', "5: [feeds.x] A → frst_name: no such field on Person; did you mean"),
        ('[feeds.x.columns]\nA = "age"\nB = "age"', "4: [feeds.x] columns 'A' and 'B' both set age"),
        ('[feeds.x.columns]\nA = "company=>nam"', "5: [feeds.x] "),
        ('[feeds.x.set]\nag = "1"', "5: [feeds.x] --set ag: no such field on Person; did you mean age?"),
        ('match_on = "first_nam"', "4: [feeds.x] --match-on: 'first_nam' is no column to match on"),
        ('action_flags = "x"', "4: [feeds.x] --action-flags 'x'"),
        ('external_key_column = "{a"', "4: [feeds.x] --external-key-column '{a'"),
        ('header = ["a", "age"]\ncolumns = {b = "age"}', "5: [feeds.x] --map: no column 'b'"),
        ('timezone = "Europe/Wien"', "4: [feeds.x] --timezone"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_would_work(tmp_path: Path, lines: str, said: str) -> None:
    (only,) = told(tmp_path, feed(lines))

    assert only.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[feed.x]\n", "1: 'feed' is no table of feeds. Write [feeds.NAME], and below it what it is."),
        ("feeds = 3\n", "1: 'feeds' is no table of feeds"),
        ("[feeds]\nx = 3\n", "2: [feeds.x] is no table"),
        ('[feeds.x]\nsystem = "HR"\n', "1: [feeds.x] 'model' is missing"),
        ('[feeds.x]\nsystem = "HR"\nmodel = "testapp.Persn"\n', "3: [feeds.x] app 'testapp' has no model 'Persn'"),
        ('[feeds.x]\nsystem = "HR"\nmodel = "testap.Person"\n', "3: [feeds.x] there is no app 'testap'"),
    ],
)
def test_what_is_no_feed_is_told_too(tmp_path: Path, text: str, said: str) -> None:
    (only,) = told(tmp_path, text)

    assert only.startswith(said)


def test_a_model_that_is_mistyped_has_a_suggestion(tmp_path: Path) -> None:
    (only,) = told(tmp_path, '[feeds.x]\nsystem = "HR"\nmodel = "testapp.persn"\n')

    assert only.endswith("Did you mean 'testapp.Person'?")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    text = feed('sytem = "a"\nwait = "b"') + '[feeds.y]\nmodel = "testapp.Person"\n'

    with pytest.raises(ConfigError) as caught:
        load_feeds(write(tmp_path, text))

    assert [line.partition("nsync.toml:")[2][:1] for line in str(caught.value).splitlines()] == ["4", "5", "6"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[feeds.x]\nsystem = HR\n", "is no TOML: Invalid value (at line 2, column 10)"),
        (b"[feeds.x]\nsystem = '\xff'\n", "cannot be read"),
        (b"a = " + b"[" * 100_000, "is no TOML"),
        (b"a = " + b"1" * 5_000, "a number has more digits than Python reads"),
        (None, "no such file; make one that describes feeds"),
    ],
)
def test_what_cannot_be_read_is_told_in_words(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "nsync.toml").write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        FeedFile(tmp_path / "nsync.toml")

    assert said in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "nsync.toml").write_text(feed(""), encoding="utf-8-sig")

    assert list(load_feeds(tmp_path / "nsync.toml")) == ["x"]


@pytest.mark.parametrize("has_comma", ["true", "false"])
@pytest.mark.parametrize("number", ["1.500", "-1234.5", "1.5e3", "7", "0.25"])
def test_a_number_of_a_constant_is_read_as_what_it_is(db: None, tmp_path: Path, number: str, has_comma: str) -> None:
    lines = f'action_flags = "c"\nmatch_on = "first_name"\ndecimal_comma = {has_comma}\nset = {{salary = {number}}}'
    only = load_feeds(write(tmp_path, feed(lines)))["x"]

    assert problems_of(FeedFile(tmp_path / "nsync.toml")) == []
    sync(io.StringIO("first_name\nHomer\n"), only.model, system="HR", options=only.options)

    assert Person.objects.get().salary == Decimal(number)


def test_a_policy_whose_module_cannot_be_imported_is_a_mistake_of_its_feed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_policy.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = FeedFile(write(tmp_path, feed('policy = "own_policy.Own"') + feed("").replace("feeds.x", "feeds.y")))

    (only,) = problems_of(file)

    assert (only.feed, only.line) == ("x", 4)
    assert only.message == "--policy own_policy.Own: its module cannot be imported: ZeroDivisionError: division by zero"
    assert problems_of(file, "y") == []
    assert problems_of(file, "x") == [only]


@pytest.mark.parametrize("contract", ["exact", "at-least", "any"])
def test_columns_may_be_the_contract_alone(tmp_path: Path, contract: str) -> None:
    found = load_feeds(write(tmp_path, feed(f'columns = "{contract}"')))["x"]

    assert (found.options.contract, found.options.map) == (contract, ())


def test_columns_that_are_neither_a_table_nor_a_contract_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"columns: must be a table, .*; or alone the contract: exact, at-least, any"):
        load_feeds(write(tmp_path, feed('columns = "all"')))
