"""Django settings for the real files: those of the tests, with a database that several processes can open."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403  # all of them
from tests.settings import DATABASES

# Django creates the database under the name for tests; the processes that measure are told that name.
DATABASES["default"] |= {
    "NAME": os.environ["NSYNC_BENCH_NAME"],
    "TEST": {**DATABASES["default"].get("TEST", {}), "NAME": os.environ["NSYNC_BENCH_NAME"]},
}
