"""The options that both commands share: how they are written, and the SyncOptions that they mean."""

from __future__ import annotations

from argparse import ArgumentTypeError, BooleanOptionalAction
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError, CommandParser

from nsync.errors import ConfigError
from nsync.management.notifying import HELP as NOTIFY_HELP
from nsync.management.readers import (
    codes,
    header,
    limit,
    names,
    number,
    pair,
    seconds,
    separator,
    snapshot_action,
    truth,
)
from nsync.management.reading import add_reading_options
from nsync.options import CHOICES, SyncOptions, contradiction
from nsync.policies import EXAMPLES

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

DEFAULTS: Final = SyncOptions()
Pairs = tuple[tuple[str, str], ...]
_PAIRS: Final = frozenset({"flag_map", "map", "set"})


def add_common_options(parser: CommandParser) -> None:
    """Add what both commands take, in the groups that ``--help`` shows."""
    add_decoding_options(parser)
    _add_happenings(parser.add_argument_group("what happens"))
    _add_guards(parser.add_argument_group("guards, and files that are the whole truth"))
    _add_errors(parser.add_argument_group("errors, and trying it out"))
    _add_reporting(parser.add_argument_group("report"))


def add_decoding_options(parser: CommandParser) -> None:
    """Add what says how a file is read, and what its columns and cells mean."""
    add_reading_options(parser.add_argument_group("reading"))
    group = parser.add_argument_group("columns, and what the file does not say itself")
    _add_columns(group)
    _add_strictness(group)
    group = parser.add_argument_group("values")
    _add_notation(group)
    _add_values(group)


def add_notation_options(parser: CommandParser) -> None:
    """Add what says how a file, and the values in it, are written."""
    add_reading_options(parser.add_argument_group("reading"))
    _add_notation(parser.add_argument_group("values"))


def _add_columns(group: _ArgumentGroup) -> None:
    add = group.add_argument
    add("--action-flags", metavar="FLAGS", help="What the rows ask for if they do not say: c, u, d, cu, cu*, u*, d*.")
    add(
        "--action-flags-column",
        default=DEFAULTS.action_flags_column,
        metavar="HEADER",
        help="Column that holds the flags. Default: action_flags.",
    )
    add(
        "--flag-map",
        type=codes,
        default=DEFAULTS.flag_map,
        metavar="I=c,U=u*",
        help="What the feed's own operation codes in the flags column mean.",
    )
    add("--match-on", metavar="FIELDS", help="Fields that identify an object, for rows that have no match_on cell.")
    add(
        "--external-key-column",
        metavar="HEADER",
        help="Column that holds the key, or several that make it, as in '{site}-{id}'. Default: external_key.",
    )
    add(
        "--map",
        type=pair,
        action="append",
        metavar="HEADER=TARGET",
        help="Take a column as this field or reference ('Land=country=>code'); 'HEADER=' drops it. Repeatable.",
    )
    add(
        "--set",
        type=pair,
        action="append",
        metavar="FIELD=VALUE",
        help="Add a column with the same value in every row. Repeatable.",
    )
    add("--only-columns", type=names, default=(), metavar="A,B", help="Write no columns but these.")
    add(
        "--allow-column",
        dest="allow_columns",
        action="append",
        metavar="COLUMN",
        help="Let the file write a column that hands out power, such as is_staff or password. Repeatable.",
    )


def _add_strictness(group: _ArgumentGroup) -> None:
    add_switch(group, "strict", DEFAULTS.strict, "Make a column that is no field an error. Default: it is ignored.")
    group.add_argument(
        "--contract",
        choices=CHOICES["contract"],
        default=DEFAULTS.contract,
        help="exact: the file has the columns that options name, and no others; at-least: it has these; any: it may "
        "lack some. Default: at-least.",
    )


def _add_notation(group: _ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--null-marker",
        metavar="TEXT",
        help=r"A cell equal to this is read as an empty one, such as NULL or \N. '': none is.",
    )
    orders = [order for order in CHOICES["date_order"] if order]
    add("--date-order", choices=orders, default="", help="How to read 01/02/2024. Default: an error.")
    add("--timezone", default="", metavar="ZONE", help="Zone of times that name none. Default: the current time zone.")
    add_switch(group, "decimal_comma", DEFAULTS.decimal_comma, "Read 1.234,5 as a number.")


def _add_values(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--list-separator",
        type=separator,
        default=DEFAULTS.list_separator,
        metavar="TEXT",
        help="What parts the values in a cell of a many-to-many relation. Default: |.",
    )
    add_switch(group, "round_decimals", DEFAULTS.round_decimals, "Round decimals that the field does not keep.")
    add_switch(group, "validate", DEFAULTS.validate, "Run the model's full_clean() on each object that is written.")


