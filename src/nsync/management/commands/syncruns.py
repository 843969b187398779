"""``manage.py syncruns [ID]``: which runs there were, and what one of them did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from nsync.locks import sweep
from nsync.management.history import HistoryCommand, refuse_together
from nsync.management.readers import number
from nsync.models import Run
from nsync.record.exported import as_json, change_values, csv_lines, json_parts, outcome_values, run_values
from nsync.record.reading import (
    changes_of_run,
    count_changes,
    count_outcomes,
    find_label,
    find_run,
    find_runs,
    pk_text,
    row_outcomes,
    stood_after,
    undoers,
)
from nsync.record.told import change_told, counts_told, outcomes_told, run_told, runs_told
from nsync.recording import KeptRow

_ROWS_SHOWN: Final = 20  # row outcomes; -v 2 shows all
_RUNS_SHOWN: Final = 20


class Command(HistoryCommand):
    """List runs, or show one."""

    help = "List the runs that are kept, newest first; or show one of them: what was asked for, and what it did."
    positional = "[ID]"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what chooses runs, and what of one is shown."""
        parser.add_argument("id", metavar="ID", nargs="?", type=number, help="The run to show. Default: list them.")
        parser.add_argument(
            "--model",
            default="",
            metavar="APP.MODEL",
            help="List the runs that synced this model; of one run show its changes of this model.",
        )
        parser.add_argument("--json", action="store_true", help="Write JSON.")
        self._add_listing(parser)
        self._add_showing(parser)
        super().add_arguments(parser)

    def _add_listing(self, parser: CommandParser) -> None:
        add = parser.add_argument_group("the list").add_argument
        text = f"How many runs are listed. Default: {_RUNS_SHOWN}."
        add("--limit", type=number, metavar="N", help=text)
        add("--system", default="", metavar="SYSTEM", help="List the runs that synced this system.")
        add(
            "--status", default="", choices=["", *Run.Status.values], metavar="STATUS", help="List those that ended so."
        )

    def _add_showing(self, parser: CommandParser) -> None:
        add = parser.add_argument_group("one run").add_argument
        add("--object", default="", metavar="PK", help="Show the changes of the objects that have this primary key.")
        add("--changes", action="store_true", help="Show the changes, one line for each row that was written.")
        add("--csv", action="store_true", help="Write the changes as CSV, one line for each field, and nothing else.")

    def tell(self, using: str, given: Mapping[str, Any]) -> None:
        """List, or show one, after runs were marked as failed that were killed."""
        sweep(using)
        if given["id"] is None:
            refuse_together(given, ("object", "changes", "csv"), "goes with the ID of a run")
            self._list(using, given)
            return
        refuse_together(given, ("limit", "system", "status"), "is for the list; leave it or the ID out")
        if given["csv"] and given["json"]:
            raise CommandError("--csv and --json are two formats; choose one", returncode=2)
        self._show(find_run(using, number(str(given["id"]))), using, given)

    def _list(self, using: str, given: Mapping[str, Any]) -> None:
        chosen = {name: str(given[name] or "") for name in ("system", "model", "status")}
        runs = find_runs(using, limit=number(str(given["limit"] or _RUNS_SHOWN)), **chosen)
        if given["json"]:
            self.say([as_json([run_values(run) for run in runs])])
        elif runs:
            self.say(runs_told(runs))
        else:
            wanted = ", ".join(f"--{name} {value}" for name, value in chosen.items() if value)
            self.say([f"There is no run that fits {wanted}." if wanted else "There is no run."])

    def _show(self, run: Run, using: str, given: Mapping[str, Any]) -> None:
        counts = count_changes(run, using)
        label = find_label(given["model"], counts, run) if given["model"] else ""
        pk = pk_text(label, str(given["object"] or ""))
        changes = changes_of_run(run, using, label, pk)
        shows_changes = given["changes"] or label or pk
        if given["csv"]:
            for line in csv_lines(run, changes):
                self.write(line)
        elif given["json"]:
            shown = {"changes": (change_values(run, row) for row in changes)} if shows_changes else {}
            head = {
                **run_values(run),
                "undone_by": undoers(run, using),
                "counts": [count._asdict() for count in counts],
            }
            outcomes = (outcome_values(run, outcome) for outcome in row_outcomes(run, using))
            for part in json_parts(head, {"rows": outcomes, **shown}):
                self.write(part)
        else:
            self.say(run_told(run, undoers(run, using), stood_after(run, using)))
            self._say_outcomes(run, using, given["verbosity"])
            self.say(counts_told(run, counts))
            if shows_changes:
                self.say(_changes_told(run, changes))

    def _say_outcomes(self, run: Run, using: str, verbosity: int) -> None:
        limit = _ROWS_SHOWN if verbosity < 2 else None
        more = 0 if limit is None else max(0, count_outcomes(run, using) - limit)
        self.say(outcomes_told(run, row_outcomes(run, using, limit), more))


def _changes_told(run: Run, changes: Iterator[KeptRow]) -> Iterator[str]:
    is_none = True
    yield ""
    for row in changes:
        is_none = False
        yield change_told(run, row)
    if is_none:
        yield "  none of these"
