"""The files of a feed: which there are, who has one, and where it goes when it is done."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path
from typing import Final

from nsync.errors import ConfigError
from nsync.feeds.feed import Feed
from nsync.filelocks import drop_file, take_file

OLDER: Final = "older"  # folder in the archive of files that a newer one has made needless


def files_of(feed: Feed) -> list[Path]:
    """Give the files that fit the pattern of a feed, in the order of their names; none that is done or too young."""
    done = {_real(folder) for folder in (feed.archive, feed.failed) if folder}
    youngest = time.time() - feed.min_age
    found = []
    for path in map(Path, sorted(glob(feed.files, recursive=True))):
        with suppress(FileNotFoundError):  # another run has moved it just now
            is_old = not feed.min_age or path.stat().st_mtime <= youngest
            if path.is_file() and is_old and not done.intersection(map(_real, path.parents)):
                found.append(path)
    return found


def newest(paths: list[Path]) -> Path:
    """Give the file that was written last; of several the last by name."""
    return max(paths, key=lambda path: (_written(path), path.name))


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


@contextmanager
def claimed(path: Path, *, is_moved: bool) -> Iterator[bool]:
    """
    Claim a file for this process until the block ends; a crash frees it.

    Args:
        path: Of the file.
        is_moved: Whether it will be moved. If not, and its folder takes no lock, there is nothing to be lost.

    Yields:
        Whether it is ours; if not, another process has it.

    Raises:
        ConfigError: Its folder takes no lock, so that it could not be moved either.
    """
    lock = str(path.absolute().parent / f".{path.name}.nsync-lock")
    try:
        held = take_file(lock, str(os.getpid()), str(path))
    except OSError as error:
        if is_moved:
            raise ConfigError(f"{path}: cannot be claimed, nor moved when it is done: {error}") from error
        yield True
        return
    try:
        yield held is not None
    finally:
        if held is not None:
            drop_file(lock, held)


def check_folders(feed: Feed) -> None:
    """
    Check, before a run, that files can be moved after it.

    Raises:
        ConfigError: They cannot.
    """
    for key, folder in (("archive", feed.archive), ("failed", feed.failed)):
        if folder is None:
            continue
        there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
        if not there.is_dir():
            raise ConfigError(f"{key}: {there} is no folder; choose another")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ConfigError(f"{key}: nothing may be written in {there}; choose another folder, or give the right")


def place_in(folder: Path, path: Path) -> Path:
    """
    Make a place for a file in a folder, which is made too; never one that is taken.

    Returns:
        Where the file can go: an empty file of its name, with a number if there is one of that name. The path itself,
        if it is in that folder.

    Raises:
        OSError: There cannot be any.
    """
    if _real(folder) == _real(path.parent):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    first, dot, rest = path.name.partition(".") if not path.name.startswith(".") else (path.name, "", "")
    number = 1
    while True:
        place = folder / (path.name if number == 1 else f"{first}_{number}{dot}{rest}")
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            number += 1
        else:
            return place


def move(path: Path, place: Path) -> None:
    """
    Move a file to its place, on whatever file system that is; it is whole at one of both at any time.

    Raises:
        OSError: It stays where it was.
    """
    if place == path:
        return
    try:
        try:
            os.replace(path, place)
        except OSError:  # another file system
            beside = place.with_name(f".{place.name}.part")
            try:
                shutil.copy2(path, beside)
                os.replace(beside, place)
            finally:
                beside.unlink(missing_ok=True)
            path.unlink()
    except OSError:
        with suppress(OSError):
            place.unlink()
        raise


def _real(path: Path) -> str:
    return os.path.realpath(path)
