"""
Which services do the tests have?

Settings and skips ask this module; the Makefile runs it: ``python -m tests.services`` names each service that answers.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping

TEST_DATABASE = os.environ.get("NSYNC_TEST_DB", "sqlite")
# Queries for the locks of a run at one model: on PostgreSQL with a savepoint and its end, and a look at who lives.
LOCKS = {"postgresql": 5, "mariadb": 2}.get(TEST_DATABASE, 0)
REQUIRE_SERVICES = os.environ.get("NSYNC_REQUIRE_SERVICES", "") not in ("", "0")

DATABASES = ("sqlite", "postgresql", "mariadb")


def mysql_driver() -> str:
    """
    Let Django take PyMySQL where mysqlclient is missing, which has no wheels and needs MariaDB's headers to be built.

    Returns:
        The name of the package that Django takes.
    """
    try:
        import MySQLdb  # type: ignore[import-untyped]  # neither driver says its types under this name
    except ImportError:
        import pymysql

        # Django refuses a driver older than the mysqlclient it was written for, and asks for its version by this name.
        pymysql.version_info = (2, 2, 8, "final", 0)
        pymysql.install_as_MySQLdb()
        return "PyMySQL"
    return "mysqlclient" if MySQLdb.__name__ == "MySQLdb" else "PyMySQL"


def database_settings(name: str) -> dict[str, object]:
    """Give Django's settings for one of `DATABASES`; the clients' usual environment variables override them."""
    environment = os.environ.get
    if name == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    if name == "postgresql":
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": environment("PGDATABASE", "nsync"),
            "HOST": environment("PGHOST", "127.0.0.1"),
            "PORT": environment("PGPORT", "5432"),
            "USER": environment("PGUSER", "postgres"),
            "PASSWORD": environment("PGPASSWORD", ""),
        }
    if name == "mariadb":
        mysql_driver()
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": environment("MARIADB_DATABASE", "nsync"),
            "HOST": environment("MARIADB_HOST", "127.0.0.1"),
            "PORT": environment("MARIADB_PORT", "3306"),
            "USER": environment("MARIADB_USER", "root"),
            "PASSWORD": environment("MARIADB_PASSWORD", ""),
            "OPTIONS": {"charset": "utf8mb4", "local_infile": True},
            "TEST": {"CHARSET": "utf8mb4"},
        }
    raise SystemExit(f"NSYNC_TEST_DB={name}: no such database; choose one of {', '.join(DATABASES)}")


def probe_postgresql() -> None:
    """Connect as the tests would."""
    import psycopg

    settings = database_settings("postgresql")
    psycopg.connect(
        host=str(settings["HOST"]),
        port=str(settings["PORT"]),
        user=str(settings["USER"]),
        password=str(settings["PASSWORD"]),
        dbname="postgres",
        connect_timeout=3,
    ).close()


def probe_mariadb() -> None:
    """Connect as the tests would."""
    import pymysql

    settings = database_settings("mariadb")
    pymysql.connect(
        host=str(settings["HOST"]),
        port=int(str(settings["PORT"])),
        user=str(settings["USER"]),
        password=str(settings["PASSWORD"]),
        connect_timeout=3,
    ).close()


def probe_redis() -> None:
    """Exchange a PING for a PONG."""
    address = (os.environ.get("REDIS_HOST", "127.0.0.1"), int(os.environ.get("REDIS_PORT", "6379")))
    with socket.create_connection(address, timeout=3) as connection:
        connection.sendall(b"PING\r\n")
        answer = connection.recv(64)
    if not answer.startswith((b"+PONG", b"-NOAUTH")):
        raise ConnectionError(f"{address[0]}:{address[1]} answers {answer!r}, which is not Redis")


def probe_rabbitmq() -> None:
    """Offer the AMQP protocol; a broker answers with a method frame or with its own protocol header."""
    address = (os.environ.get("RABBITMQ_HOST", "127.0.0.1"), int(os.environ.get("RABBITMQ_PORT", "5672")))
    with socket.create_connection(address, timeout=3) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        answer = connection.recv(64)
    if not answer.startswith((b"\x01", b"AMQP")):
        raise ConnectionError(f"{address[0]}:{address[1]} answers {answer!r}, which is not RabbitMQ")


PROBES: Mapping[str, Callable[[], None]] = {
    "postgresql": probe_postgresql,
    "mariadb": probe_mariadb,
    "redis": probe_redis,
    "rabbitmq": probe_rabbitmq,
}


def why_absent(service: str) -> str:
    """Say why a service cannot be used; empty if it can."""
    try:
        PROBES[service]()
    except Exception as error:  # drivers raise what they like; the text is reported, and fails the run if required
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no answer'}"
    return ""


def main() -> int:
    """Print one line for each service: ``<name> yes``, or ``<name> no <why>``; 1 if a required one is absent."""
    absent = {service: why_absent(service) for service in PROBES}
    for service, why in absent.items():
        print(f"{service} {f'no {why}' if why else 'yes'}")
    return 1 if REQUIRE_SERVICES and any(absent.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
