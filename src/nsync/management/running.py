"""What both commands do: parse, check what can be checked before, run, write the files, tell, and exit (rule T7)."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import Error as DatabaseOrDriverError

from nsync.conductor import Policy, database_error, sync_all
from nsync.errors import NsyncError
from nsync.locks import LOCKED, Locked
from nsync.management.options import add_common_options, load_policy, to_sync_options
from nsync.management.output import in_signs_of, silence
from nsync.management.progress import choose_display
from nsync.opening import Input
from nsync.options import SyncOptions
from nsync.record.files import check_report, write_report
from nsync.record.rejects import plan_rejects, write_rejects
from nsync.record.report import FINISHED, Report
from nsync.record.text import headline, plain, rows_told, summary

WOULD_WRITE: Final = 5
INTERRUPTED: Final = 130
TERMINATED: Final = 143
_LONGEST_ERROR: Final = 5_000  # characters; some list all models of an app
_EXIT_CODES: Final = (
    "Exit codes: 0 applied, or a clean dry run; 1 stopped by an error, nothing committed; 2 the command line cannot be "
    "understood; 3 applied, but rows failed, or the run ended early after batches were committed; 5 --dry-run --check "
    "would write something; 6 another run has one of the models; 130 ended by Ctrl-C; 143 ended by SIGTERM. "
    "call_command() raises CommandError for 1, 2 and 6, KeyboardInterrupt for 130, and SystemExit for the others; from "
    "code, nsync.sync() gives a report instead."
)


class SyncCommand(BaseCommand):
    """A command that syncs sources. A subclass adds its own arguments, and says what its sources and policy are."""

    positional: str  # as the usage shows it
    _called_from_command_line: bool  # Django's: whether this is a process of its own, not call_command()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let the help end with the exit codes, and begin with a usage that fits on a line."""
        usage = f"%(prog)s {self.positional} [options]"
        return super().create_parser(prog_name, subcommand, usage=usage, epilog=_EXIT_CODES, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options that both commands take."""
        add_common_options(parser)

    @abstractmethod
    def inputs(self, given: Mapping[str, Any]) -> list[Input]:
        """Give the sources, and what each is synced to."""

    @abstractmethod
    def default_policy(self, given: Mapping[str, Any]) -> Policy:
        """Give the policy of a run that names none."""

    def handle(self, *args: Any, **given: Any) -> None:
        """
        Sync.

        Raises:
            CommandError: Nothing was committed (exit code 1), or the command line makes no sense (2).
            SystemExit: With one of the other exit codes that are not 0.
        """
        options = to_sync_options(given)
        try:
            inputs = self.inputs(given)
            paths = [str(source.source) for source in inputs]
            report_file = check_report(given["report"], paths) if given["report"] else None
            rejects = plan_rejects(given["rejects"], paths) if given["rejects"] else []
            _check_apart(report_file, rejects)
            policy = load_policy(given["policy"]) if given["policy"] else self.default_policy(given)
            report = self._run(inputs, options, policy, given)
        except NsyncError as error:
            code = LOCKED if isinstance(error, Locked) else 1
            raise CommandError(plain(str(error), _LONGEST_ERROR), returncode=code) from error
        except DatabaseOrDriverError as error:
            raise CommandError(database_error(error, "is it there, and migrated?")) from error
        if report.status == FINISHED:  # what it wrote then stays
            report_file, rejects = None, []
        trouble, filled = self._write_files(report, report_file, rejects)
        self._tell(report, filled, given["verbosity"])
        self._exit(report, trouble, given["verbosity"], given["check"])

    def _run(self, inputs: list[Input], options: SyncOptions, policy: Policy, given: Mapping[str, Any]) -> Report:
        is_quiet = given["verbosity"] == 0 or not given["progress"]
        shown = nullcontext() if is_quiet else closing(choose_display(self.stderr, self._warn))
        traces = _tracebacks() if given["traceback"] else nullcontext()
        with self._ended_by_ctrl_c(), self._ended_by_sigterm(), traces, shown as display:
            return sync_all(inputs, options=options, policy=policy, progress=display, command=command_line(self))

    @contextmanager
    def _ended_by_sigterm(self) -> Iterator[None]:
        """
        Let SIGTERM end the run as an exception does, so that its transaction rolls back (rule T7).

        Not where the process handles the signal itself, as a worker does, or where Python forbids it: in a thread.
        """
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            yield
            return
        signal.signal(signal.SIGTERM, _exit_terminated)
        try:
            yield
        except _Terminated as error:
            self._warn(_ending("SIGTERM", error))
            raise
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @contextmanager
    def _ended_by_ctrl_c(self) -> Iterator[None]:
        """Say what Ctrl-C left, in place of a traceback; code that calls the command catches it by itself."""
        try:
            yield
        except KeyboardInterrupt as error:
            if not self._called_from_command_line:
                raise
            self._warn(_ending("Ctrl-C", error))
            raise SystemExit(INTERRUPTED) from None

    def _write_files(self, report: Report, report_file: Path | None, rejects: list[Path]) -> tuple[str, list[str]]:
        """Write the files asked for; give what went wrong, and the names of the rejects files that hold rows."""
        trouble, filled = "", []
        try:
            filled = [str(path) for path in write_rejects(report, rejects)]
            if report_file:
                write_report(report, report_file)
        except OSError as error:
            trouble = f"cannot write {error.filename or report_file or rejects[0]}: {error.strerror or error}"
        return trouble, filled

    def _tell(self, report: Report, rejects: Sequence[str], verbosity: int) -> None:
        if verbosity == 0:
            return
        style = self.style.SUCCESS if report.exit_code == 0 else self.style.ERROR
        for number, line in enumerate(summary(report, rejects)):
            self._say(line, style if number == 0 else str)
        if verbosity > 1:
            for line in rows_told(report, None) if verbosity > 2 else rows_told(report):
                self._say(line)
        self._write(self.stdout, "", ending="")

    def _say(self, line: str, style: Callable[[str], str] = str) -> None:
        """Write a line in signs that the terminal or file has."""
        self._write(self.stdout, style(in_signs_of(self.stdout, line)))

    def _warn(self, line: str, style: Callable[[str], str] = str) -> None:
        self._write(self.stderr, style(line))

    def _write(self, stream: OutputWrapper, text: str, ending: str = "\n") -> None:
        """
        Write to a stream that may be closed or full: the run is over, and its exit code must still say how it ended.

        No text: flush what was written.
        """
        try:
            stream.write(text, style_func=str, ending=ending)
            if not text:
                stream.flush()
        except (AttributeError, OSError, ValueError):  # AttributeError: Python has no stream where none was open
            if self._called_from_command_line:
                silence(stream)

    def _exit(self, report: Report, trouble: str, verbosity: int, check: bool) -> None:
        """Rule T7; of several codes that apply the first of 1, 3, 5 wins. Errors are said on standard error too."""
        code = report.exit_code
        if trouble:
            code = code or (3 if report.committed else 1)
            trouble = f"{trouble}. {headline(report)}"
        is_told = not trouble and verbosity > 0 and self._has_one_reader()
        if code == 1 and not is_told:
            raise CommandError(trouble or self._blame(report))
        if code and not is_told:
            self._warn(trouble or self._blame(report), self.style.ERROR)
        elif check and report.writes:
            code = WOULD_WRITE
        if code:
            raise SystemExit(code)

    def _has_one_reader(self) -> bool:
        """Tell whether who reads standard error has just read the summary: both are the terminal."""
        return bool(self._called_from_command_line and self.stdout.isatty() and self.stderr.isatty())

    def _blame(self, report: Report) -> str:
        """Say what happened, with the first error, for those who read nothing but standard error."""
        entry = report.first_error()
        if entry is None:
            return headline(report)
        problem = entry.problems[0]
        column = f" [{problem.column}]" if problem.column else ""
        place = f"{report.sources[entry.source].name}:{entry.line}{column}"
        return plain(f"{headline(report).removesuffix('.')}. The first: {place}: {problem.message}", _LONGEST_ERROR)


def command_line(command: Any) -> str:
    """Give the command line, for the history; "" if code calls the command."""
    is_ours = getattr(command, "_called_from_command_line", False)  # Django sets it where it reads the line
    return shlex.join(sys.argv) if is_ours else ""


def _ending(by: str, error: BaseException) -> str:
    """Say what a signal left; the conductor notes the last committed row."""
    notes = getattr(error, "__notes__", ())
    return "; ".join([f"ended by {by}", "what was not committed yet was rolled back", *notes])


@contextmanager
def _tracebacks() -> Iterator[None]:
    """Show what is logged with a traceback, such as what a project's own policy raised."""
    logger, handler = logging.getLogger("nsync"), logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Terminated(SystemExit):
    """SIGTERM came."""


def _exit_terminated(number: int, frame: FrameType | None) -> None:
    raise _Terminated(TERMINATED)


def _check_apart(report_file: Path | None, rejects: Sequence[Path]) -> None:
    if report_file and report_file.absolute() in [path.absolute() for path in rejects]:
        raise CommandError(f"--report and --rejects name one file, {report_file}; name two", returncode=2)
