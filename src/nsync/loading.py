"""LOAD DATA LOCAL: many rows to MariaDB from a file of this machine, which Django does not know."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def can_load(connection: Any) -> bool:
    """
    Whether `load` works on a connection.

    Both sides must allow it: the project's settings, with ``"OPTIONS": {"local_infile": True}``, and the server.

    Queries: one, on MariaDB with that option.
    """
    if connection.vendor != "mysql" or not connection.settings_dict["OPTIONS"].get("local_infile"):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@local_infile")
        return bool(cursor.fetchone()[0])


def load(
    connection: Any, table: str, names: Sequence[str], pieces: Iterable[str | list[Sequence[str]]], delimiter: str
) -> None:
    """
    Put rows of text into a table.

    Args:
        connection: One that `can_load`.
        table: It has a column ``n``, for the number of the row, from 1.
        names: Of the columns.
        pieces: Lines without quotes, or cells of rows.
        delimiter: Between the cells of lines.

    Raises:
        DatabaseError: As for any statement.
        UnicodeError: A text cannot be written in UTF-8.

    Queries: one for each piece, and one more. Memory: one piece, which also lies in a temporary file.
    """
    how = f"FIELDS TERMINATED BY X'{delimiter.encode().hex()}' ENCLOSED BY {{quote}} ESCAPED BY ''"
    statement = (  # no backslash means anything; and without quotes, nor does the word NULL
        f"LOAD DATA LOCAL INFILE %s INTO TABLE {table} CHARACTER SET utf8mb4 {how} LINES TERMINATED BY X'0A' "
        f"({', '.join(names)}) SET n = (@nsync_number := @nsync_number + 1)"
    )
    with TemporaryDirectory(prefix="nsync-") as folder, connection.cursor() as cursor:
        path = Path(folder) / "rows.csv"
        cursor.execute("SET @nsync_number = 0")
        for piece in pieces:
            with path.open("w", encoding="utf-8", newline="") as file:
                if isinstance(piece, str):
                    file.write(piece)
                else:
                    rows = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
                    rows.writerows(piece)
            cursor.execute(statement.format(quote="''" if isinstance(piece, str) else "X'22'"), [str(path)])
