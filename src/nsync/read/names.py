"""What a file's name says about its rows: system, app and model (rule T6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from nsync.errors import ConfigError
from nsync.places import file_name
from nsync.read.formats import suffixes

# As rule T6 has it; ".csv" stands for the suffix of any registered format.
DEFAULT_EXPRESSION: Final = (
    r"(?P<external_system>[a-zA-Z0-9]+)_(?P<app_name>[a-zA-Z0-9]+)_(?P<model_name>[a-zA-Z0-9]+).*\.csv"
)
GROUPS: Final = ("external_system", "app_name", "model_name")

_EXAMPLE_NAMES: Final = "ERP_staff_Person.csv or ERP_staff_Person_2024-12-31.csv"
_EXAMPLE_EXPRESSION: Final = r"(?P<external_system>[^_]+)_(?P<app_name>my_app)_(?P<model_name>[^_.]+).*\.csv"


@dataclass(frozen=True, slots=True)
class FileTarget:
    """What a file's rows are, by its name."""

    external_system: str
    app_name: str
    model_name: str


def parse_file_name(path: str, pattern: str | None) -> FileTarget:
    """
    Read system, app and model from a file's name.

    Args:
        path: Of it, or of a URL's path, only the last part counts.
        pattern: A regular expression with the groups GROUPS, matched at the start of the name; None: the default.

    Raises:
        ConfigError: The expression does not compile or lacks a group, or the name does not fit it.
    """
    expression = _compile(_default_expression() if pattern is None else pattern)
    name = file_name(path)
    match = expression.match(name)
    parts = [match[group] for group in GROUPS] if match else []
    if not parts or not all(parts):
        raise ConfigError(_misfit(name, pattern))
    return FileTarget(*parts)


def _default_expression() -> str:
    known = "|".join(map(re.escape, suffixes()))
    # Suffixes in any case, as open_source() takes them.
    return DEFAULT_EXPRESSION.removesuffix(r"\.csv") + f"(?i:{known})"


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"--file-name-regex '{pattern}' is no regular expression: {error}; an example: {_EXAMPLE_EXPRESSION}"
        ) from error
    missing = [f"(?P<{group}>…)" for group in GROUPS if group not in expression.groupindex]
    if missing:
        raise ConfigError(
            f"--file-name-regex '{pattern}' lacks the named group {', '.join(missing)}; "
            f"an example: {_EXAMPLE_EXPRESSION}"
        )
    return expression


def _misfit(name: str, pattern: str | None) -> str:
    # Not as Python writes it, with each backslash twice: it must be fit to be copied.
    what = f"{name!r} does not fit '{pattern or DEFAULT_EXPRESSION}', from which system, app and model are read"
    if pattern is not None:
        return f"{what}; '{_EXAMPLE_EXPRESSION}', for example, reads ERP_my_app_Person.csv"
    return (
        f"{what}; a name that fits is {_EXAMPLE_NAMES}. An app label with '_' needs an expression of its own, "
        f"for example --file-name-regex '{_EXAMPLE_EXPRESSION}'"
    )
