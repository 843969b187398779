"""Places: how sources are named that are no local files, and what of such a name may be shown."""

import os
import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

HIDDEN: Final = "***"
_SHOWN: Final = 100  # characters of a query that name it
_URL_IN_TEXT: Final = r"[A-Za-z][A-Za-z0-9+.-]+://[^\s\"'<>]+"


class Place(NamedTuple):
    """Something that has a name on one side of Django's settings, such as a storage or a database."""

    alias: str
    rest: str  # the path in the storage; the query


def scheme_of(source: object) -> str:
    """Give the scheme of a URL, in lower case; "" of what is none."""
    scheme, mark, _ = source.partition("://") if isinstance(source, str) else ("", "", "")
    if not mark or len(scheme) < 2 or not scheme[0].isalpha():  # one letter is a drive of Windows
        return ""
    signs = scheme.replace("+", "").replace("-", "").replace(".", "")
    return scheme.lower() if signs.isascii() and signs.isalnum() else ""


def storage_of(source: object) -> Place | None:
    """Take ``storage:alias:path`` apart; None: it is something else."""
    return _place(source, "storage:")


def query_of(source: object) -> Place | None:
    """Take ``sql+alias:SELECT …`` apart; None: it is something else."""
    return None if scheme_of(source) else _place(source, "sql+")


def _place(source: object, prefix: str) -> Place | None:
    if not isinstance(source, str) or not source.startswith(prefix):
        return None
    alias, mark, rest = source[len(prefix) :].partition(":")
    return Place(alias, rest) if mark and "/" not in alias else None


def is_place(source: object) -> bool:
    """Whether a name is that of a source elsewhere, and so no path."""
    return bool(scheme_of(source) or storage_of(source) or query_of(source))


def pattern_sign(source: str) -> str:
    """Give the sign that makes the name of a file in a storage, or the path of a URL, look like a pattern; "": none."""
    if scheme_of(source):
        return next((sign for sign in "*[" if sign in _path(source)), "")
    storage = storage_of(source)
    return next((sign for sign in "*?[" if sign in storage.rest), "") if storage else ""


def file_name(name: str) -> str:
    """Give the name of a file without its folders: of a URL, without what follows its path; of a query, one for it."""
    if scheme_of(name):
        return unquote(_path(name).rpartition("/")[2])
    if storage := storage_of(name):
        return storage.rest.rpartition("/")[2]
    if query := query_of(name):
        return f"{query.alias}.csv"
    return os.path.basename(name)


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:  # a bracket, for instance, that is no part of an address
        return re.split(r"[?#]", url)[0]


def shown(name: str) -> str:
    """Give the name of a source without passwords and tokens (`veil_urls`); of a long query, its beginning."""
    told = veil_urls(name)
    if query := query_of(told):
        text = " ".join(query.rest.split())
        return f"sql+{query.alias}:{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"
    return told


def veil_urls(text: str) -> str:
    """Hide passwords and tokens in a URL, or in those within a text: who asks, and the values after the ``?``."""
    if scheme_of(text):
        return _veiled(text)
    return re.sub(_URL_IN_TEXT, lambda found: _veiled(found[0]), text) if "://" in text else text


def _veiled(url: str) -> str:
    scheme, _, rest = url.partition("://")
    place, mark, values = _without_user(rest).partition("#")[0].partition("?")
    return f"{scheme}://{place}{mark}{'&'.join(map(_without_value, values.split('&'))) if values else ''}"


def _without_user(rest: str) -> str:
    """Hide what stands before the host; also where a password has signs that end the part it stands in."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    end = authority.rfind("@")
    if end < 0 and ":" in authority:
        end = rest.rfind("@")
    return rest if end < 0 else f"{HIDDEN}@{rest[end + 1 :]}"


def _without_value(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={HIDDEN}" if equals else HIDDEN
