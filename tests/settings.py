"""Django settings of the tests; ``NSYNC_TEST_DB`` chooses the database: sqlite (default), postgresql or mariadb."""

from __future__ import annotations

from tests.services import TEST_DATABASE, database_settings

SECRET_KEY = "only for tests"
ROOT_URLCONF = "tests.urls"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
LANGUAGE_CODE = "en"
STATIC_URL = "/static/"

DATABASES: dict[str, dict[str, object]] = {
    "default": database_settings(TEST_DATABASE),
    # For what concerns --database and routers. Django makes in-memory test databases of both SQLite aliases.
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}

if TEST_DATABASE == "postgresql":  # it is processes that die in tests, not the machine: no COMMIT waits for the disk
    DATABASES["default"]["OPTIONS"] = {"options": "-c synchronous_commit=off"}

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "nsync",
    "tests.testapp",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick; the tests guard nothing
SILENCED_SYSTEM_CHECKS = ["models.W038"]  # a deferrable constraint: SQLite has none, and that is tested
# What a run writes is kept in the tests of that; elsewhere it would only cost time.
NSYNC = {"RECORD": "summary"}
