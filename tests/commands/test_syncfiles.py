"""``syncfiles``: several files in one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ran
from tests.testapp.models import House, Person

Command = Callable[..., Ran]
PERSONS = "external_key,action_flags,match_on,first_name,employee_id,age\n1,cu*,employee_id,Homer,E1,39\n"
HOUSES = "external_key,action_flags,match_on,address,owner=>first_name\nA1,cu*,address,Evergreen Terrace,Homer\n"
FILES = ("HR_testapp_House.csv", "HR_testapp_Person_2024-12-31.csv")


@pytest.fixture
def files(in_folder: Path) -> None:
    Path(FILES[0]).write_text(HOUSES)
    Path(FILES[1]).write_text(PERSONS)


@pytest.mark.usefixtures("files")
def test_names_of_files_say_what_they_are_for(command: Command) -> None:
    """T6."""
    ran = command("syncfiles", *FILES)

    assert ran.code == 0, ran.err
    assert ran.out.startswith(
        "Applied.\n"
        "HR_testapp_House.csv → testapp.House (system HR): 1 row, 1 created\n"
        "HR_testapp_Person_2024-12-31.csv → testapp.Person (system HR): 1 row, 1 created\n"
        "2 sources: 2 rows\n"
    )
    assert House.objects.get().owner == Person.objects.get()


@pytest.mark.usefixtures("files")
def test_a_name_that_does_not_fit_is_an_error_before_any_file_is_read(command: Command) -> None:
    """T6."""
    ran = command("syncfiles", "missing_testapp_Person.csv", "houses.csv")

    assert ran.code == 1
    assert "'houses.csv' does not fit" in ran.err


def test_a_pattern_that_fits_no_file_says_so(command: Command) -> None:
    ran = command("syncfiles", "*.csv")

    assert (ran.code, ran.err) == (1, "*.csv: no file fits this pattern")


@pytest.mark.parametrize(("name", "said"), [("HR_my_app_Person.csv", "no app 'my'"), ("HR_testapp_X.csv", "model 'X'")])
def test_a_name_that_names_no_model_says_how_to_read_labels_with_underscores(
    command: Command, name: str, said: str
) -> None:
    """C6, T6."""
    ran = command("syncfiles", name)

    assert ran.code == 1
    assert ran.err.startswith(f"{name}: ")
    assert said in ran.err
    assert "give --file-name-regex" in ran.err


def test_the_default_expression_is_shown_fit_to_be_copied(command: Command) -> None:
    assert r".*\.csv'" in command("syncfiles", "houses.csv").err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("option", ["--file_name_regex", "--file-name-regex"])
def test_an_expression_of_ones_own_reads_the_names(command: Command, option: str) -> None:
    """T5, T6."""
    expression = r"(?P<model_name>[^.]+)\.(?P<app_name>[^.]+)\.(?P<external_system>[^.]+)\.csv"
    Path("Person.testapp.HR.csv").write_text(PERSONS)

    ran = command("syncfiles", "Person.testapp.HR.csv", option, expression)

    assert ran.code == 0, ran.err
    assert Person.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "options", "survives"),
    [
        ((), {}, False),
        (("--smart_ordering", "True"), {}, False),
        (("--smart_ordering", "False"), {}, True),
        (("--no-smart-ordering",), {}, True),
        ((), {"smart_ordering": False}, True),
        ((), {"smart_ordering": "False"}, True),
        (("--policy", "nsync.policies.BasicSyncPolicy"), {}, True),
    ],
)
def test_deletes_of_all_files_come_last_unless_told_otherwise(
    command: Command, arguments: tuple[str, ...], options: dict[str, object], survives: bool
) -> None:
    """T2, T5."""
    header = "external_key,action_flags,match_on,first_name,employee_id\n"
    Path("A_testapp_Person.csv").write_text(f"{header}1,d*,employee_id,Homer,E1\n")
    Path("B_testapp_Person.csv").write_text(f"{header}1,c,employee_id,Homer,E1\n")

    ran = command("syncfiles", "A_testapp_Person.csv", "B_testapp_Person.csv", *arguments, **options)

    assert ran.code == 0, ran.err
    assert Person.objects.exists() == survives


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("folder", ["rejects/", "made"])
def test_each_source_has_rejects_of_its_own(command: Command, folder: str) -> None:
    """O3."""
    Path("made").mkdir()
    Path(FILES[1]).write_text(PERSONS.replace("39", "x"))

    ran = command("syncfiles", *FILES, "--rejects", folder)

    names = sorted(path.name for path in Path(folder).iterdir())
    assert ran.code == 1
    assert names == ["HR_testapp_House.rejects.csv", "HR_testapp_Person_2024-12-31.rejects.csv"]
    assert [len(Path(folder, name).read_text().splitlines()) for name in names] == [1, 2]
    assert "The failed rows are in" in ran.out


@pytest.mark.usefixtures("files")
def test_several_sources_cannot_share_a_rejects_file(command: Command) -> None:
    """O3."""
    ran = command("syncfiles", *FILES, "--rejects", "rejects.csv")

    assert ran.code == 1
    assert "the run has 2 sources; name a folder" in ran.err
    assert not House.objects.exists()


@pytest.mark.usefixtures("files")
def test_sources_of_one_name_cannot_share_a_folder(command: Command) -> None:
    Path("sub").mkdir()
    Path("sub", FILES[0]).write_text(HOUSES)

    ran = command("syncfiles", FILES[0], f"sub/{FILES[0]}", "--rejects", "rejects/")

    assert ran.code == 1
    assert "two sources want" in ran.err
