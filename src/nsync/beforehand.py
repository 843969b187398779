"""Beforehand: what can be known to be wrong with options before there is a source. Part of the conductor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from django.db.models import Model

from nsync.actions import Place
from nsync.decode.compiling import compile_layout
from nsync.decode.contract import check_names
from nsync.decode.decoder import Decoder
from nsync.decode.flags import decode_flags
from nsync.decode.keys import nearest, split_key
from nsync.decode.layout import Layout
from nsync.decode.match import OPERATORS, MatchColumn, MatchError, parse
from nsync.decode.moments import zone
from nsync.decode.references import ARROW
from nsync.errors import ConfigError, RowError
from nsync.opening import choose_database
from nsync.options import SyncOptions
from nsync.read.delimiter import parse_delimiter
from nsync.read.firstbytes import check_encoding
from nsync.read.formats import format_of
from nsync.rows import Row
from nsync.snapshots import snapshot_decoder


def check_reading(options: SyncOptions) -> None:
    """Refuse options with which no source could be read; raises ConfigError."""
    format_of("", options.format)
    check_encoding(options.encoding)
    if options.delimiter is not None:
        parse_delimiter(options.delimiter)


def check_zone(options: SyncOptions) -> None:
    """Refuse a time zone that there is not; raises ConfigError."""
    zone(options)


def check_database(model: type[Model], options: SyncOptions) -> None:
    """Refuse a database that there is not, or that the model is not in; raises ConfigError."""
    if options.database:
        choose_database([model], options)


def check_snapshot(model: type[Model], options: SyncOptions, system: str) -> None:
    """Refuse a snapshot that sets what the model does not have, or cannot hold; raises ConfigError."""
    if options.snapshot:
        field, _, _ = options.snapshot_action.partition("=")
        snapshot_decoder(model, system, _systems_named([field]), _bare(options))


def check_target(model: type[Model], header: str, target: str, options: SyncOptions, system: str) -> None:
    """Refuse a column that ``--map`` takes as what the model does not have; raises ConfigError."""
    _part(model, [header.strip()], replace(_bare(options), map=((header, target),)), system)


def check_constant(model: type[Model], target: str, value: str, options: SyncOptions, system: str) -> None:
    """Refuse what ``--set`` sets and the model does not have, or cannot hold; raises ConfigError."""
    own = replace(_bare(options), set=((target, value),), snapshot=False)
    decoder = Decoder(_part(model, [], own, system))
    if _only_deletes(options):
        return
    try:
        decoder.decode(Row(0, (), ()), Place(0, 0, 0))
    except RowError as error:
        raise ConfigError(f"--set {target}: {error.problems[0].message}") from None


def check_columns(model: type[Model], options: SyncOptions, system: str) -> None:
    """
    Refuse columns that do not go together, a key or a match of which there can be no column, flags that are none.

    Nothing is refused that some source could be synced with.

    Raises:
        ConfigError: As a source would be refused.
    """
    if options.header:
        header = [name.strip() for name in options.header]
        check_names(options, [header])
        compile_layout(model, header, system, _systems_in(header, options), _with_known_zone(options))
        return
    _part(model, _present(options), options, system)
    if options.match_on:
        _check_match(model, options, system)


def _present(options: SyncOptions) -> list[str]:
    """Give the columns that every source has which the options fit."""
    mapped = [header.strip() for header, _ in options.map]
    is_named = options.external_key_column is not None
    names = [*split_key(options.external_key_column, mapped).headers] if is_named else []
    if options.contract != "any":  # rule C2
        targets = {target.strip() for _, target in options.map}
        names += [*mapped, *(name for name in map(str.strip, options.only_columns) if name not in targets)]
    return names


def _check_match(model: type[Model], options: SyncOptions, system: str) -> None:
    """Refuse ``--match-on`` if it is malformed, or names what no column of a source could be."""
    alone = _bare(options)
    known = {**_part(model, [], replace(alone, set=options.set), system).operands}
    for header in dict.fromkeys(header.strip() for header, _ in options.map):
        known |= _part(model, [header], replace(alone, map=options.map), system).operands
    for name in map(str.strip, options.only_columns):
        with suppress(ConfigError):  # where it must be there, it has been refused
            known |= _part(model, [name], alone, system).operands
    words = [word for word in (options.match_on or "").split() if word not in OPERATORS]
    if not options.only_columns and options.contract != "exact":  # a source may have other columns
        for word in words:
            known |= {} if word in known else _operands(model, word, alone, system)
    try:
        parse(options.match_on or "", known)
    except MatchError as error:
        unknown = next((word for word in words if word not in known), "")
        names = [field.name for field in model._meta.get_fields()]
        near = nearest(unknown, names) if unknown not in names else ""
        raise ConfigError(f"--match-on: {error}{near}") from None


def _operands(model: type[Model], name: str, alone: SyncOptions, system: str) -> Mapping[str, MatchColumn]:
    """Give what a column lets a match name; that of a many-to-many relation has a sign, its name in a match has not."""
    try:
        return _part(model, [name], alone, system).operands
    except ConfigError as error:
        with suppress(ConfigError):
            return _part(model, [name.replace(ARROW, f"{ARROW}+", 1)], alone, system).operands
        raise ConfigError(f"--match-on: {error}") from None


def _bare(options: SyncOptions) -> SyncOptions:
    """Give the options without what says something of the header as a whole."""
    return replace(
        _with_known_zone(options),
        action_flags="cu*",
        flag_map=(),
        match_on=None,
        external_key_column=None,
        map=(),
        set=(),
        header=(),
    )


def _part(model: type[Model], header: Iterable[str], options: SyncOptions, system: str) -> Layout:
    """Compile a part of a header, beside which a source may have other columns."""
    names = list(dict.fromkeys(header))
    own = _with_known_zone(options)
    return compile_layout(model, names, system, _systems_in(names, options), own, is_whole=False)


def _with_known_zone(options: SyncOptions) -> SyncOptions:
    """Give the options without a time zone that there is not, which is told once."""
    try:
        zone(options)
    except ConfigError:
        return replace(options, timezone="")
    return options


def _only_deletes(options: SyncOptions) -> bool:
    """Whether no row asks for values (rule V1)."""
    try:
        return decode_flags(options.action_flags or "", {}).delete
    except RowError:
        return False


def _systems_in(header: Sequence[str], options: SyncOptions) -> set[str]:
    return _systems_named([*header, *(name for _, name in options.map), *(name for name, _ in options.set)])


def _systems_named(names: Iterable[str]) -> set[str]:
    """Give the systems whose keys are referred to: whether there are such, the database knows, which is not asked."""
    return {name.rpartition("@")[2].strip() for name in names}
