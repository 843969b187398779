"""``--notify``: the admins of the project get a mail when a command fails."""

import socket
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from django.conf import settings as django_settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from nsync.conf import settings
from nsync.errors import NsyncError
from nsync.locks import LOCKED
from nsync.management.endings import INTERRUPTED, TERMINATED, WOULD_WRITE, exit_code, notes_of
from nsync.management.output import command_line, in_signs_of
from nsync.record.text import plain

HELP: Final = (
    "Mail the admins of the project (setting ADMINS) if the command fails: if its exit code is neither 0 nor 5, as far "
    "as the command line can be read."
)
_STATUS: Final = {  # of a command that has done nothing of which it could tell
    2: "the command line cannot be understood",
    LOCKED: "another run is at one of the models",
    INTERRUPTED: "ended by Ctrl-C",
    TERMINATED: "ended by SIGTERM",
}
_REDACTED: Final = 'The text of the error may hold values that NSYNC["REDACT"] hides; standard error has it.'
_LONGEST_SUBJECT: Final = 200  # characters
_LONGEST_ERROR: Final = 5_000


class Notice(NamedTuple):
    """What a mail tells of what the command has done."""

    status: str = ""  # in a few words
    run: int | None = None
    lines: Callable[[], Iterable[str]] = tuple


class NotifyingCommand(BaseCommand):
    """A command that mails the admins if it fails and ``--notify`` is given. A subclass adds the option."""

    notice: Notice  # a subclass sets it when it knows more

    @abstractmethod
    def about(self, given: Mapping[str, Any]) -> str:
        """Name what the command is for, in the subject of the mail."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command, system checks included; if it fails, send the mail and let it fail."""
        self.notice = Notice()
        if not options.get("notify"):
            return super().execute(*args, **options)
        if not django_settings.ADMINS:
            self._warn_of_mail("ADMINS is empty in the settings of the project, so nobody gets a mail", options)
        try:
            return super().execute(*args, **options)
        except BaseException as error:
            code = exit_code(error)
            if code not in (0, WOULD_WRITE):
                self._send(code, error, options)
            raise

    def _send(self, code: int, error: BaseException, given: Mapping[str, Any]) -> None:
        """Send the mail; whatever goes wrong must not hide how the command ended."""
        from django.core.mail import mail_admins  # it brings along all of smtplib

        try:
            status = self.notice.status or _STATUS.get(code, "stopped by an error")
            name = self.__module__.rpartition(".")[2]
            subject = f"{' '.join(filter(None, (name, self.about(given))))}: {status} (exit code {code})"
            body = "\n".join(self._body(name, code, status, error))
            mail_admins(_encodable(plain(subject, _LONGEST_SUBJECT)), _encodable(body) + "\n")
        except Exception as refusal:  # a backend may be of the project's own, and raise anything
            self._warn_of_mail(f"no mail could be sent: {type(refusal).__name__}: {refusal}", given)

    def _body(self, name: str, code: int, status: str, error: BaseException) -> Iterator[str]:
        yield f"{name} on {socket.gethostname()} ended with exit code {code}: {status}."
        if line := command_line(self):
            yield f"Command: {plain(line, _LONGEST_ERROR)}"
        if self.notice.run is not None:
            yield f"It is run {self.notice.run}: manage.py syncruns {self.notice.run} tells all that is kept of it."
        yield from (f"Note: {plain(note)}" for note in notes_of(error))
        yield ""
        lines = list(self.notice.lines())
        yield from lines or _told(error)

    def _warn_of_mail(self, line: str, given: Mapping[str, Any]) -> None:
        stream = OutputWrapper(given["stderr"]) if given.get("stderr") else self.stderr
        with suppress(AttributeError, OSError, ValueError):  # it may be closed or full
            stream.write(in_signs_of(stream, f"--notify: {line}"), style_func=str)


def _told(error: BaseException) -> list[str]:
    """Say what went wrong; not in words of others if those may hold values that are not to be told."""
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return ["What was not committed yet was rolled back."]
    if settings.REDACT and _is_of_others(error):
        return [_REDACTED]
    kind = "" if isinstance(error, CommandError) else f"{type(error).__name__}: "
    return [plain(line, _LONGEST_ERROR) for line in f"{kind}{error}".splitlines()]


def _is_of_others(error: BaseException | None) -> bool:
    """Whether an error comes from the database, or from code of the project, whose words we do not know."""
    while error is not None:
        if not isinstance(error, NsyncError | CommandError):
            return True
        error = error.__cause__
    return False


def _encodable(text: str) -> str:
    """Names of files may hold bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
