"""SyncOptions: what one run was asked to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeGuard, get_args

from nsync.errors import ConfigError
from nsync.limits import read_limit

Contract = Literal["exact", "at-least", "any"]
DateOrder = Literal["", "dmy", "mdy", "ymd"]
OnDisplaced = Literal["delete", "keep", "error"]
OnMissingReference = Literal["warn", "error"]
OnError = Literal["rollback", "skip", "stop"]
Record = Literal["", "changes", "rows", "summary"]
Engine = Literal["auto", "columns", "bulk", "objects"]

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "contract": get_args(Contract),
    "date_order": get_args(DateOrder),
    "engine": get_args(Engine),
    "on_displaced": get_args(OnDisplaced),
    "on_error": get_args(OnError),
    "on_missing_reference": get_args(OnMissingReference),
    "record": get_args(Record),
}
_PAIRS: Final = ("flag_map", "map", "set")
_LIMITS: Final = ("max_changes", "max_deletes")
_LONGEST: Final = 10**9  # seconds, about 30 years; what sleeps and clocks take everywhere
_NUMBERS: Final = ("batch_size", "header_row", "max_errors", "resume")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """
    What one run is asked to do.

    Each attribute is the command option of the same name; the reference of the options explains them.

    Raises:
        ConfigError: A value makes no sense.
    """

    # reading
    format: str = ""  # "" : by suffix
    member: str = ""  # which file of a zip archive; "": the only one
    encoding: str = "utf-8-sig"
    delimiter: str | None = None  # "auto" sniffs; None: ",", or as the format says
    records: str = ""  # where the array of records is in a file of JSON: "data.items"
    header: tuple[str, ...] = ()  # names for a file that has no header row
    record_element: str = ""  # of XML: the element that is a record; "": it is looked for
    fixed_columns: tuple[str, ...] = ()  # of fixed width: "name:1-10" or "1-10"
    header_row: int | None = None  # of a spreadsheet; None: the first row that is not empty
    sheet: str = ""  # of a spreadsheet; "": the first that is not hidden

    # columns (rules C1 to C3, S1)
    action_flags: str | None = None
    action_flags_column: str = "action_flags"
    flag_map: tuple[tuple[str, str], ...] = ()
    match_on: str | None = None
    external_key_column: str | None = None  # "id", or several: "{site}-{id}"; None: "external_key"
    map: tuple[tuple[str, str], ...] = ()  # (header, target); target "" drops the column
    set: tuple[tuple[str, str], ...] = ()  # (target, constant)
    only_columns: tuple[str, ...] = ()
    allow_columns: tuple[str, ...] = ()
    strict: bool = False
    contract: Contract = "at-least"  # which columns the sources must have, beside those that options name

    # values (rules C5, V1 to V5)
    null_marker: str | None = None  # "", None: no cell is one
    decimal_comma: bool = False
    round_decimals: bool = False
    date_order: DateOrder = ""
    timezone: str = ""  # "": the current time zone
    list_separator: str = "|"
    validate: bool = False

    # what happens
    create_external_system: bool = True
    on_displaced: OnDisplaced = "delete"
    on_missing_reference: OnMissingReference = "warn"
    on_error: OnError = "rollback"
    max_errors: int | None = None  # None: 1000 under rollback, no limit under skip
    max_deletes: str = ""  # "20", "20%" or "none"; "": as NSYNC["MAX_DELETES"] says
    max_changes: str = ""  # the same, and NSYNC["MAX_CHANGES"]
    allow_deletes: bool = False  # lifts every limit of deletes
    snapshot: bool = False
    snapshot_action: str = "delete"  # or "release", or "set:field=value"
    snapshot_despite_errors: bool = False
    as_transaction: bool = True
    dry_run: bool = False
    engine: Engine = "auto"
    batch_size: int = 5_000  # rows planned and written together; committed together with as_transaction=False
    record: Record = ""  # how much is kept of the run; "": as NSYNC["RECORD"] says
    resume: int | None = None  # the number of an interrupted run, which goes on
    wait: float = 0  # seconds, for another run at one of the models to end
    database: str = ""  # "": where the router sends the mappings

    def __post_init__(self) -> None:
        """Refuse what would otherwise be taken for something else, such as ``on_displaced="Keep"``."""
        for field in fields(self):
            value = getattr(self, field.name)
            is_right, wanted = _check_of(field.name, field.default)
            if not (is_right(value) or (value is None and field.default is None)):
                raise ConfigError(f"SyncOptions: {field.name}={value!r} must be {wanted}")

    @property
    def marker(self) -> str | None:
        """What a cell holds that is read as an empty one (rule C5); None: no such text."""
        return self.null_marker or None

    @property
    def error_limit(self) -> int | None:
        """After how many failed rows the run ends (rule T4)."""
        if self.max_errors is not None:
            return self.max_errors
        return 1_000 if self.on_error == "rollback" else None


def contradiction(options: SyncOptions) -> str:
    """Say which options do not go together, "" if all do."""
    if options.snapshot_despite_errors and not (options.snapshot and options.on_error == "skip"):
        return "--snapshot-despite-errors goes with --snapshot and --on-error skip"
    if options.snapshot_action != "delete" and not options.snapshot:
        return "--snapshot-action goes with --snapshot"
    return ""


def _check_of(name: str, default: object) -> tuple[Callable[[Any], bool], str]:
    """Give what tells whether a value fits an attribute, and what it must be."""
    if name in CHOICES:
        choices = CHOICES[name]
        return lambda value: isinstance(value, str) and value in choices, f"one of {', '.join(map(repr, choices))}"
    if name in _NUMBERS:
        return _is_number, "a whole number of at least 1"
    if name in _PAIRS:
        return lambda value: _is_row(value, _is_pair), f'a tuple of pairs of text, such as {name}=(("a", "b"),)'
    if isinstance(default, tuple):
        return lambda value: _is_row(value, _is_text), f'a tuple of text, such as {name}=("a", "b")'
    if isinstance(default, bool):
        return lambda value: isinstance(value, bool), "True or False"
    if name in _LIMITS:
        return _is_limit, "a limit such as '20', '20%' or 'none'"
    if name == "snapshot_action":
        return is_snapshot_action, "'delete', 'release' or 'set:field=value'"
    if name == "wait":
        return is_time, "a number of seconds, not below 0"
    if name == "list_separator":
        return lambda value: _is_text(value) and bool(value), "text of at least one character, such as '|'"
    return _is_text, "text"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= sys.maxsize


def _is_limit(value: object) -> bool:
    try:
        read_limit(value)
    except ValueError:
        return False
    return _is_text(value)


def is_snapshot_action(value: object) -> bool:
    """Whether a value says what becomes of what a snapshot does not name."""
    if not isinstance(value, str):
        return False
    what, _, setting = value.partition(":")
    field, equals, _ = setting.partition("=")
    return value in ("delete", "release") or bool(what == "set" and field.strip() and equals)


def is_time(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number of seconds that one can wait."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_text, value))


def _is_row(value: object, is_part: Callable[[object], bool]) -> bool:
    return isinstance(value, tuple | list) and all(map(is_part, value))
