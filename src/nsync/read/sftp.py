"""SFTP as fsspec has it, but only from servers whose key is known."""

from __future__ import annotations

import logging
from urllib.parse import unquote

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

# Python prints what is logged where nobody listens, and paramiko logs tracebacks of errors that it raises as well.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class KnownServer(SFTPFileSystem):  # type: ignore[misc]  # fsspec has no types
    """
    The files of an SSH server that ``~/.ssh/known_hosts`` knows.

    fsspec itself trusts any server, which would be sent the password.
    """

    @classmethod
    def of(cls, url: str, timeout: float) -> KnownServer:
        """Connect to the server of a URL; raises what paramiko and sockets raise."""
        given = cls._get_kwargs_from_urls(url)
        parts = {name: given[name] for name in ("host", "port", "username", "password") if name in given}
        parts.update((name, unquote(parts[name])) for name in ("username", "password") if name in parts)
        times = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout"), timeout)
        server: KnownServer = cls(**parts, **times, skip_instance_cache=True)
        server.ftp.get_channel().settimeout(timeout)
        return server

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        self.client.load_system_host_keys()
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = self.client.open_sftp()
        except BaseException:
            self.client.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self.client.close()
