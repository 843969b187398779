"""The settings of the example project, on the database of one page of the documentation."""

from __future__ import annotations

import os

from project.settings import *  # noqa: F403

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["NSYNC_PAGE_DATABASE"]}}
