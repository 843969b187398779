"""What every test sees: the chosen database, what needs a service or the real data, and what was left out."""

from __future__ import annotations

import gc
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import settings

from nsync import Input, SyncOptions, sync, sync_all
from nsync.record.report import Report
from tests.servers import Web, people_server
from tests.services import REQUIRE_SERVICES, TEST_DATABASE, why_absent

# No test measures time, and what CI runs today it runs tomorrow.
settings.register_profile("nsync", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("nsync")

gc.disable()  # while all tests are collected; see pytest_collection_finish

DATABASE_FIXTURES = frozenset({"db", "transactional_db"})

REAL_DATA = Path(os.environ.get("NSYNC_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def pytest_report_header() -> str:
    """Say which database this run uses."""
    return f"database: {TEST_DATABASE} (NSYNC_TEST_DB)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left alone with it in the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over all that the tests themselves are, for good: a tenth of the whole time."""
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this run cannot do; with ``NSYNC_REQUIRE_SERVICES=1`` an absent service is a failure instead."""
    for marker in item.iter_markers("database"):
        if TEST_DATABASE not in marker.args:
            pytest.skip(f"only on {' and '.join(marker.args)}")
    if TEST_DATABASE != "sqlite" and not _asks_a_database(item):
        pytest.skip("asks no database")
    for marker in item.iter_markers("service"):
        for service in marker.args:
            why = why_absent(service)
            if why and REQUIRE_SERVICES:
                pytest.fail(f"{service} is required and does not answer: {why}")
            if why:
                pytest.skip(f"{service} does not answer")


def _asks_a_database(item: pytest.Item) -> bool:
    """Whether a test may have to do with the chosen database; what has not is run on SQLite only."""
    return not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())) or any(
        item.get_closest_marker(name) for name in ("database", "django_db", "service")
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with what was left out, and why, so that a skip is never overlooked."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"left out on {TEST_DATABASE}: {count} × {reason}")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Empty PostgreSQL's tables by DELETE after a test that commits: TRUNCATE makes anew the files of all of them."""

    def delete_all(style: object, tables: list[str], **given: bool) -> list[str]:
        return ["; ".join(f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables)]

    if connection.vendor == "postgresql":
        connection.ops.sql_flush = delete_all


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Give the folder of public files that some tests sync; the test is skipped where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip("the folder of real data is absent (NSYNC_TEST_DATA)")
    return REAL_DATA


@pytest.fixture
def sync_text(db: None) -> Callable[..., Report]:
    """Give a function that syncs a CSV text to a model, as ``syncfile`` does; the report tells what happened."""

    def run(
        text: str, model: Any = "testapp.Person", *, system: str = "HR", policy: Any = None, **options: Any
    ) -> Report:
        chosen = {"policy": policy} if policy is not None else {}
        return sync(io.StringIO(text), model, system=system, options=SyncOptions(**options), **chosen)

    return run


@pytest.fixture
def sync_texts(db: None) -> Callable[..., Report]:
    """Give a function that syncs several ``(system, model, text)`` in one run, as ``syncfiles`` does."""

    def run(*inputs: tuple[str, Any, str], policy: Any = None, **options: Any) -> Report:
        chosen = {"policy": policy} if policy is not None else {}
        sources = [Input(io.StringIO(text), model, system) for system, model, text in inputs]
        return sync_all(sources, options=SyncOptions(**options), **chosen)

    return run


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Give a web server with files of people; skip the test where what fetches them is absent."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with people_server() as server:
        yield server
