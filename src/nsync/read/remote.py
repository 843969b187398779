"""Files that a URL names, fetched with fsspec (https://filesystem-spec.readthedocs.io)."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any, Final

from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.places import scheme_of, shown, veil_urls
from nsync.read.fetched import TIMEOUT, FetchedContent, check_length, cut_off, is_full
from nsync.read.streams import no_room

_CONNECT: Final = 15.0  # seconds, at most
_STAMPS: Final = ("size", "mtime", "ETag", "etag", "LastModified", "last_modified", "modify", "md5Hash")
_REFUSED: Final = ("AuthenticationException", "BadAuthenticationType", "NoCredentialsError", "PartialCredentialsError")
_CUT_OFF: Final = ("ClientPayloadError", "ContentLengthError", "TransferEncodingError", "IncompleteRead", "EOFError")


_UNREACHABLE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL)


def open_url(url: str, timeout: float = TIMEOUT) -> FetchedContent:
    """
    Fetch the file of a URL.

    Args:
        url: What it says of passwords and tokens stays here.
        timeout: Seconds in which the server must say something.

    Raises:
        ConfigError: An unknown scheme, or what reads it is not installed.
        SourceError: It cannot be fetched, or not all of it.
    """
    name, scheme = shown(url), scheme_of(url)
    url = scheme + url[len(scheme) :]
    return FetchedContent(name, partial(_fetch, url, name, timeout))


Connect = Callable[[str, float], Any]  # URL, timeout → a file system


def _fetch(url: str, name: str, timeout: float, path: str) -> None:
    scheme = scheme_of(url)
    fetch = _fetch_web if scheme in ("http", "https") else _fetch_file
    try:
        fetch(_connector(scheme, name)(url, timeout), url, name, path)
    except NsyncError:
        raise
    except ImportError as error:
        raise ConfigError(f"{name}: what reads {scheme}:// is not installed: {error}") from error
    except Exception as error:  # libraries of any kind, each with errors of its own
        raise _explained(error, name) from None  # whose words may hold the URL


def _fetch_web(files: Any, url: str, name: str, path: str) -> None:
    """Fetch by one request, so that all bytes are of one version; aiohttp compares their number with the header."""
    files.get_file(url, path)


def _fetch_file(files: Any, url: str, name: str, path: str) -> None:
    """Fetch by as many requests as it takes, and see that the file was the same before and after."""
    where = files._strip_protocol(url)
    try:
        before = files.info(where)
        if before.get("type") == "directory":
            raise SourceError("is a folder; name a file in it", name)
        files.get_file(where, path)
        check_length(name, os.path.getsize(path), before.get("size"))
        files.invalidate_cache()
        if _stamp(files.info(where)) != _stamp(before):
            raise SourceError("the file changed while it was being fetched; run again when it is complete", name)
    finally:
        if close := getattr(files, "close", None):
            close()


def _stamp(info: dict[str, Any]) -> list[Any]:
    return [info.get(key) for key in _STAMPS]


def _connector(scheme: str, name: str) -> Connect:
    """Give what connects to the files of a scheme. Raises ConfigError."""
    module, extra, connect = _OURS.get(scheme, ("fsspec", "", None))
    install = f'pip install "django-nsync[{extra}]"' if extra else "pip install fsspec"
    for needed in dict.fromkeys(["fsspec", module]):
        try:
            import_module(needed)
        except ImportError as error:
            hint = "" if extra else _hint(scheme, _OURS)
            raise ConfigError(f"{name}: {needed} is not installed, which reads {scheme}://: {install}{hint}") from error
    if connect is None and scheme not in (known := import_module("fsspec").available_protocols()):
        hint = _hint(scheme, [*_OURS, *known]) or f"; there are {', '.join(_OURS)}, and those of fsspec"
        raise ConfigError(f"{name}: nothing reads {scheme}://{hint}")
    return connect or _other


def _hint(scheme: str, known: Iterable[str]) -> str:
    return next((f"; did you mean {close}://?" for close in get_close_matches(scheme, list(known), n=1)), "")


def _web(url: str, timeout: float) -> Any:
    from aiohttp import ClientTimeout
    from fsspec.config import conf
    from fsspec.implementations.http import HTTPFileSystem

    limits = ClientTimeout(total=None, sock_connect=min(timeout, _CONNECT), sock_read=timeout)
    # trust_env: proxies of the environment, and passwords of ~/.netrc.
    client = {"timeout": limits, "trust_env": True}
    # Some servers compress what they send without being asked, as if it were no part of the file; it is unpacked here,
    # as other compressed files are, where there is a limit to it.
    client["auto_decompress"] = False
    for kind in ("http", "https"):  # what fsspec's own configuration says wins
        client.update(conf.get(kind, {}).get("client_kwargs", {}))
    is_encoded = "%" in url  # a signed URL must stay as it is
    headers = {"Accept-Encoding": "identity"}
    return HTTPFileSystem(client_kwargs=client, encoded=is_encoded, headers=headers, skip_instance_cache=True)


def _s3(url: str, timeout: float) -> Any:
    from s3fs import S3FileSystem

    # s3fs tries again by itself.
    limits = {"connect_timeout": min(timeout, _CONNECT), "read_timeout": timeout, "retries": {"max_attempts": 1}}
    return S3FileSystem(config_kwargs=limits, skip_instance_cache=True)


def _sftp(url: str, timeout: float) -> Any:
    from nsync.read.sftp import KnownServer

    return KnownServer.of(url, timeout)


def _other(url: str, timeout: float) -> Any:
    from fsspec import get_filesystem_class

    kind = get_filesystem_class(scheme_of(url))
    return kind(**kind._get_kwargs_from_urls(url), skip_instance_cache=True)


# scheme → what reads it beside fsspec, the extra that installs both, and what connects
_OURS: Final[dict[str, tuple[str, str, Connect | None]]] = {
    "http": ("aiohttp", "http", _web),
    "https": ("aiohttp", "http", _web),
    "s3": ("s3fs", "s3", _s3),
    "s3a": ("s3fs", "s3", _s3),
    "sftp": ("paramiko", "sftp", _sftp),
    "ssh": ("paramiko", "sftp", _sftp),
}


def _explained(error: BaseException, name: str) -> SourceError:
    """Say in our words what went wrong, and what would work; in those of the library what we have no words for."""
    for one in _causes(error):
        if is_full(one):
            return no_room(one, name)
        if _kind(one) in _CUT_OFF:
            return cut_off(name, _words(one) if str(one) else "the connection ended")
        if reason := _reason(one):
            return SourceError(reason, name)
    return SourceError(f"cannot be fetched: {_words(error)}; check the address, the network and the server", name)


def _reason(error: BaseException) -> str:
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return "there is no such file at this place; check the address"
    is_refused = _kind(error) in _REFUSED or str(error).startswith("No authentication methods")
    if status in (401, 403) or isinstance(error, PermissionError) or is_refused:
        said = f"HTTP {status}" if status else _words(error)
        return f"may not be read ({said}); check the name and password, or the token, with which it is asked for"
    if _kind(error) == "TooManyRedirects":
        return "the server sends us round in circles; check the address"
    if isinstance(status, int):
        cure = "try again later" if status >= 500 else "check the address"
        return f"the server answers HTTP {status} {getattr(error, 'message', '')}".rstrip() + f"; {cure}"
    if isinstance(error, socket.gaierror):
        return f"there is no such host ({error.strerror}); check the address, and the network"
    if isinstance(error, ssl.SSLCertVerificationError):
        told = getattr(error, "verify_message", "") or _words(error)
        cure = "let its owner renew the certificate, or SSL_CERT_FILE name who vouches for it"
        return f"the server cannot be trusted: TLS: {told}; {cure}"
    if isinstance(error, ssl.SSLError):
        return f"the server does not speak TLS with us ({_words(error)}); check the address: is it http://?"
    if isinstance(error, TimeoutError) or _kind(error).endswith(("TimeoutError", "Timeout")):
        return "the server does not answer in time; try again later"
    if getattr(error, "errno", None) in _UNREACHABLE:
        return "there is no way to this address; check it, and the network"
    if isinstance(error, ConnectionRefusedError) or _kind(error) == "NoValidConnectionsError":
        return "nobody answers at this address; check it, and whether the server runs"
    if str(error).startswith("Error reading SSH protocol banner"):
        return "no SSH server answers at this address; check it"
    if "known_hosts" in str(error) or _kind(error) == "BadHostKeyException":
        return f"the server cannot be trusted: {_words(error)}; compare its key, and add it with ssh-keyscan"
    return ""


def _kind(error: BaseException) -> str:
    return type(error).__name__


def _words(error: BaseException) -> str:
    return veil_urls(" ".join(str(error).split())) or _kind(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what it came from, the last first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
