"""
Django settings of the workloads. ``NSYNC_BENCH_DATABASE`` and ``NSYNC_BENCH_NAME`` say where.

``NSYNC_BENCH_RECORD`` says how much nsync keeps of a run: by default its figures alone.

They also serve django-nsync 0.4 and django-import-export, in virtual environments of their own.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from tests.services import database_settings

_DATABASE = os.environ["NSYNC_BENCH_DATABASE"]
_NAME = os.environ["NSYNC_BENCH_NAME"]

SECRET_KEY = "only for benchmarks"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "benchmarks.app",
    *(["nsync"] if find_spec("nsync") else []),
    *(["import_export"] if find_spec("import_export") else []),
]

# None of the others keeps what it changes, nor does the limit.
NSYNC = {"RECORD": os.environ.get("NSYNC_BENCH_RECORD", "summary")}

# Django creates the database under the name for tests; the processes that measure are told that name.
_SETTINGS = database_settings(_DATABASE)
DATABASES = {
    "default": {**_SETTINGS, "NAME": _NAME, "TEST": {**_SETTINGS.get("TEST", {}), "NAME": _NAME}}  # type: ignore[dict-item]
}