def _add_happenings(group: _ArgumentGroup) -> None:
    add = group.add_argument
    add_two_spellings(group, "create_external_system", "Create the external system if there is none of this name.")
    text = "Commit everything at once or nothing; --no-as-transaction commits batch by batch."
    add_two_spellings(group, "as_transaction", text)
    add(
        "--policy",
        metavar="DOTTED.PATH",
        help=f"Class that says in which order rows are applied, such as {EXAMPLES}.",
    )
    add(
        "--on-displaced",
        choices=CHOICES["on_displaced"],
        default=DEFAULTS.on_displaced,
        help="What becomes of an object that holds the match values of a row that means another one. Default: delete.",
    )
    add_on_missing_reference(group)
    add(
        "--engine",
        choices=CHOICES["engine"],
        default=DEFAULTS.engine,
        help="columns decides and writes ordinary rows by whole columns; bulk plans each row, and writes many objects "
        "at once; both without save() and signals. objects writes each object by itself. auto takes columns, or bulk, "
        "where the model has no code of its own that expects to be called, and else reads in batches and saves each "
        "object that changes. Default: auto.",
    )
    add(
        "--batch-size",
        type=number,
        default=DEFAULTS.batch_size,
        metavar="N",
        help="Rows planned and written together. Default: 5000.",
    )
    add("--database", default="", metavar="ALIAS", help="Database of the objects. Default: where the router says.")
    add(
        "--wait",
        type=seconds,
        default=DEFAULTS.wait,
        metavar="SECONDS",
        help="How long to wait for another run at one of the models to end. Default: not at all; it is exit code 6.",
    )


def add_on_missing_reference(group: _ArgumentGroup | CommandParser) -> None:
    """Add what becomes of references that find nothing."""
    group.add_argument(
        "--on-missing-reference",
        choices=CHOICES["on_missing_reference"],
        default=DEFAULTS.on_missing_reference,
        help="Whether a row whose reference finds nothing is applied without it (warn) or fails. Default: warn.",
    )


def _add_guards(group: _ArgumentGroup) -> None:
    add = group.add_argument
    for name in ("deletes", "changes"):
        counted = "deletes" if name == "deletes" else "creates, updates and deletes"
        add(
            f"--max-{name}",
            type=limit,
            default="",
            metavar="N|P%",
            help=f"Commit nothing (exit code 4) if the run {counted} more than N objects, or more than P per cent of "
            "those that the system maps; none: no limit. Default: what the settings say, or no limit.",
        )
    text = "Lift every limit of deletes, for this run."
    add_switch(group, "allow_deletes", DEFAULTS.allow_deletes, text)
    text = (
        "The file is the whole truth of its system: what the system maps and the file does not name is taken away, as "
        "by an unforced delete. Unless the settings say otherwise, not more than 20 %% of it."
    )
    add_switch(group, "snapshot", DEFAULTS.snapshot, text)
    add(
        "--snapshot-action",
        type=snapshot_action,
        default=DEFAULTS.snapshot_action,
        metavar="ACTION",
        help="What taking away means: delete; release removes the mapping alone; set:FIELD=VALUE writes a field, such "
        "as set:is_active=false. Default: delete.",
    )
    text = "With --on-error skip: take away what a snapshot does not name, even if rows failed."
    add_switch(group, "snapshot_despite_errors", DEFAULTS.snapshot_despite_errors, text)


def _add_errors(group: _ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--on-error",
        choices=CHOICES["on_error"],
        default=DEFAULTS.on_error,
        help="When rows fail: rollback reads on, reports all of them and commits nothing; skip commits the good rows "
        "(exit code 3); stop ends at the first, and commits nothing. Default: rollback.",
    )
    add(
        "--max-errors",
        type=number,
        metavar="N",
        help="End the run, committing nothing, when N rows have failed. Default: 1000; no limit under skip.",
    )
    add(
        "--resume",
        type=number,
        metavar="RUN",
        help="Go on with an interrupted run, after the last batch that it has committed, with the same file and the "
        "same options, --no-as-transaction among them. RUN is its number (syncruns).",
    )
    add_switch(group, "dry_run", DEFAULTS.dry_run, "Write nothing, and show what would be written.")
    add_switch(group, "check", False, "With --dry-run: exit with 5 if anything would be written.")


def _add_reporting(group: _ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--report",
        default="",
        metavar="FILE",
        help="Write what became of the run to FILE: all of it to a .json file, the problems of rows to a .csv file.",
    )
    add(
        "--rejects",
        default="",
        metavar="FILE",
        help="Write the failed rows to FILE, to be fixed and synced again. It has a header row, by which it is read "
        "whatever --header says. With several sources FILE is a folder.",
    )
    add(
        "--record",
        choices=[choice for choice in CHOICES["record"] if choice],
        default=DEFAULTS.record,
        help="What the history keeps of the run: summary is its figures; rows adds the rows that are not plain "
        "success; changes adds every change, so that syncundo can take it back. Default: what the settings say, or "
        "changes.",
    )
    add_switch(group, "notify", False, NOTIFY_HELP)
    text = "Show how far the run has come; on a terminal as a bar, after pip install 'django-nsync[progress]'."
    add_switch(group, "progress", True, f"{text} Default: yes.")


