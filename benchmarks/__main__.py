"""
Measure nsync, side by side with plain SQL and with other packages, on this machine.

``python -m benchmarks`` measures all there is; ``people`` only the workloads, ``files`` the public files, ``start`` a
whole command with a file of a hundred rows.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import chart, figures, machine, real_files, restructured, start
from benchmarks.contenders import NAMES
from benchmarks.figures import Figure
from benchmarks.running import Plan, Running
from benchmarks.workloads import WORKLOADS
from tests.services import DATABASES, why_absent

_PARTS = ["people", "files", "start"]
_DATA = (
    "people of five columns with a key, a match by a unique column and a mapping each, in the order of their ids; "
    "houses that refer to them in no order; made by benchmarks/workloads.py"
)


def _listed(known: tuple[str, ...]) -> Any:
    """Give a type for argparse: names of a list, separated by commas."""

    def names(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",") if name.strip()]
        if wrong := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: choose from {', '.join(known)}")
        return found

    return names


def _sizes(text: str) -> list[int]:
    try:
        return sorted(int(size.replace("k", "000").replace("M", "000000")) for size in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: numbers such as 10k,100k,1M are meant") from None


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m benchmarks", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=[*_PARTS, []], metavar="people|files|start", help="all three")
    parser.add_argument("--quick", action="store_true", help="10,000 rows, once, fewer for slow peers: some minutes")
    parser.add_argument("--sizes", type=_sizes, help="rows: 10k,100k,1M")
    parser.add_argument("--workloads", type=_listed(tuple(WORKLOADS)), default=list(WORKLOADS), help="all of them")
    parser.add_argument("--databases", type=_listed(DATABASES), default=list(DATABASES), help="those that answer")
    parser.add_argument("--only", type=_listed(NAMES), default=list(NAMES), help=f"contenders: {','.join(NAMES)}")
    parser.add_argument("--repeat", type=int, default=1, help="how often each is measured; the median counts")
    parser.add_argument("--data", type=Path, default=real_files.DATA, help="the folder of public files")
    parser.add_argument("--folder", type=Path, help="where files and SQLite's database go while it runs")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--chart", type=Path, help="draw charts into this folder")
    parser.add_argument("--rst", type=Path, help="write the table as reStructuredText")
    parser.add_argument("--read", type=Path, nargs="+", help="measure nothing: show and draw what --json has written")
    options = parser.parse_args(arguments)
    options.sizes = options.sizes or ([10_000] if options.quick else [10_000, 100_000, 1_000_000])
    options.what = options.what or (["people"] if options.quick else _PARTS)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and give the exit code: 1 if anything went wrong."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that databases are dropped
    if options.read:
        _show(options, *_read(options.read))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        return _measure(options, Path(folder))


def _read(paths: list[Path]) -> tuple[dict[str, Any], list[Figure], list[int]]:
    """Give what files say of the machine, what was measured, and the sizes; of what several say, the first counts."""
    told = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    measured = {one.key: one for content in reversed(told) for one in figures.from_json(content["measurements"])}
    in_order = [one for content in told for one in figures.from_json(content["measurements"])]
    command = "; ".join(content["command"] for content in told)
    sizes = sorted({size for content in told for size in content["sizes"]})
    return {**told[0], "command": command}, list({one.key: measured[one.key] for one in in_order}.values()), sizes


def _measure(options: argparse.Namespace, folder: Path) -> int:
    absent = {name: why_absent(name) for name in options.databases if name != "sqlite"}
    databases = [name for name in options.databases if not absent.get(name)]
    plan = Plan(options.workloads, databases, options.sizes, options.only, options.repeat, options.quick, folder)
    told: dict[str, Any] = {**machine.describe(), "databases": dict(machine.database_versions(databases))}
    running = Running(plan)
    running.left_out |= {name: why for name, why in absent.items() if why}
    told |= {"contenders": running.versions, "data": _DATA, "repeat": options.repeat, "sizes": options.sizes}
    told["command"] = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    measured: list[Figure] = []
    try:
        if "people" in options.what:
            measured.extend(map(_progress, running.figures()))
        if "files" in options.what and "nsync" in options.only:
            if options.data.is_dir():
                measured.extend(map(_progress, running.files(options.data)))
            else:
                running.left_out["files"] = (
                    f"there is no folder {options.data}; name that of the public files with --data"
                )
        if "start" in options.what and "nsync" in options.only:
            measured.extend(map(_progress, start.figures(folder)))
    finally:  # an interrupted run shows what it has
        _show(options, {**told, "left_out": running.left_out, "failures": running.failures}, measured, options.sizes)
    return 1 if running.failures else 0


def _progress(one: Figure) -> Figure:
    what = f"{one.database:<11} {one.workload:<24} {one.rows:>9,} {one.contender:<14}"
    print(f"{what} {one.seconds:>9.2f} s {one.rate:>9,.0f} rows/s {one.peak:>5.0f} MB  {one.engine}", flush=True)
    return one


def _show(options: argparse.Namespace, told: dict[str, Any], measured: list[Figure], sizes: list[int]) -> None:
    """Print the table, and write what was asked for."""
    table = list(figures.lines(measured, sizes))
    print()
    for name in ("machine", "load", "python", "databases", "contenders", "data", "command", "date", "left_out"):
        value = told[name]
        print(f"{name}: {'; '.join(f'{k}: {v}' for k, v in value.items()) if isinstance(value, dict) else value}")
    print(f"repeat: {told['repeat']}, the median counts\n{figures.legend()}\n", *figures.text(table), sep="\n")
    for failure in told["failures"]:
        print(f"FAILED {failure}")
    if options.json:
        content = {**told, "measurements": figures.as_json(measured), "table": [line.as_json() for line in table]}
        options.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.rst:
        options.rst.write_text("\n".join(restructured.table(table)) + "\n", encoding="utf-8")
    if options.chart:
        options.chart.mkdir(parents=True, exist_ok=True)
        for name, svg in chart.charts(measured):
            (options.chart / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
