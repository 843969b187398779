"""The files of a feed: which there are, which come first, and who has one."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import escape, glob
from pathlib import Path
from typing import Final, NamedTuple

from nsync.errors import ConfigError
from nsync.feeds.feed import Feed
from nsync.filelocks import drop_file, take_file
from nsync.places import is_place

OLDER: Final = "older"  # folder in the archive of files that a newer one has made needless
LONGEST_NAME: Final = 255  # bytes that file systems take


class Version(NamedTuple):
    """What a file is at one time: if any of this differs, it was replaced, or written to."""

    device: int
    inode: int
    size: int
    written: int  # nanoseconds


def version_of(path: Path) -> Version | None:
    """Give what a file is now; None: it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Version(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def files_of(feed: Feed) -> list[Path]:
    """
    Give the files that fit the pattern of a feed, in the order of their names; none that is done or too young.

    If all files count, none that comes after one that is too young: it may build on that.
    """
    youngest = time.time() - feed.min_age
    found = []
    for path in _fitting(feed):
        version = version_of(path)
        if version is None:  # another run has moved it just now
            continue
        if not feed.min_age or version.written <= youngest * 1e9:
            found.append(path)
        elif feed.all_files:
            break
    return found


def _fitting(feed: Feed) -> Iterator[Path]:
    """Give the files that fit, however young."""
    done = {_real(folder) for folder in (feed.archive, feed.failed) if folder}
    for path in map(Path, sorted(glob(feed.files, recursive=True))):
        if path.is_file() and not done.intersection(map(_real, path.parents)):
            yield path


def root_of(pattern: str) -> Path:
    """Give the innermost folder that all files which fit a pattern are in."""
    fixed = []
    for part in Path(pattern).parent.parts:
        name = re.sub(r"\[([*?[])\]", r"\1", part)
        if escape(name) != part:
            break
        fixed.append(name)
    return Path(*fixed).resolve()


def newest(paths: list[Path]) -> Path:
    """Give the file that was written last; of several the last by name."""
    return max(paths, key=lambda path: _age(path, version_of(path)))


def is_newest(feed: Feed, path: Path) -> bool:
    """Whether a file is, now, the newest of a feed."""
    found = files_of(feed)
    return bool(found) and newest(found) == path


def older_than(feed: Feed, path: Path, version: Version | None) -> list[Path]:
    """
    Give the files of a feed that a file makes needless; none if it is no file of the feed, or all count.

    Args:
        feed: Whose files they are.
        path: Of the file.
        version: What it was when it was read.
    """
    if feed.all_files or not _is_local(feed):
        return []
    found = list(_fitting(feed))
    if not any(is_same(one, path) for one in found):
        return []
    return [one for one in found if not is_same(one, path) and _age(one, version_of(one)) <= _age(path, version)]


def _age(path: Path, version: Version | None) -> tuple[int, str, str]:
    """Give by which files are ordered: the older first."""
    return version.written if version else 0, path.name, str(path)


def shared(paths: Iterable[Path], feed: Feed, others: Iterable[Feed]) -> tuple[Path, Feed] | None:
    """Give the first of some files of a feed that another takes for its own too, and that one, if any of both moves."""
    rivals = [one for one in others if one.name != feed.name and (feed.archive or one.archive) and _is_local(one)]
    if not rivals or not _is_local(feed):
        return None
    own = {_lasting(path) for path in _fitting(feed)}
    for other in rivals:
        both = own.intersection(map(_lasting, _fitting(other)))
        if path := next((path for path in paths if _lasting(path) in both), None):
            return path, other
    return None


def _is_local(feed: Feed) -> bool:
    """Whether a feed has files that can be moved."""
    return bool(feed.files) and not is_place(feed.files)


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
    lock = str(path.absolute().parent / _lock_name(path.name))
    try:
        held = take_file(lock)
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


def _lock_name(name: str) -> str:
    """Name the lock of a file; if that is too long for a file system, by a hash."""
    lock = f".{name}.nsync-lock"
    if len(os.fsencode(lock)) <= LONGEST_NAME:
        return lock
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.nsync-lock"


def check_folders(feed: Feed) -> None:
    """
    Check, before a run, that files can be moved after it.

    Raises:
        ConfigError: They cannot.
    """
    older = feed.archive / OLDER if feed.archive and not feed.all_files else None
    for key, folder in (("archive", feed.archive), ("archive", older), ("failed", feed.failed)):
        if folder is None:
            continue
        there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
        if not there.is_dir():
            raise ConfigError(f"{key}: {there} is no folder; choose another")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ConfigError(f"{key}: nothing may be written in {there}; choose another folder, or give the right")


def is_same(path: Path, other: Path) -> bool:
    """Whether two paths are of one file, however their folders are written. A link is a file of its own."""
    return _lasting(path) == _lasting(other)


def is_same_folder(folder: Path, other: Path) -> bool:
    """Whether two paths lead to one folder."""
    return _real(folder) == _real(other)


def _lasting(path: Path) -> str:
    return os.path.join(_real(path.parent), path.name)


def _real(path: Path) -> str:
    return os.path.realpath(path)
