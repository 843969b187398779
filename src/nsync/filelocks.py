"""Files that a process locks, so that a crash frees them by itself."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def take_file(path: str, text: str, like: str) -> int | None:
    """
    Lock a file, which is made if there is none.

    Args:
        path: Of the file.
        text: What it is to say, such as who has locked it.
        like: Path of a file; who may read and write that may read and write this one.

    Returns:
        Its descriptor; None: somebody else has locked it.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock_file(file):
                os.close(file)
                return None
            if _is_at(path, file):
                break
        except OSError:
            os.close(file)
            raise
        os.close(file)  # who had it has removed it since it was opened
    with suppress(OSError):  # the lock may have been left by another user
        os.chmod(path, os.stat(like).st_mode & 0o666)
    os.ftruncate(file, 0)
    os.write(file, text.encode())
    return file


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def drop_file(path: str, file: int) -> None:
    """Free a locked file, and remove it."""
    with suppress(OSError):  # Windows removes no file that is open
        os.remove(path)
    with suppress(OSError):
        _unlock_file(file)  # not only closed: a fork may have it too
    os.close(file)


def read_file(path: str) -> str | None:
    """Give what a locked file says; None: nobody has locked it."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if not _lock_file(file, is_shared=True):
            return os.read(file, 100).decode()
        _unlock_file(file)
        return None
    finally:
        os.close(file)


if sys.platform == "win32":
    _FAR = 1 << 30  # what is locked cannot be read there, so that is a byte behind all others

    def _lock_file(file: int, is_shared: bool = False) -> bool:
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            os.lseek(file, 0, os.SEEK_SET)
            return False
        os.lseek(file, 0, os.SEEK_SET)
        return True

    def _unlock_file(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:

    def _lock_file(file: int, is_shared: bool = False) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock_file(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