def add_switch(group: _ArgumentGroup, name: str, default: bool, text: str) -> None:
    """Add ``--x`` and ``--no-x``."""
    action = group.add_argument(_spelling(name), dest=name, action=BooleanOptionalAction, default=default)
    action.help = text  # set here, because some versions of Python add the default to a text that they are given


def add_two_spellings(group: _ArgumentGroup, name: str, text: str) -> None:
    """Add a switch that is on by default, as ``--x/--no-x`` and as django-nsync 0.4 spelled it (rule T5)."""
    add_switch(group, name, True, f"{text} Default: yes.")
    new = _spelling(name)
    group.add_argument(
        f"--{name}",
        dest=name,
        type=truth,
        default=True,
        metavar="{True,False}",
        help=f"The same as {new} or --no-{new[2:]}, as it was spelled before.",
    )


def _spelling(name: str) -> str:
    return "--" + name.replace("_", "-")


def _each(convert: Callable[[str], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read(given: Any) -> tuple[Any, ...]:
        values: Iterable[Any] = [given] if isinstance(given, str) else given or ()
        return tuple(convert(value) if isinstance(value, str) else tuple(value) for value in values)

    return read


def _text_or(convert: Callable[[str], Any], otherwise: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda given: convert(given) if isinstance(given, str) else otherwise(given)


# ``call_command("syncfile", …, map=["a=b"])`` does not go through argparse, so each of these also takes its own result.
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "smart_ordering": _text_or(truth, bool),
    "header": _text_or(header, tuple),
    "fixed_columns": _text_or(names, tuple),
    "only_columns": _text_or(names, tuple),
    "flag_map": _text_or(codes, tuple),
    "map": _each(pair),
    "set": _each(pair),
    "allow_columns": _each(str.strip),
    "list_separator": lambda given: separator(str(given)),
    "batch_size": lambda given: number(str(given)),
    "max_changes": lambda given: limit("" if given is None else str(given)),
    "max_deletes": lambda given: limit("" if given is None else str(given)),
    "snapshot_action": lambda given: snapshot_action(str(given)),
    "wait": lambda given: seconds(str(given)),
    "header_row": lambda given: None if given is None else number(str(given)),
    "sheet": str,
    "max_errors": lambda given: None if given is None else number(str(given)),
    "resume": lambda given: None if given is None else number(str(given)),
}


def _read(name: str, given: Any) -> Any:
    if name in CHOICES and given and given not in CHOICES[name]:
        raise ArgumentTypeError(f"{given!r} is none of {', '.join(CHOICES[name])}")
    if isinstance(getattr(DEFAULTS, name, None), bool):
        return truth(given) if isinstance(given, str) else bool(given)
    return _READERS[name](given) if name in _READERS else given


def read_option(name: str, given: Mapping[str, Any]) -> Any:
    """
    Give the value of an option, whether it came from the command line or from ``call_command()``.

    Raises:
        CommandError: It makes no sense; exit code 2 (rule T7).
    """
    try:
        return _read(name, given[name])
    except ArgumentTypeError as error:
        raise CommandError(f"{_spelling(name)}: {error}", returncode=2) from None


def _overridden(name: str, pairs: Pairs, given: Pairs) -> Pairs:
    """Give pairs with what is given otherwise; ``i=d`` is meant for a code ``I`` if there is no ``i``."""
    firsts = {first for first, _ in given}
    if name == "flag_map":
        known = {first for first, _ in pairs}
        firsts |= {code for code in known for first in firsts - known if code.casefold() == first.casefold()}
    return (*(one for one in pairs if one[0] not in firsts), *given)


def to_sync_options(given: Mapping[str, Any], base: SyncOptions = DEFAULTS) -> SyncOptions:
    """
    Give what the command was asked to do.

    Args:
        given: What was given to the command; nothing that is not in it.
        base: What holds where nothing is given. Of its pairs those stay whose first part is not given.

    Raises:
        CommandError: A value makes no sense; exit code 2 (rule T7).
    """
    names = [field.name for field in fields(SyncOptions) if field.name in given]
    said = {name: read_option(name, given) for name in names}
    for name in _PAIRS.intersection(said):
        said[name] = _overridden(name, getattr(base, name), said[name])
    try:
        options = replace(base, **said)
    except ConfigError as error:  # call_command() takes values of any type
        raise CommandError(str(error), returncode=2) from None
    if message := contradiction(options):
        raise CommandError(message, returncode=2)
    if given.get("check") and not options.dry_run:
        raise CommandError("--check goes with --dry-run: without it the run writes", returncode=2)
    return options
