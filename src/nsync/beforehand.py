"""Beforehand: what can be known to be wrong with options before there is a source. Part of the conductor."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from django.db.models import Model

from nsync.decode.compiling import compile_layout
from nsync.decode.contract import check_names
from nsync.decode.keys import split_key
from nsync.options import SyncOptions
from nsync.read.delimiter import parse_delimiter
from nsync.read.firstbytes import check_encoding
from nsync.read.formats import format_of

_OPERATORS = ("&", "|", "~")


def check_reading(options: SyncOptions) -> None:
    """Refuse options with which no source could be read; raises ConfigError."""
    format_of("", options.format)
    check_encoding(options.encoding)
    parse_delimiter(options.delimiter)


def check_target(model: type[Model], header: str, target: str, options: SyncOptions, system: str) -> None:
    """Refuse a column that ``--map`` takes as what the model does not have; raises ConfigError."""
    alone = _without_columns(options)
    _compile(model, [header], replace(alone, map=((header, target),)), system)


def check_constant(model: type[Model], target: str, value: str, options: SyncOptions, system: str) -> None:
    """Refuse what ``--set`` sets and the model does not have; raises ConfigError."""
    _compile(model, [], replace(_without_columns(options), set=((target, value),)), system)


def check_columns(model: type[Model], options: SyncOptions, system: str) -> None:
    """
    Refuse columns that do not go together, a key or a match of which there is no column, flags that are none.

    Raises:
        ConfigError: As a source with just the columns that options name would be refused.
    """
    targets = {target for _, target in options.map}
    names = [header for header, _ in options.map]
    names += split_key(options.external_key_column, names).headers
    names += [name for name in options.only_columns if name not in targets]
    names += [name for name in (options.match_on or "").split() if name not in {*targets, *_OPERATORS}]
    header = list(options.header) or names
    if options.header:
        check_names(options, [header])
    _compile(model, header, options, system)


def _without_columns(options: SyncOptions) -> SyncOptions:
    return replace(options, map=(), set=(), match_on=None, external_key_column=None, only_columns=(), flag_map=())


def _compile(model: type[Model], header: Iterable[str], options: SyncOptions, system: str) -> None:
    names = [*header] if options.action_flags is not None else [*header, options.action_flags_column]
    compile_layout(model, list(dict.fromkeys(names)), system, _systems_named(options), options)


def _systems_named(options: SyncOptions) -> Collection[str]:
    """Give the systems whose keys are referred to: whether there are such, the database knows, which is not asked."""
    names = [*(target for _, target in options.map), *(target for target, _ in options.set), *options.header]
    return {name.rpartition("@")[2].strip() for name in names}
