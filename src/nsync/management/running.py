"""What all commands that sync do: check what can be checked before, run, write the files, tell, and exit (rule T7)."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser, OutputWrapper
from django.db import Error as DatabaseOrDriverError

from nsync.conductor import Policy, database_error, sync_all
from nsync.ending import EndRequest
from nsync.errors import ConfigError, NsyncError
from nsync.locks import LOCKED, Locked
from nsync.management.endings import BY_SIGTERM, TERMINATED, WOULD_WRITE, ended_by_ctrl_c, ended_by_sigterm
from nsync.management.notifying import Notice, NotifyingCommand
from nsync.management.options import add_common_options, to_sync_options
from nsync.management.output import command_line, in_signs_of, silence
from nsync.management.progress import choose_display
from nsync.opening import Input
from nsync.options import SyncOptions
from nsync.policies import load_policy
from nsync.record.files import check_report, write_report
from nsync.record.rejects import plan_rejects, write_rejects
from nsync.record.report import FINISHED, Report
from nsync.record.text import errors_told, headline, plain, rows_told, summary

_LONGEST_ERROR: Final = 5_000  # characters; some list all models of an app
_EXIT_CODES: Final = (
    "Exit codes: 0 applied, or a clean dry run; 1 stopped by an error, nothing committed; 2 the command line cannot be "
    "understood; 3 applied, but rows failed, or the run ended early after batches were committed; 4 stopped by a "
    "guard, nothing committed; 5 --dry-run --check would write something; 6 another run has one of the models; 130 "
    "ended by Ctrl-C; 143 ended by SIGTERM. call_command() raises CommandError for 1, 2 and 6, KeyboardInterrupt for "
    "130, and SystemExit for the others; from code, nsync.sync() gives a report instead."
)


class SyncingCommand(NotifyingCommand):
    """A command that syncs, once or several times. A subclass adds its own arguments, and calls `sync`."""

    # Those of the project are for its developers: to import all its views and templates costs more than a small file.
    requires_system_checks = ["nsync_settings"]  # noqa: RUF012  # as Django declares it
    _ending: EndRequest  # how a signal asks the present run for its end
    positional: str  # as the usage shows it
    _called_from_command_line: bool  # Django's: whether this is a process of its own, not call_command()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let the help end with the exit codes, and begin with a usage that fits on a line."""
        usage = f"%(prog)s {self.positional} [options]"
        return super().create_parser(prog_name, subcommand, usage=usage, epilog=_EXIT_CODES, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options that all these commands take."""
        add_common_options(parser)

    @abstractmethod
    def default_policy(self, given: Mapping[str, Any]) -> Policy:
        """Give the policy of a run that names none."""

    def sync(self, inputs: list[Input], options: SyncOptions, given: Mapping[str, Any]) -> None:
        """
        Do one run.

        Raises:
            CommandError: Nothing was committed (exit code 1), or the command line makes no sense (2).
            SystemExit: With one of the other exit codes that are not 0.
        """
        with as_command_errors():
            paths = [str(source.source) for source in inputs]
            report_file = check_report(given["report"], paths) if given["report"] else None
            rejects = plan_rejects(given["rejects"], paths) if given["rejects"] else []
            _check_apart(report_file, rejects)
            policy = load_policy(given["policy"]) if given["policy"] else self.default_policy(given)
            report = self._run(inputs, options, policy, given)
        if report.status == FINISHED:  # what it wrote then stays
            report_file, rejects = None, []
        trouble, filled = self._write_files(report, report_file, rejects)
        trouble = "; ".join(filter(None, [trouble, self.after(report, filled)]))
        self.notice = Notice(report.status, report.run, lambda: _noticed(report, trouble, filled))
        self.tell(report, filled, given["verbosity"])
        self._end_as_asked(report, trouble)
        self._exit(report, trouble, given["verbosity"], given["check"])

    def _run(self, inputs: list[Input], options: SyncOptions, policy: Policy, given: Mapping[str, Any]) -> Report:
        is_quiet = given["verbosity"] == 0 or not given["progress"]
        shown = nullcontext() if is_quiet else closing(choose_display(self.stderr, self._warn))
        traces = _tracebacks() if given["traceback"] else nullcontext()
        self._ending = EndRequest(BY_SIGTERM)
        with ended_by_ctrl_c(self, self._warn), ended_by_sigterm(self._warn, self._ending), traces, shown as display:
            return sync_all(
                inputs,
                options=options,
                policy=policy,
                progress=display,
                command=command_line(self),
                ending=self._ending,
            )

    def _end_as_asked(self, report: Report, trouble: str) -> None:
        """Say how a run ended that a signal asked to, and that had a batch to finish first."""
        if self._ending.is_asked:
            done = f"the last row committed is {report.last_committed}" if report.last_committed else headline(report)
            self._warn("; ".join(filter(None, [self._ending.reason, done, trouble])))
            raise SystemExit(TERMINATED)

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

    def after(self, report: Report, rejects: list[str]) -> str:
        """Do what comes when a run is over and its files are written; add rejects, and give what went wrong."""
        return ""

    def tell(self, report: Report, rejects: Sequence[str], verbosity: int) -> None:
        """Say what became of the run."""
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
        if entry is None or report.guard:
            return headline(report)
        problem = entry.problems[0]
        column = f" [{problem.column}]" if problem.column else ""
        place = f"{report.all_sources[entry.source].name}:{entry.line}{column}"
        return plain(f"{headline(report).removesuffix('.')}. The first: {place}: {problem.message}", _LONGEST_ERROR)


class SyncCommand(SyncingCommand):
    """A command that syncs sources in one run. A subclass says what its sources and policy are."""

    @abstractmethod
    def inputs(self, given: Mapping[str, Any]) -> list[Input]:
        """Give the sources, and what each is synced to."""

    def about(self, given: Mapping[str, Any]) -> str:
        """Name the systems and models; nothing, if the names of files do not say them."""
        try:
            inputs = self.inputs(given)
        except NsyncError:
            return ""
        names = (source.model if isinstance(source.model, str) else source.model._meta.label for source in inputs)
        told = (f"{source.system} {name}" for source, name in zip(inputs, names, strict=True))
        return ", ".join(dict.fromkeys(told))

    def handle(self, *args: Any, **given: Any) -> None:
        """Sync; raises what `sync` raises."""
        options = to_sync_options(given)
        with as_command_errors():
            inputs = self.inputs(given)
        self.sync(inputs, options, given)


@contextmanager
def as_command_errors() -> Iterator[None]:
    """Let errors of ours, and of the database, be those of a command."""
    try:
        yield
    except NsyncError as error:
        code = LOCKED if isinstance(error, Locked) else 1
        # Of an error of the call each line tells something else; what may come from a file is told on one.
        lines = str(error).split("\n") if type(error) is ConfigError else [str(error)]
        told = "\n".join(plain(line, _LONGEST_ERROR) for line in lines)
        raise CommandError(told, returncode=code) from error
    except DatabaseOrDriverError as error:
        raise CommandError(database_error(error, "is it there, and migrated?")) from error


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


def _noticed(report: Report, trouble: str, rejects: Sequence[str]) -> Iterator[str]:
    """Tell of a run to those who must not see values that are not to be kept."""
    veiled = report.veiled()
    if trouble:
        yield from (trouble, "")
    yield from summary(veiled, rejects)
    yield from errors_told(veiled)


def _check_apart(report_file: Path | None, rejects: Sequence[Path]) -> None:
    if report_file and report_file.absolute() in [path.absolute() for path in rejects]:
        raise CommandError(f"--report and --rejects name one file, {report_file}; name two", returncode=2)
