"""Running: which measurements there are to make, and making them, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.contenders import contender
from benchmarks.figures import FILES, Figure
from benchmarks.processes import Place, TaskError, ask
from benchmarks.workloads import WORKLOADS, Workload


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    workloads: list[str]
    databases: list[str]
    sizes: list[int]
    contenders: list[str]
    repeat: int
    quick: bool
    folder: Path  # for files, and SQLite's database


class Running:
    """One run. What could not be measured is in ``left_out``, what went wrong in ``failures``."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.left_out: dict[str, str] = {}  # what → why
        self.failures: list[str] = []
        self.versions: dict[str, str] = {}
        self._pythons: dict[str, Path | None] = {}
        for name in plan.contenders:
            try:
                self._pythons[name] = environments.python_of(name)
                task = {"task": "told", "contender": name}
                self.versions[name] = ask(task, python=self._pythons[name])
            except (environments.AbsentError, TaskError) as error:
                self.left_out[name] = str(error)

    def figures(self) -> Iterator[Figure]:
        """Measure, small sizes first; the databases are dropped in the end."""
        try:
            yield from self._all()
        finally:
            for database in self.plan.databases:
                ask({"task": "drop"}, Place.of(database, self.plan.folder))

    def _all(self) -> Iterator[Figure]:
        done: set[tuple[str, str, str, int]] = set()
        for size in self.plan.sizes:
            for workload in (WORKLOADS[name] for name in self.plan.workloads):
                for database in self.plan.databases:
                    for name in self._pythons:
                        key = (workload.name, database, name, self._size(name, size))
                        if key not in done:
                            done.add(key)
                            yield from self._measured(workload, *key[1:])
                for path in self.plan.folder.iterdir():
                    if path.suffix in (".csv", ".json", ".jsonl", ".parquet"):
                        path.unlink()

    def _size(self, name: str, size: int) -> int:
        largest = contender(name).LARGEST_QUICK if self.plan.quick else contender(name).LARGEST
        return min(size, largest or size)

    def _measured(self, workload: Workload, database: str, name: str, size: int) -> Iterator[Figure]:
        """Measure once or several times, each time on a database made anew."""
        one, rows = contender(name), workload.rows(size)
        if why := one.cannot(workload, database):
            self.left_out[f"{workload.name}: {name}"] = why
            return
        turns = range(self.plan.repeat if one.REPEATS else 1)
        try:
            told = [self._once(workload, database, name, rows, is_first=turn == 0) for turn in turns]
        except TaskError as error:
            self._fail(f"{workload.name}, {database}, {rows:,} rows, {name}: {error}")
            return
        figure = Figure.of((workload.name, database, name, size, rows), told)
        for problem in figure.problems:
            self._fail(f"{workload.name}, {database}, {rows:,} rows, {name}: {problem}")
        yield figure

    def _once(self, workload: Workload, database: str, name: str, rows: int, *, is_first: bool) -> dict[str, Any]:
        one, python = contender(name), self._pythons[name]
        with_match = one.NEEDS_MATCH and workload.with_match is not None
        path = self.plan.folder / f"{workload.slug}-{rows}{'-with-match' if with_match else ''}.csv"
        task = {"workload": workload.name, "contender": name, "rows": rows, "path": str(path), "check": is_first}
        if not path.exists():
            ask({**task, "task": "write", "with_match": with_match})
        place = Place.of(database, self.plan.folder)
        ask({**task, "task": "prepare"}, place, python)
        return dict(ask({**task, "task": "measure"}, place, python))

    def files(self, data: Path) -> Iterator[Figure]:
        """Sync the real files, each twice, one after the other in one database."""
        for database in self.plan.databases:
            place = Place.of(database, self.plan.folder)
            try:
                for step in self._file_task({"task": "create"}, data, place):
                    told = self._file_task({"task": "measure", "step": step}, data, place)
                    names = (f"{FILES}: {step}", database, "nsync", told["rows"], told["rows"])
                    yield Figure.of(names, [told])
            except TaskError as error:
                self._fail(f"{FILES}, {database}: {error}")
            finally:
                ask({"task": "drop"}, place)

    @staticmethod
    def _file_task(task: dict[str, str], data: Path, place: Place) -> Any:
        return ask(
            {**task, "data": str(data)},
            place,
            module="benchmarks.real_files",
            settings="benchmarks.files_settings",
        )

    def _fail(self, text: str) -> None:
        self.failures.append(text)
        print(f"FAILED {text}", flush=True)
