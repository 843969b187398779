"""The formats that there are: one line each. What reads one is imported when a source of it is opened."""

import os
from difflib import get_close_matches
from importlib import import_module
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final, NamedTuple

from nsync.errors import ConfigError
from nsync.options import SyncOptions
from nsync.packing import COMPRESSED, without_compression

DEFAULT_FORMAT: Final = "csv"


class Format(NamedTuple):
    """Where the source of a format is defined, and which file name suffixes say that a file has it."""

    module: str
    source: str  # a class: (Content, SyncOptions) → Source
    suffixes: tuple[str, ...]  # in lower case, with their dot
    options: tuple[str, ...] = ()  # of SyncOptions: those that other formats do not take


FORMATS: Final = {
    "csv": Format("nsync.read.csvfile", "CsvSource", (".csv",)),
    "fixed": Format("nsync.read.fixedwidth", "FixedWidthSource", (".fwf",), ("fixed_columns",)),
    "tsv": Format("nsync.read.csvfile", "TsvSource", (".tsv", ".tab")),
    "json": Format("nsync.read.jsonarray", "JsonArraySource", (".json",), ("records",)),
    "jsonl": Format("nsync.read.jsonlines", "JsonLinesSource", (".jsonl", ".ndjson")),
    "ods": Format("nsync.read.ods", "OdsSource", (".ods",), ("sheet", "header_row")),
    "xlsx": Format("nsync.read.xlsx", "XlsxSource", (".xlsx", ".xlsm"), ("sheet", "header_row")),
    "xml": Format("nsync.read.xmlrecords", "XmlSource", (".xml",), ("record_element",)),
    "parquet": Format("nsync.read.parquet", "ParquetSource", (".parquet", ".pq")),
}


def format_of(name: str, wanted: str) -> str:
    """
    Choose a format.

    Args:
        name: Of the source; what it ends with counts if no format is wanted, and if that says nothing it is CSV. A
            suffix that says how it is compressed does not.
        wanted: ``--format``, or "".

    Raises:
        ConfigError: There is no such format.
    """
    if not wanted:
        suffix = PurePath(os.path.basename(without_compression(name))).suffix.lower()
        return next((known for known, one in FORMATS.items() if suffix in one.suffixes), DEFAULT_FORMAT)
    if wanted not in FORMATS:
        close = get_close_matches(wanted.lower(), FORMATS, n=1)
        meant = f"did you mean {close[0]}? There" if close else "there"
        raise ConfigError(f"--format {wanted}: no such format; {meant} are: {', '.join(sorted(FORMATS))}")
    return wanted


def is_rejects(name: str, wanted: str) -> bool:
    """
    Whether the name of a file is that of rejects, which are CSV, of a source in another format that is wanted.

    Args:
        name: Of the file, such as ``persons.rejects.csv``.
        wanted: ``--format``, or "".
    """
    suffix = PurePath(os.path.basename(without_compression(name))).suffix
    is_cells = not wanted or FORMATS[wanted].module == FORMATS[DEFAULT_FORMAT].module
    return not is_cells and names_rejects(name) and suffix not in FORMATS[wanted].suffixes


def names_rejects(name: str) -> bool:
    """Whether the name of a file is that of rejects, such as ``persons.rejects.csv``."""
    return PurePath(os.path.basename(without_compression(name))).stem.lower().endswith(".rejects")


def check_options(name: str, options: SyncOptions) -> None:
    """Raise ConfigError for an option that only other formats take: nobody would see that it does nothing."""
    for option in sorted({option for one in FORMATS.values() for option in one.options}):
        if getattr(options, option) not in ("", (), None) and option not in FORMATS[name].options:
            takers = " and ".join(sorted(taker for taker, one in FORMATS.items() if option in one.options))
            raise ConfigError(f"--{option.replace('_', '-')} is for {takers}, and this is {name}; leave it out")


def source_class(name: str) -> Any:
    """Import the class of a format's sources."""
    return getattr(import_module(FORMATS[name].module), FORMATS[name].source)


def suffixes() -> tuple[str, ...]:
    """List the file name suffixes that a format is known by, or that a compressed file has (rule T6)."""
    return tuple(sorted([*COMPRESSED, *(suffix for one in FORMATS.values() for suffix in one.suffixes)]))


def optional(module: str, extra: str) -> ModuleType:
    """
    Import what only some formats need.

    Raises:
        ConfigError: It is not installed; the message says how it is.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ConfigError(
            f'{package} is not installed, which reads .{extra}: pip install "django-nsync[{extra}]" ({error})'
        ) from error
