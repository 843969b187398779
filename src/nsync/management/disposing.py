"""Where a file of a feed goes when its run is over, and what is written beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nsync.feeds.feed import Feed
from nsync.feeds.files import OLDER, claimed, move, place_in
from nsync.record.files import write_report
from nsync.record.rejects import rejects_name, write_rejects
from nsync.record.report import FINISHED, Report


class Disposal:
    """
    What becomes of one file.

    Args:
        feed: Whose file it is.
        path: Of the file.
        older: Files of the feed that are needless once this one is applied.
    """

    def __init__(self, feed: Feed, path: Path, older: Sequence[Path]) -> None:
        self._feed = feed
        self._path = path
        self._older = older
        self.told: list[str] = []  # what was moved where
        self.rejects: list[str] = []  # files that hold failed rows

    def dispose(self, report: Report) -> str:
        """Move the file after its run; give what went wrong."""
        is_applied = report.status == FINISHED or (report.committed and not report.error)
        folder = self._feed.archive if is_applied else self._feed.failed
        try:
            place = self._move(self._path, folder)
            if self._feed.failed and (report.failed or not is_applied):
                self._write(report, place if place.parent == self._feed.failed else None)
            if is_applied:
                self._set_aside()
        except OSError as error:
            what = "" if is_applied else " not"
            again = " If it is synced again, nothing changes: move it yourself" if is_applied else " Move it yourself"
            return f"{self._path} was{what} applied, and cannot be moved to {folder}: {error.strerror or error}.{again}"
        return ""

    def refuse(self, message: str) -> str:
        """Move a file that could not be opened, with the reason beside it; give what went wrong."""
        folder = self._feed.failed
        if folder is None:
            return ""
        try:
            place = self._move(self._path, folder)
            beside = place.with_name(f"{place.stem}.error.txt")
            beside.write_text(f"{message}\n", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            return f"{self._path} cannot be moved to {folder}: {error.strerror or error}"
        return ""

    def _move(self, path: Path, folder: Path | None) -> Path:
        if folder is None:
            return path
        place = place_in(folder, path)
        if place != path:
            move(path, place)
            self.told.append(f"{path} → {place}")
        return place

    def _write(self, report: Report, place: Path | None) -> None:
        """Write rejects and report: beside the failed file, or in its folder if only rows of it failed."""
        folder = self._feed.failed
        assert folder is not None  # the caller has asked
        folder.mkdir(parents=True, exist_ok=True)
        rejects, told = rejects_name(str(place or self._path)), f"{(place or self._path).stem}.report.json"
        if place is None:  # there may be those of another day
            kept = [place_in(folder, Path("new") / name) for name in (rejects, told)]
        else:
            kept = [folder / name for name in (rejects, told)]
        if report.failed:
            self.rejects = [str(path) for path in write_rejects(report, [kept[0]])]
        else:
            kept[0].unlink(missing_ok=True)
        write_report(report, kept[1])

    def _set_aside(self) -> None:
        """Move older files out of the way, of which the next run would else take the newest."""
        archive = self._feed.archive
        for path in self._older if archive else ():
            with claimed(path, is_moved=True) as is_ours:
                if is_ours and path.exists() and archive:
                    self._move(path, archive / OLDER)
