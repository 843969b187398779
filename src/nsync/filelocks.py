"""Files that a process locks, so that a crash frees them by itself."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


# A link would let whoever may write into the folder choose which file of this user is locked, and written to.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


def take_file(path: str, text: str = "", like: str = "") -> int | None:
    """
    Lock a file, which is made if there is none; never one that a symbolic link stands for.

    Args:
        path: Of the file.
        text: What it is to say, such as who has locked it. "": whatever it says stays.
        like: Path of a file, if there is a text; who may read and write that may read and write this one.

    Returns:
        Its descriptor; None: somebody else has locked it.

    Raises:
        OSError: It cannot be locked, or written to.
    """
    while True:
        file = _open(path, is_read=not text)
        try:
            is_ours = _lock_file(file)
            if is_ours and _is_at(path, file):
                if text:
                    _sign(path, file, text, like)
                return file
        except OSError:
            os.close(file)
            raise
        os.close(file)
        if not is_ours:
            return None
        # who had it has removed it since it was opened


def _open(path: str, *, is_read: bool) -> int:
    """Open a file to lock it; if it is another user's, it may be enough to read it."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
    except PermissionError as error:
        if not is_read:
            raise
        try:
            return os.open(path, os.O_RDONLY | _NO_LINK)
        except OSError:
            raise error from None


def _sign(path: str, file: int, text: str, like: str) -> None:
    with suppress(OSError):  # the lock may have been left by another user
        os.chmod(file if os.chmod in os.supports_fd else path, os.stat(like).st_mode & 0o666)
    os.ftruncate(file, 0)
    os.write(file, text.encode())


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
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
