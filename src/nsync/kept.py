"""How long history is kept: ages as people write them, and what ``NSYNC["KEEP"]`` means."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from nsync.conf import settings
from nsync.errors import ConfigError

_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}


class Kept(NamedTuple):
    """How long history is kept; None: for ever. The names are the keys of ``KEEP``, the values their defaults."""

    changes: timedelta | None = timedelta(days=90)  # what runs wrote, without which they cannot be undone
    runs: timedelta | None = timedelta(days=2 * 365)  # all of them


class KeepProblem(NamedTuple):
    """What is wrong with ``KEEP``."""

    what: str
    mistyped: str = ""  # a key that is none


def read_age(given: object) -> timedelta:
    """
    Read an age such as ``90d``.

    Args:
        given: Hours, days, weeks or years, as text; or a `timedelta`, which is given back.

    Raises:
        ValueError: It is none.
    """
    if isinstance(given, timedelta) and given >= timedelta(0):
        return given
    found = re.fullmatch("([0-9]{1,6})([hdwy])", given, re.ASCII) if isinstance(given, str) else None
    if found is None:
        raise ValueError(f"{given!r} is no time; write hours, days, weeks or years, such as 12h, 90d, 8w or 2y")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def keep_problems() -> Iterator[KeepProblem]:
    """Say what is wrong with ``NSYNC["KEEP"]``, if anything is."""
    given: object = settings.KEEP
    if not isinstance(given, Mapping):
        yield KeepProblem(f"is a {type(given).__name__}; it must be a dict.")
        return
    yield from (KeepProblem(f"has an unknown key: {key!r}.", str(key)) for key in given if key not in Kept._fields)
    is_readable = True
    for name in Kept._fields:
        try:
            _age_of(given, name)
        except ValueError as error:
            is_readable = False
            yield KeepProblem(f"has {name!r}: {error}; or None, for ever.")
    if is_readable and _is_contrary(_read(given)):
        yield KeepProblem('keeps changes longer than runs, with which they go; let "runs" be as long.')


def kept_for() -> Kept:
    """
    Say how long history is kept.

    Raises:
        ConfigError: ``NSYNC["KEEP"]`` is malformed.
    """
    for problem in keep_problems():
        raise ConfigError(f'NSYNC["KEEP"] {problem.what}')
    return _read(settings.KEEP)


def _read(given: Mapping[str, Any]) -> Kept:
    kept = Kept(*(_age_of(given, name) for name in Kept._fields))
    return kept._replace(changes=kept.runs) if "changes" not in given and _is_contrary(kept) else kept


def _age_of(given: Mapping[str, Any], name: str) -> timedelta | None:
    """Give what a key says, else its default."""
    default: timedelta | None = Kept._field_defaults[name]
    age = given.get(name, default)
    return None if age is None else read_age(age)


def _is_contrary(kept: Kept) -> bool:
    return kept.runs is not None and (kept.changes is None or kept.changes > kept.runs)
