"""The contract of a feed: what becomes of columns that are gone, and of those that are new (rule C2)."""

from collections.abc import Sequence

from nsync.decode.keys import nearest, split_key
from nsync.errors import ConfigError
from nsync.options import SyncOptions

_OURS = "nsync_"  # columns of a rejects file (rule O3)


def check_names(options: SyncOptions, headers: Sequence[Sequence[str]]) -> None:
    """
    Refuse columns that are gone or new, as ``--contract`` has it (rule C2).

    Raises:
        ConfigError: ``--map`` or ``--only-columns`` names a column that is in none of the headers; or, under
            ``exact``, one of them has a column that no option names.
    """
    known = dict.fromkeys(name for header in headers for name in header if name)  # in the order of the file
    targets = {target.strip() for _, target in options.map}
    mapped = [header.strip() for header, _ in options.map]
    only = [name.strip() for name in options.only_columns]
    if options.contract != "any":
        for option, names, others in (("--map", mapped, set()), ("--only-columns", only, targets)):
            for name in names:
                if name not in known and name not in others:
                    there = ", ".join(known)
                    raise ConfigError(f"{option}: no column {name!r}{nearest(name, known)}; there are {there}")
    if options.contract == "exact":
        _check_new(options, list(known), {*mapped, *only})


def _check_new(options: SyncOptions, known: list[str], named: set[str]) -> None:
    named.update({options.action_flags_column, "match_on", *split_key(options.external_key_column, known).headers})
    new = [name for name in known if name not in named and not name.startswith(_OURS)]
    if new:
        raise ConfigError(
            f"--contract exact: no option names {'the column' if len(new) == 1 else 'the columns'} "
            f"{', '.join(map(repr, new))}{nearest(new[0], named)}; take it with --map '{new[0]}=field', "
            f"or leave it out with --map '{new[0]}='"
        )
