"""What the commands do that tell, and sync nothing: find the database, tell, and let errors be messages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseOrDriverError

from nsync.conductor import database_error
from nsync.errors import NsyncError
from nsync.locks import LOCKED, Locked
from nsync.management.output import in_signs_of, silence
from nsync.opening import choose_database
from nsync.options import SyncOptions
from nsync.record.text import plain

_LONGEST_ERROR: Final = 5_000  # characters


class HistoryCommand(BaseCommand):
    """A command that tells of runs, files or feeds. A subclass adds its own arguments, and what it does."""

    # Those of the project are for its developers: to import all its views and templates costs more than a small file.
    requires_system_checks = ["nsync_settings"]  # noqa: RUF012  # as Django declares it
    positional: str  # as the usage shows it
    _called_from_command_line: bool  # Django's: whether this is a process of its own, not call_command()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let the help begin with a usage that fits on a line."""
        usage = f"%(prog)s {self.positional} [options]".replace("  ", " ")
        return super().create_parser(prog_name, subcommand, usage=usage, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option that all of them take."""
        text = "Database that holds the history. Default: where the router sends the mappings."
        parser.add_argument("--database", default="", metavar="ALIAS", help=text)

    @abstractmethod
    def tell(self, using: str, given: Mapping[str, Any]) -> None:
        """Do what the command is for."""

    def handle(self, *args: Any, **given: Any) -> None:
        """
        Do it.

        Raises:
            CommandError: It cannot be done (exit code 1), the command line makes no sense (2), or another run is at
                one of the models (6).
        """
        try:
            self.tell(choose_database((), SyncOptions(database=given["database"] or "")), given)
            self.stdout.flush()
        except NsyncError as error:
            code = LOCKED if isinstance(error, Locked) else 1
            raise CommandError(plain(str(error), _LONGEST_ERROR), returncode=code) from error
        except DatabaseOrDriverError as error:
            raise CommandError(database_error(error, "is it there, and migrated?")) from error
        except BrokenPipeError:  # who reads it has seen enough
            if self._called_from_command_line:
                silence(self.stdout)
        except OSError as error:
            if self._called_from_command_line:
                silence(self.stdout)
            raise CommandError(f"cannot write: {error.strerror or error}") from error

    def say(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(f"{line}\n")

    def write(self, text: str) -> None:
        """Write text as it is, in signs that the terminal or file has."""
        self.stdout.write(in_signs_of(self.stdout, text), style_func=str, ending="")


def refuse_together(given: Mapping[str, Any], names: Iterable[str], why: str) -> None:
    """
    Refuse options that make no sense here.

    Raises:
        CommandError: One of them is given.
    """
    for name in names:
        if given[name]:
            raise CommandError(f"--{name} {why}", returncode=2)
