"""The Django app."""

from django.apps import AppConfig
from django.core import checks


class NsyncConfig(AppConfig):
    """nsync in ``INSTALLED_APPS``."""

    name = "nsync"
    label = "nsync"
    verbose_name = "Synchronisation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, which ``manage.py check --tag nsync`` runs alone; commands run that of the settings."""
        from nsync.checks import check_feeds, check_settings

        checks.register(check_settings, "nsync", "nsync_settings")
        checks.register(check_feeds, "nsync", "nsync_feeds")
