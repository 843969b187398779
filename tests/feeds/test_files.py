"""Files of a feed: which are chosen, and where they go."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nsync.errors import ConfigError
from nsync.feeds.feed import Feed
from nsync.feeds.files import check_folders, claimed, files_of, newest
from nsync.feeds.moving import move, place_in, places_for


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
        move(path, place_in(tmp_path / "done", path.name))

    assert {path.name: path.read_text() for path in (tmp_path / "done").iterdir()} == {
        "a.csv.gz": "1",
        "a_2.csv.gz": "2",
        "a_3.csv.gz": "3",
    }


def test_a_file_goes_to_another_file_system_whole_and_with_its_time(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system here")
    (path,) = make(tmp_path, f"nsync-{os.getpid()}.csv")
    place = place_in(other, path.name)
    try:
        move(path, place)

        assert place.read_text() == path.name
        assert place.stat().st_mtime == 1_700_000_000
        assert not path.exists()
        assert not list(other.glob(".nsync-*"))
    finally:
        place.unlink()


def test_a_file_that_is_replaced_while_it_is_copied_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = make(tmp_path, "a.csv")
    place = place_in(tmp_path / "done", "a.csv")
    copy = shutil.copy2

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def copy_slowly(source: Path, target: Path) -> None:
        copy(source, target)
        source.write_text("another")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(shutil, "copy2", copy_slowly)
    with pytest.raises(OSError, match="replaced or written to meanwhile"):
        move(path, place)

    assert path.read_text() == "another"
    assert list((tmp_path / "done").iterdir()) == []


def test_a_file_that_cannot_be_moved_stays_and_leaves_no_place(tmp_path: Path) -> None:
    place = place_in(tmp_path / "done", "a.csv")

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


def test_a_link_in_place_of_a_lock_is_refused_and_what_it_leads_to_is_as_it_was(tmp_path: Path) -> None:
    """Who may write into an inbox must not be able to have other files emptied, or opened to all."""
    (path,) = make(tmp_path, "a.csv")
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    path.with_name(".a.csv.nsync-lock").symlink_to(secret)

    with pytest.raises(ConfigError, match="cannot be claimed"), claimed(path, is_moved=True):
        pass

    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("x", 0o600)


def test_a_claim_writes_nothing_into_a_file_of_its_name(tmp_path: Path) -> None:
    (path,) = make(tmp_path, "a.csv")
    other = tmp_path / "other"
    other.write_text("x")
    other.chmod(0o600)
    os.link(other, path.with_name(".a.csv.nsync-lock"))

    with claimed(path, is_moved=True) as is_ours:
        assert is_ours

    assert (other.read_text(), other.stat().st_mode & 0o777) == ("x", 0o600)


@pytest.mark.parametrize("name", ["a" * 251 + ".csv", "ä" * 125 + ".csv"])
def test_a_name_of_any_length_can_be_claimed(tmp_path: Path, name: str) -> None:
    (path,) = make(tmp_path, name)

    with claimed(path, is_moved=True) as first, claimed(path, is_moved=True) as second:
        assert (first, second) == (True, False)

    assert [one.name for one in tmp_path.iterdir()] == [name]


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


def test_what_is_written_beside_files_of_one_name_is_kept_apart(tmp_path: Path) -> None:
    """Two feeds may have one folder for what failed; and somebody may have a file of the name in work there."""
    first, second, waiting = make(tmp_path, "one/a.csv", "two/a.csv", "bad/a_2.csv")

    def names(name: str) -> list[str]:
        return [f"{name}.json", f"{name}.txt"]

    found = [places_for(path, folder, tmp_path / "bad", names) for path, folder in ((first, None), (second, None))]
    found.append(places_for(waiting, None, tmp_path / "bad", names))
    found.append(places_for(first, tmp_path / "bad", tmp_path / "bad", names))

    assert [(place, [one.name for one in others]) for place, others in found] == [
        (first, ["a.csv.json", "a.csv.txt"]),
        (second, ["a_3.csv.json", "a_3.csv.txt"]),
        (waiting, ["a_2.csv.json", "a_2.csv.txt"]),
        (tmp_path / "bad/a_4.csv", ["a_4.csv.json", "a_4.csv.txt"]),
    ]
