"""The app whose models the tests sync."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import pre_migrate


class TestappConfig(AppConfig):
    """Label ``testapp``; without migrations, so its tables are made by ``migrate --run-syncdb``."""

    name = "tests.testapp"
    label = "testapp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have PostgreSQL make the collation of `Folded` before its table."""
        pre_migrate.connect(create_collation, sender=self)


def create_collation(using: str, **kwargs: Any) -> None:
    """Create the collation that ignores case; the other databases bring one of their own."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE COLLATION IF NOT EXISTS testapp_folded"
                " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            )
