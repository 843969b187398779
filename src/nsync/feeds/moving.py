"""Where a file of a feed goes when it is done, and where what is written beside it; and how it gets there."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from nsync.feeds.files import LONGEST_NAME, is_same, is_same_folder, version_of

_ROOM: Final = 25  # bytes that a number, and what is written beside a file, add to its name

Names = Callable[[str], Sequence[str]]  # name of a file → those of what is written beside it; the first one always is


def place_in(folder: Path, name: str) -> Path:
    """
    Make a place for a file in a folder, which is made too; never one that is taken.

    Returns:
        An empty file of the name, with a number if there is one of that name.

    Raises:
        OSError: There cannot be any.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return next(place for number in count(1) if _take(place := folder / _numbered(name, number)))


def places_for(path: Path, folder: Path | None, beside: Path, names: Names) -> tuple[Path, list[Path]]:
    """
    Find places for a file and what is written beside it, of one number, so that they show that they belong together.

    None of them is taken, except by what was written of this very file before: if it stays in the folder of that; or,
    if it stays elsewhere, if the times are the same (`mark`), so that nobody has written to either since.

    Args:
        path: Of the file.
        folder: Where it goes, which is made; None: it stays.
        beside: Folder of what is written beside it; it is made.
        names: Of that.

    Returns:
        Where the file can go (an empty file keeps it; the path itself, if it stays), and the places of the names.

    Raises:
        OSError: There cannot be any.
    """
    if folder is not None and is_same_folder(folder, path.parent):
        folder = None
    for one in filter(None, (folder, beside)):
        one.mkdir(parents=True, exist_ok=True)
    if folder is None and is_same_folder(beside, path.parent):
        return path, [beside / name for name in names(_numbered(path.name, 1))]
    for number in count(1):
        name = _numbered(path.name, number)
        others = [beside / one for one in names(name)]
        taken = [one for one in others if os.path.lexists(one)]
        if folder is None and taken and _are_of(path, taken):
            return path, others
        namesake = beside / name
        if taken or (os.path.lexists(namesake) and not is_same(namesake, path)) or not _take(others[0]):
            continue
        if folder is None:
            return path, others
        if _take(place := folder / name):
            return place, others
        others[0].unlink()
    raise AssertionError("there is no end of numbers")


def mark(path: Path, written: Sequence[Path]) -> None:
    """Give what was written of a file the time of that, by which the next run of the same file knows it."""
    version = version_of(path)
    for one in written:
        with suppress(OSError):
            if version is not None:
                os.utime(one, ns=(version.written, version.written))


def _are_of(path: Path, written: Sequence[Path]) -> bool:
    version = version_of(path)
    return version is not None and all(
        (found := version_of(one)) is not None and found.written == version.written for one in written
    )


def _take(place: Path) -> bool:
    try:
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _numbered(name: str, number: int) -> str:
    """Give a name with a number, if that is not 1; a very long one is cut, so that more can be added to it."""
    first, dot, rest = (name, "", "") if name.startswith(".") else name.partition(".")
    room = LONGEST_NAME - _ROOM - len(os.fsencode(rest))
    while len(os.fsencode(first)) > room and len(first) > 1:
        first = first[:-1]
    return f"{first}{'' if number == 1 else f'_{number}'}{dot}{rest}"


def move(path: Path, place: Path) -> None:
    """
    Move a file to its place, on whatever file system that is; it is whole at one of both at any time.

    A symbolic link becomes one that leads to the same file from its place.

    Raises:
        OSError: It stays where it was.
    """
    if place == path:
        return
    try:
        before = version_of(path)
        if path.is_symlink() or not _is_renamed(path, place):
            beside = place.with_name(f".{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:32]}.part")
            try:
                _copy(path, beside)
                if version_of(path) != before:
                    raise OSError(errno.EBUSY, "it was replaced or written to meanwhile")
                os.replace(beside, place)
            finally:
                beside.unlink(missing_ok=True)
            path.unlink()
    except BaseException as error:
        if isinstance(error, OSError) or os.path.lexists(path):  # a signal may come when it is there already
            with suppress(OSError):
                place.unlink()
        raise


def _is_renamed(path: Path, place: Path) -> bool:
    try:
        os.replace(path, place)
    except OSError:  # another file system
        return False
    return True


def _copy(path: Path, place: Path) -> None:
    if path.is_symlink():
        place.unlink(missing_ok=True)
        place.symlink_to(path.resolve())
    else:
        shutil.copy2(path, place)
