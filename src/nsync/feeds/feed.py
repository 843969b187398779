"""Feed: what is synced again and again in the same way, under a name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, Literal, get_args

from nsync.opening import Input
from nsync.options import SyncOptions

OnMissingFile = Literal["warn", "error"]

ON_MISSING_FILE: Final = get_args(OnMissingFile)
# What a feed may say beyond the options: `columns` is `map`, and what one run alone may want is left to the call.
OWN_KEYS: Final = (
    "system",
    "model",
    "stream",
    "files",
    "columns",
    "policy",
    "all_files",
    "min_age",
    "on_missing_file",
    "archive",
    "failed",
)
OPTION_KEYS: Final = tuple(one.name for one in fields(SyncOptions) if one.name not in ("map", "dry_run", "resume"))
KEYS: Final = (*OWN_KEYS, *OPTION_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed; each attribute is the key of the same name in ``nsync.toml``. Paths are as one may open them."""

    name: str
    system: str
    model: str  # "app.Model"
    stream: str = ""  # of a Singer tap; "": the one that is called as the feed
    files: str = ""  # a pattern as in a shell; "": files are named in the call
    options: SyncOptions = field(default_factory=SyncOptions)
    policy: str = ""  # dotted; "": in the order of the file
    all_files: bool = False  # not only the newest file that fits, but each, in the order of their names
    min_age: float = 0  # seconds since a file was last written to; a younger one is left alone
    on_missing_file: OnMissingFile = "warn"
    archive: Path | None = None  # folder of files that were applied; None: they stay where they are
    failed: Path | None = None  # folder of files that were not; None: they stay where they are

    def inputs(self, path: str | Path) -> list[Input]:
        """Give what `sync_all` takes, for a file of the feed."""
        return [Input(path, self.model, self.system)]
