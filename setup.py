"""Packaging of django-nsync; the tools' settings are in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """Read the version without importing the package, whose dependencies may not be installed yet."""
    text = (HERE / "src" / "nsync" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise RuntimeError('src/nsync/__init__.py must have a line __version__ = "…"')
    return found[1]


def long_description() -> str:
    """Give the README and the changelog, as far as they exist."""
    files = (HERE / name for name in ("README.rst", "CHANGELOG.rst"))
    return "\n\n".join(file.read_text(encoding="utf-8").strip() for file in files if file.exists())


PROGRESS = ["tqdm>=4.66"]
DETECT = ["charset-normalizer>=3.4"]
POSTGRESQL = ["psycopg[binary]>=3.1.12"]
PARQUET = ["pyarrow>=21"]
ZST = ['backports.zstd>=1.0; python_version < "3.14"']
HTTP = ["fsspec>=2024.6", "aiohttp>=3.10"]
S3 = ["s3fs>=2024.6"]
SFTP = ["fsspec>=2024.6", "paramiko>=3.4"]
TEST = [
    *DETECT,
    *PARQUET,
    *PROGRESS,
    *POSTGRESQL,
    *ZST,
    *HTTP,
    *S3,
    *SFTP,
    "PyMySQL>=1.1",
    "XlsxWriter>=3.2",
    "hypothesis>=6.100",
    "moto[s3,server]>=5.0",
    "odfpy>=1.4",
    "openpyxl>=3.1",
    "pytest>=8.2",
    "pytest-django>=4.9",
    "pytest-xdist>=3.6",
    "trustme>=1.1",
]
LINT = [
    "django-stubs>=5.2",
    "mypy>=1.15",
    "ruff>=0.12",
    "types-PyMySQL>=1.1",
    "types-python-dateutil>=2.9",
    "types-tqdm>=4.66",
]
DOCS = ["furo>=2024.8", "sphinx>=8.0"]

setup(
    name="django-nsync",
    version=version(),
    description="Keep Django models in sync with the files of external systems",
    long_description=long_description(),
    long_description_content_type="text/x-rst",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["django", "csv", "import", "synchronisation", "integration", "external systems"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: Django",
        "Framework :: Django :: 5.2",
        "Framework :: Django :: 6.0",
        "Framework :: Django :: 6.1",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Database",
        "Topic :: Software Development :: Libraries :: Python Modules",
        "Typing :: Typed",
    ],
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={"nsync": ["py.typed", "templates/**/*", "locale/**/*"]},
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=["Django>=5.2", "python-dateutil>=2.9"],
    extras_require={
        "detect": DETECT,
        "parquet": PARQUET,
        "progress": PROGRESS,
        "postgresql": POSTGRESQL,
        "zst": ZST,
        "http": HTTP,
        "s3": S3,
        "sftp": SFTP,
        "test": TEST,
        "lint": LINT,
        "docs": DOCS,
        "dev": [*TEST, *LINT, *DOCS, "tox>=4.21"],
    },
)
