"""Files of a feed: which are chosen, and where they go."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from nsync.errors import ConfigError
from nsync.feeds.feed import Feed
from nsync.feeds.files import check_folders, claimed, files_of, move, newest, place_in


def make(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for age, path in enumerate(reversed(paths)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return paths


def feed(folder: Path, pattern: str = "*.csv", **more: object) -> Feed:
    found = Feed(name="x", system="HR", model="testapp.Person", files=str(folder / pattern))
    return replace(found, **more)  # type: ignore[arg-type]


def test_files_come_in_the_order_of_their_names_and_the_newest_was_written_last(tmp_path: Path) -> None:
    make(tmp_path, "b.csv", "a.csv", "c.txt", ".d.csv")
    (tmp_path / "folder.csv").mkdir()

    found = files_of(feed(tmp_path))

    assert [path.name for path in found] == ["a.csv", "b.csv"]
    assert newest(found).name == "a.csv"


def test_files_in_the_archive_are_done_even_if_they_fit(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "done/b.csv", "done/older/c.csv", "failed/d.csv", "sub/e.csv")

    found = files_of(feed(tmp_path, "**/*.csv", archive=tmp_path / "done", failed=tmp_path / "failed"))

    assert [path.name for path in found] == ["a.csv", "e.csv"]


def test_a_file_that_was_just_written_to_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    (tmp_path / "b.csv").write_text("half")

    assert [path.name for path in files_of(feed(tmp_path, min_age=60))] == ["a.csv"]


def test_a_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    for content in "123":
        path = tmp_path / "a.csv.gz"
        path.write_text(content)
        move(path, place_in(tmp_path / "done", path))

    assert {path.name: path.read_text() for path in (tmp_path / "done").iterdir()} == {
        "a.csv.gz": "1",
        "a_2.csv.gz": "2",
        "a_3.csv.gz": "3",
    }


def test_a_file_that_is_in_its_folder_already_stays(tmp_path: Path) -> None:
    (path,) = make(tmp_path, "done/a.csv")

    assert place_in(tmp_path / "done", path) == path


def test_a_file_goes_to_another_file_system_whole_and_with_its_time(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system here")
    (path,) = make(tmp_path, f"nsync-{os.getpid()}.csv")
    place = place_in(other, path)
    try:
        move(path, place)

        assert place.read_text() == path.name
        assert place.stat().st_mtime == 1_700_000_000
        assert not path.exists()
        assert not list(other.glob(".nsync-*"))
    finally:
        place.unlink()


def test_a_file_that_cannot_be_moved_stays_and_leaves_no_place(tmp_path: Path) -> None:
    place = place_in(tmp_path / "done", tmp_path / "a.csv")

    with pytest.raises(FileNotFoundError):
        move(tmp_path / "a.csv", place)

    assert list((tmp_path / "done").iterdir()) == []


def test_a_file_is_claimed_once_and_free_again_after_that(tmp_path: Path) -> None:
    (path,) = make(tmp_path, "a.csv")

    with claimed(path, is_moved=True) as first, claimed(path, is_moved=True) as second:
        assert (first, second) == (True, False)
    with claimed(path, is_moved=True) as again:
        assert again

    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


def test_a_folder_that_takes_no_lock_matters_only_to_files_that_are_moved(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "a.csv"

    with claimed(path, is_moved=False) as is_ours:
        assert is_ours
    with pytest.raises(ConfigError, match="cannot be claimed"), claimed(path, is_moved=True):
        pass


def test_an_archive_that_is_a_file_is_told_before_the_run(tmp_path: Path) -> None:
    make(tmp_path, "done")

    with pytest.raises(ConfigError, match=r"archive: .*done is no folder"):
        check_folders(feed(tmp_path, archive=tmp_path / "done" / "x"))
