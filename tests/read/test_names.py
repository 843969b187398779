"""T6: system, app and model from a file's name."""

from __future__ import annotations

import pytest

from nsync.errors import ConfigError
from nsync.read.names import FileTarget, parse_file_name


@pytest.mark.parametrize(
    "path",
    [
        "ERP_staff_Person.csv",
        "/data/in_box/ERP_staff_Person.csv",
        "ERP_staff_Person_2024-12-31.csv",
        "ERP_staff_Person-1.csv",
        "ERP_staff_Person.CSV",
    ],
)
def test_t6_the_default_expression_reads_the_base_name(path: str) -> None:
    assert parse_file_name(path, None) == FileTarget("ERP", "staff", "Person")


def test_t6_csv_stands_for_the_suffix_of_any_registered_format() -> None:
    assert parse_file_name("ERP_staff_Person.jsonl", None) == FileTarget("ERP", "staff", "Person")
    assert parse_file_name("ERP_staff_Person.csv", None) == FileTarget("ERP", "staff", "Person")


@pytest.mark.parametrize("suffix", [".csv.gz", ".jsonl.zst", "_2024.csv.GZ", ".zip", ".bz2", ".tsv.xz"])
def test_t6_a_file_may_be_compressed(suffix: str) -> None:
    assert parse_file_name(f"ERP_staff_Person{suffix}", None) == FileTarget("ERP", "staff", "Person")


@pytest.mark.parametrize(
    "path", ["Person.csv", "ERP_Person.csv", "ERP_staff_Person.txt", "x/-ERP_staff_Person.csv", "-", ""]
)
def test_t6_a_name_that_does_not_fit_is_an_error_that_says_what_would(path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_file_name(path, None)

    message = str(caught.value)
    assert repr(path.rpartition("/")[2]) in message
    assert "(?P<external_system>[a-zA-Z0-9]+)_" in message
    assert "ERP_staff_Person.csv" in message
    assert "app label with '_'" in message


def test_t6_an_expression_of_one_s_own_reads_labels_with_underscores() -> None:
    expression = r"(?P<external_system>[^_]+)_(?P<app_name>my_app)_(?P<model_name>[^_.]+).*\.csv"

    assert parse_file_name("ERP_my_app_Person.csv", expression) == FileTarget("ERP", "my_app", "Person")


def test_t6_a_name_that_does_not_fit_one_s_own_expression_shows_both() -> None:
    expression = r"(?P<external_system>A)(?P<app_name>B)?(?P<model_name>C)"

    for name in ("x.csv", "AC"):
        with pytest.raises(ConfigError, match=r"does not fit .*app_name>B.*for example") as caught:
            parse_file_name(name, expression)
        assert repr(name) in str(caught.value)


def test_t6_an_expression_that_does_not_compile_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"'\(' is no regular expression: .*; an example: \(\?P<external_system>"):
        parse_file_name("a.csv", "(")


@pytest.mark.parametrize("group", ["external_system", "app_name", "model_name"])
def test_t6_an_expression_that_lacks_a_group_is_a_config_error_that_names_it(group: str) -> None:
    expression = r"(?P<external_system>\w)(?P<app_name>\w)(?P<model_name>\w)".replace(f"?P<{group}>", "")

    with pytest.raises(ConfigError, match=rf"lacks the named group \(\?P<{group}>…\); an example: "):
        parse_file_name("abc", expression)
