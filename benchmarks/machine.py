"""What a figure is worth nothing without: the machine, the versions, the date."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.services import database_settings, mysql_driver


def describe() -> dict[str, str]:
    """Give the machine, its load, Python and Django, and the date."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": f"{os.cpu_count()} × {_cpu()}, {memory:.0f} GB, {platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f} when it began",
        "python": f"Python {platform.python_version()}, Django {version('Django')}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def database_versions(databases: list[str]) -> Iterator[tuple[str, str]]:
    """Give each database's version and its driver's."""
    for database in databases:
        if database == "sqlite":
            yield database, f"SQLite {sqlite3.sqlite_version}"
            continue
        settings = {key: str(database_settings(database)[key]) for key in ("HOST", "PORT", "USER", "PASSWORD")}
        place = {"host": settings["HOST"], "user": settings["USER"], "password": settings["PASSWORD"]}
        if database == "postgresql":
            import psycopg

            with psycopg.connect(**place, port=settings["PORT"], dbname="postgres") as connection:
                row = connection.execute("SHOW server_version").fetchone()
            yield database, f"PostgreSQL {row[0] if row else ''}, psycopg {psycopg.__version__}"
        else:
            driver = mysql_driver()
            import MySQLdb

            with closing(MySQLdb.connect(**place, port=int(settings["PORT"]))) as mariadb:
                yield database, f"MariaDB {mariadb.get_server_info()}, {driver} {version(driver)}"
