"""What becomes of a file of a feed when its run is over, and what is written beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nsync.errors import ConfigError
from nsync.feeds.feed import Feed
from nsync.feeds.files import OLDER, claimed, is_same, is_same_folder, older_than, version_of
from nsync.feeds.moving import mark, move, place_in, places_for
from nsync.record.files import write_report
from nsync.record.rejects import rejects_name, write_rejects
from nsync.record.report import FINISHED, Report


class Disposal:
    """
    What becomes of one file, which this process has claimed.

    An older file must never be the newest of its feed after a newer one was applied, or tried. So older ones are set
    aside first, each under its claim, whatever became of this one; and this one, the newest until then, is moved only
    when none is left. Whoever is killed meanwhile, or cannot move one, leaves it the newest: the next call takes it
    again. Whatever a run has not done with stays for that reason too: where there is no archive to set others aside in,
    where all files count and the next may build on this one, and where what is there now is not what was read.

    Args:
        feed: Whose file it is.
        path: Of the file.
        later: Files that the call syncs after this one; they are not set aside.
    """

    def __init__(self, feed: Feed, path: Path, later: Sequence[Path] = ()) -> None:
        self._feed = feed
        self.path = path
        self.later = later
        self._version = version_of(path)  # before the run reads it: what comes later is another
        self.told: list[str] = []  # what was moved where, and what was left
        self.rejects: list[str] = []  # files that hold failed rows
        self._has_changed = False
        self.is_clear = False  # whether the file was applied and is out of the way, so that another may follow

    def older(self) -> list[Path]:
        """Give the files that this one makes needless."""
        found = older_than(self._feed, self.path, self._version) if self._feed.archive else []
        return [one for one in found if not any(is_same(one, other) for other in self.later)]

    def dispose(self, report: Report, *, is_kept: bool) -> str:
        """
        Move the file after its run, and write beside it what failed.

        Args:
            report: Of the run.
            is_kept: If it was not applied, that is not its fault: it stays for the next call.

        Returns:
            What went wrong; "" if nothing did.
        """
        is_applied = report.status == FINISHED or report.is_whole
        if not is_applied and (is_kept or self._is_changed()):
            return ""
        is_told = bool(report.failed or not is_applied)
        return self._end(is_applied, _Told(report) if is_told else None)

    def refuse(self, message: str) -> str:
        """Move a file that could not be opened, with the reason beside it; give what went wrong."""
        if self._is_changed():
            return ""
        return self._end(False, _Told(message))

    def _end(self, is_applied: bool, told: _Told | None) -> str:
        feed = self._feed
        folder = feed.archive if is_applied else feed.failed
        trouble = self._set_aside()
        if trouble or self._is_changed() or feed.archive is None or (feed.all_files and not is_applied):
            folder = None
        trouble = "; ".join(filter(None, [trouble, self._finish(is_applied, folder, told)]))
        self.is_clear = is_applied and not trouble and not self._has_changed
        return trouble

    def _is_changed(self) -> bool:
        """Whether the file is another than the run has read, or gone; says so."""
        now = version_of(self.path)
        if not self._has_changed and (now is None or now != self._version):
            self._has_changed = True
            what = "was replaced or written to meanwhile, and stays for the next call" if now else "is gone meanwhile"
            self.told.append(f"{self.path} {what}")
        return self._has_changed

    def _set_aside(self) -> str:
        """Move older files out of the way; give what keeps one there."""
        archive = self._feed.archive
        for path in self.older():
            why = ""
            try:
                with claimed(path, is_moved=True) as is_ours:
                    if not is_ours:
                        why = "another process has it"
                    elif archive and path in self.older():  # else it was taken, or replaced, just now
                        self._move(path, place_in(archive / OLDER, path.name))
            except (OSError, ConfigError) as error:
                why = str(getattr(error, "strerror", None) or error)
            if why:
                left = f"{self.path} stays too: else the next call would take the older one"
                return f"{path} is older and cannot be set aside in {archive}/{OLDER}: {why}. {left}"
        return ""

    def _finish(self, is_applied: bool, folder: Path | None, told: _Told | None) -> str:
        """Write what is to be told of the file, and then move it; give what went wrong."""
        failed, place = self._feed.failed, self.path
        try:
            if told and failed:
                place, places = places_for(self.path, folder, failed, told.names)
                self.rejects = told.write(places)
                if place == self.path:
                    mark(self.path, places)
            elif folder and not is_same_folder(folder, self.path.parent):
                place = place_in(folder, self.path.name)
            if place != self.path and self._is_changed():  # while that was written
                place.unlink()
            else:
                self._move(self.path, place)
        except OSError as error:
            if place != self.path:
                place.unlink(missing_ok=True)
            what = "" if is_applied else " not"
            how = f"cannot be moved to {folder}" if folder else f"what is wrong cannot be written in {failed}"
            again = " If it is synced again, nothing changes: move it yourself" if is_applied else " Move it yourself"
            return f"{self.path} was{what} applied, and {how}: {error.strerror or error}.{again if folder else ''}"
        return ""

    def _move(self, path: Path, place: Path) -> None:
        if place != path:
            move(path, place)
            self.told.append(f"{path} → {place}")


class _Told:
    """
    What is written beside a file.

    Args:
        what: The report of its run, or the reason why there was none.
    """

    def __init__(self, what: Report | str) -> None:
        self._what = what

    def names(self, name: str) -> list[str]:
        """Give the names of all that may be beside a file: first what is there in any case."""
        stem = Path(name).stem
        names = [f"{stem}.report.json", f"{stem}.error.txt", rejects_name(name)]
        return names if isinstance(self._what, Report) else [names[1], names[0], names[2]]

    def write(self, places: Sequence[Path]) -> list[str]:
        """Write it, and remove what is left of an earlier run of the same file; give the rejects."""
        first, other, rejects = places
        other.unlink(missing_ok=True)
        if isinstance(self._what, Report):
            write_report(self._what, first)
            if self._what.failed:
                return [str(path) for path in write_rejects(self._what, [rejects])]
        else:
            first.write_text(f"{self._what}\n", encoding="utf-8", errors="backslashreplace")
        rejects.unlink(missing_ok=True)
        return []
