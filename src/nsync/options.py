"""SyncOptions: what one run was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """
    What one run is asked to do.

    Each attribute is the command option of the same name; the reference of the options explains them.
    """

    # reading
    format: str = ""  # "" : by suffix
    encoding: str = "utf-8-sig"
    delimiter: str = ","  # "auto" sniffs
    header: tuple[str, ...] = ()  # names for a file that has no header row

    # columns (rules C1 to C3, S1)
    action_flags: str | None = None
    action_flags_column: str = "action_flags"
    flag_map: tuple[tuple[str, str], ...] = ()
    match_on: str | None = None
    external_key_column: str | None = None  # None: "external_key"
    map: tuple[tuple[str, str], ...] = ()  # (header, target); target "" drops the column
    set: tuple[tuple[str, str], ...] = ()  # (target, constant)
    only_columns: tuple[str, ...] = ()
    allow_columns: tuple[str, ...] = ()
    strict: bool = False

    # values (rules C5, V1 to V5)
    null_marker: str | None = None
    decimal_comma: bool = False
    round_decimals: bool = False
    date_order: Literal["", "dmy", "mdy", "ymd"] = ""
    timezone: str = ""  # "": the current time zone
    list_separator: str = "|"
    validate: bool = False

    # what happens
    create_external_system: bool = True
    on_displaced: Literal["delete", "keep", "error"] = "delete"
    on_missing_reference: Literal["warn", "error"] = "warn"
    on_error: Literal["rollback", "skip", "stop"] = "rollback"
    max_errors: int | None = None  # None: 1000 under rollback, no limit under skip
    as_transaction: bool = True
    dry_run: bool = False
    engine: Literal["auto", "objects"] = "auto"
    batch_size: int = 5_000  # rows committed together with as_transaction=False
    database: str = ""  # "": where the router sends the mappings

    @property
    def error_limit(self) -> int | None:
        """After how many failed rows the run ends (rule T4)."""
        if self.max_errors is not None:
            return self.max_errors
        return 1_000 if self.on_error == "rollback" else None
