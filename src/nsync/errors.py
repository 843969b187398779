"""The errors of nsync, named by what the caller does next."""

from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with one cell or one row: an error, or (beside an outcome) a warning."""

    code: str  # stable; listed in nsync.changes.CODES and in the documentation
    message: str  # what is wrong, and what would work
    column: str = ""  # header of the cell, as the file gives it; "" when it is the row as a whole
    value: str = ""  # the cell's text


class NsyncError(Exception):
    """Anything that nsync raises on purpose; its text is written for the user."""


class ConfigError(NsyncError):
    """The call is wrong: fix it and call again. Nothing was written."""


class HeaderError(ConfigError):
    """The columns of a source are not those that the call expects: fix one of both. Nothing was written."""


class SourceError(NsyncError):
    """A source cannot be read (on). The run stops, as with ``--on-error stop``."""

    def __init__(self, reason: str, source: str, number: int = 0) -> None:
        super().__init__(reason, source, number)

    def __str__(self) -> str:
        reason, source, number = self.args
        return f"{source}{f':{number}' if number else ''}: {reason}"


class RowError(NsyncError):
    """One row cannot be applied. The run records it and goes on."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, the first problem first."""
        return self.args

    def __str__(self) -> str:
        return "; ".join(
            f"{f'[{problem.column}] ' if problem.column else ''}{problem.message}" for problem in self.problems
        )


class TransientError(NsyncError):
    """The database gave up for now (lost connection, deadlock, lock timeout): run again."""
