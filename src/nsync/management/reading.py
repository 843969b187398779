"""The options that say how a file is read, whatever is done with its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nsync.management.readers import header, names, number
from nsync.options import SyncOptions

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

_DEFAULTS: Final = SyncOptions()


def add_reading_options(group: _ArgumentGroup) -> None:
    """Add what says where in a file the rows are, and how they are written."""
    add = group.add_argument
    add("--format", default="", help="Format of the file. By default its suffix decides.")
    add(
        "--member",
        default="",
        metavar="PATTERN",
        help="Which file of a zip archive is read, such as 'data/*.csv'. Default: the only one.",
    )
    text = "Encoding of the file, such as cp1252; auto finds it. Default: utf-8."
    add("--encoding", default=_DEFAULTS.encoding, help=text)
    add(
        "--delimiter",
        default=_DEFAULTS.delimiter,
        help="Character between the cells, such as ';' or tab; auto finds it. Default: a comma, in .tsv files a tab.",
    )
    add(
        "--sheet",
        default=_DEFAULTS.sheet,
        metavar="NAME",
        help="Sheet of a spreadsheet, by its name or number. Default: the first that is not hidden.",
    )
    add(
        "--header-row",
        type=number,
        metavar="N",
        help="Row of the sheet where the header stands. Default: the first that is not empty.",
    )
    add(
        "--header",
        type=header,
        default=_DEFAULTS.header,
        metavar="A,B,C",
        help="Names of the columns, for a file that has no header row, or of those to read, for JSON and Parquet; "
        "written as a line of CSV with commas. '': it has one.",
    )
    _add_shapes(group)


def _add_shapes(group: _ArgumentGroup) -> None:
    """Add what only some formats take."""
    add = group.add_argument
    add(
        "--records",
        default=_DEFAULTS.records,
        metavar="KEY.KEY",
        help="Where the array of records is in a JSON file, such as data.items. Default: the file is that array.",
    )
    add(
        "--record-element",
        default=_DEFAULTS.record_element,
        metavar="NAME",
        help="Of XML: the element that is a record, or the end of its path, such as people/person. By default the one "
        "that the root repeats.",
    )
    add(
        "--fixed-columns",
        type=names,
        default=_DEFAULTS.fixed_columns,
        metavar="NAME:FROM-TO,…",
        help="Of --format fixed: the columns and their first and last characters, counted from 1, such as "
        "'name:1-10,age:11-13'. Without the names the first row has them.",
    )
