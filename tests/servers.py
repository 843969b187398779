"""Servers on the loopback interface, from which the tests fetch files."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CSV = b"external_key,first_name\n" + b"".join(b"K%d,Name %d\n" % (number, number) for number in range(20_000))
ROWS = b"external_key,action_flags,first_name\n" + b"".join(b"K%d,cu*,Name %d\n" % (n, n) for n in range(50))


class Requests(http.server.BaseHTTPRequestHandler):
    """Gives the ``files`` by their path, or answers as a test says: ``answers`` has functions of the request."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]
    answers: dict[str, Callable[[Requests], None]]
    seen: list[tuple[str, str]]  # path with query, and the Authorization header

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        path = self.path.partition("?")[0]
        if path in self.files:
            self.give(self.files[path])
        elif path in self.answers:
            self.answers[path](self)
        else:
            self.send_error(404)

    def give(self, body: bytes, *, length: int | None = None, status: int = 200, **headers: str) -> None:
        """Answer, and close the connection."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Be quiet."""


class Web:
    """A web server, and what it was asked for."""

    def __init__(self, answers: dict[str, Callable[[Requests], None]], context: ssl.SSLContext | None) -> None:
        self.seen: list[tuple[str, str]] = []
        self.files: dict[str, bytes] = {}
        handler = type("Handler", (Requests,), {"answers": answers, "files": self.files, "seen": self.seen})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.url = f"{'https' if context else 'http'}://{self.address}"


@contextmanager
def web_server(answers: dict[str, Callable[[Requests], None]], context: ssl.SSLContext | None = None) -> Iterator[Web]:
    web = Web(answers, context)
    web.server.handle_error = lambda *args: None  # type: ignore[method-assign]  # clients that do not trust it go
    thread = threading.Thread(target=web.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.server.shutdown()
        web.server.server_close()
        thread.join()


@contextmanager
def people_server() -> Iterator[Web]:
    """Serve people, and a half of them whose download ends early, with a whole row."""

    def cut(request: Requests) -> None:
        request.give(ROWS[: ROWS.index(b"K10")], length=len(ROWS))

    with web_server({"/cut.csv": cut}) as web:
        web.files["/HR_testapp_Person.csv"] = ROWS
        yield web


def with_secrets(web: Web, path: str) -> str:
    return f"{web.url.replace('http://', 'http://ann:s3cret@')}/{path}?sig=t0ken"


class Sftp:
    """An SSH server with the files of a folder, for ann with the password ``p@ss/word``."""

    def __init__(self, folder: Path) -> None:
        import paramiko

        self.folder = folder
        self.key = paramiko.ECDSAKey.generate()
        self.stops_after = 0  # bytes, after which every connection breaks; 0: never
        self.grows = False  # whether a file gets another line each time it is closed
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._transports: list[Any] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def known_hosts(self) -> str:
        return f"[127.0.0.1]:{self.port} {self.key.get_name()} {self.key.get_base64()}\n"

    def close(self) -> None:
        self._socket.close()
        for transport in self._transports:
            transport.close()

    def _serve(self) -> None:
        import paramiko

        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            self._transports.append(transport)
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _files_of(self, transport))
            try:
                transport.start_server(server=_login())
            except (paramiko.SSHException, EOFError):  # a client that does not trust it
                continue


def _login() -> Any:
    import paramiko

    class Login(paramiko.ServerInterface):
        def check_auth_password(self, username: str, password: str) -> int:
            is_ann = (username, password) == ("ann", "p@ss/word")
            return paramiko.AUTH_SUCCESSFUL if is_ann else paramiko.AUTH_FAILED

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return paramiko.OPEN_SUCCEEDED

        def get_allowed_auths(self, username: str) -> str:
            return "password"

    return Login()


def _files_of(sftp: Sftp, transport: Any) -> type:
    import paramiko

    class Handle(paramiko.SFTPHandle):
        def read(self, offset: int, length: int) -> Any:
            if sftp.stops_after and offset + length > sftp.stops_after:
                transport.close()
                return paramiko.SFTP_FAILURE
            return super().read(offset, length)

        def close(self) -> None:
            super().close()
            if sftp.grows:
                with self.path.open("ab") as file:
                    file.write(b"K,more\n")

    class Files(paramiko.SFTPServerInterface):
        def _path(self, path: str) -> Path:
            return sftp.folder / path.lstrip("/")

        def stat(self, path: str) -> Any:
            try:
                return paramiko.SFTPAttributes.from_stat(os.stat(self._path(path)))
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno or 0)

        lstat = stat

        def open(self, path: str, flags: int, attr: Any) -> Any:
            try:
                handle = Handle(flags)
                handle.path = self._path(path)
                handle.readfile = handle.path.open("rb")
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno or 0)
            return handle

    return Files
