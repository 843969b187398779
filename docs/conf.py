"""Sphinx settings of the documentation: ``make docs``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "example_project")]  # docstrings are read from the code beside the pages
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
django.setup()

import nsync  # noqa: E402  # after the path is set

project = "nsync"
author = "the nsync developers"
copyright = "the nsync developers"
release = nsync.__version__
version = ".".join(release.split(".")[:2])

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]  # nothing that asks the network
exclude_patterns = ["_build", "**/*.inc.rst"]
default_role = "py:obj"  # `Report` in a docstring is a link where there is something to link to
highlight_language = "text"
language = "en"
suppress_warnings = ["misc.highlighting_failure"]  # "…" in an excerpt of code stands for what is left out

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True  # "Attributes:" lists what is documented again below it

html_theme = "furo"
html_title = f"nsync {release}"
html_copy_source = False
