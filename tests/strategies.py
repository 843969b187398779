"""Random starts, files and runs from small pools of values, so that rows meet each other all the time."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.agreeing import Example, File, Ref, Run, Stale, Thing
from tests.plan.known import table

KEYS = ("k1", "k2", "k3", "k4")
SYSTEMS = ("HR", "HR", "HR", "HR", "ERP")
_KEY_SETS = ((), ("HR",), ("HR",), ("HR",), ("ERP",), ("HR", "ERP"), ("HR", "HR"))
ALL_FLAGS = ("c", "u", "cu", "c*", "u*", "cu*", "d", "d*", "", "x", "cd", "CU *")
# What the rows of one file ask for; a file of one kind goes where a mixed one never comes.
FLAGS = (
    ("cu*",),
    ("cu",),
    ("c",),
    ("u*",),
    ("u*", "cu*"),
    ("c", "cu*", "u*"),
    ("cu*", "cu*", "u", "d*"),
    ("cu*", "d", "d*"),
    ("d*", "d*", "cu*"),
    ("c", "u", "cu", "u*", "cu*", "d", "d*"),
    ALL_FLAGS,
)
_MOST_ROWS = 8
# Of the rows of a crowd.
CROWD_KEYS = (*KEYS, *(f"c{number}" for number in range(1, 11)))
_CROWD_FLAGS = ("cu*",) * 6 + ("cu", "cu", "c", "u*")
_MOST_ODD = 2  # rows of a crowd that are like no other
_SIGNS = "|&~"
NULL = "-"  # the null marker, when a run has one


@dataclass(frozen=True)
class Sheet:
    """What the files of one model look like."""

    cells: Mapping[str, tuple[str, ...]]  # header → what its cells may hold; what stands twice comes twice as often
    matches: tuple[str, ...]
    rivals: tuple[tuple[str, ...], ...] = ()  # headers that exclude each other
    often: tuple[str, ...] = ()  # headers that nearly every file has
    is_foreseen: bool = True  # whether a dry run can know what a row would do (rule O4)
    # Of a crowd: many rows that ask for the same and do not meet. Header → what its cells hold, each no more than once.
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """What the objects of one model look like before a run."""

    values: Mapping[str, tuple[Any, ...]]
    most: int = 3
    least: int = 0
    references: Mapping[str, str] = field(default_factory=dict)  # field → model, made before; or nothing
    required: Mapping[str, str] = field(default_factory=dict)  # field → model; without such an object there is none
    several: Mapping[str, str] = field(default_factory=dict)  # many-to-many field → model
    has_keys: bool = True
    keys: tuple[str, ...] = KEYS
    own: str = ""  # field whose values go with the keys, the first with the first, as in a crowd


@dataclass(frozen=True)
class World:
    """Models that belong together: what is there, and what is synced."""

    kinds: Mapping[str, Kind]
    sheets: Mapping[str, Sheet]
    others: tuple[str, ...] = ()  # models that the runs can touch besides
    is_bulk: bool = True  # whether the bulk engine is meant for them

    @property
    def models(self) -> tuple[str, ...]:
        """Give the names of all models that the runs can touch."""
        return tuple(dict.fromkeys([*self.kinds, *self.sheets, *self.others]))


@st.composite
def examples(draw: Any, world: World, policy: str) -> Example:
    """Draw a start and one to three runs."""
    start = draw(starts(world))
    count = draw(st.sampled_from((1, 1, 1, 2, 3)))
    return Example(start, tuple(draw(runs(world, policy)) for _ in range(count)))


@st.composite
def starts(draw: Any, world: World) -> tuple[Thing | Stale, ...]:
    """Draw what is there; the database may refuse some of it."""
    things: list[Thing | Stale] = []
    for model, kind in world.kinds.items():
        for _ in range(draw(st.integers(kind.least, kind.most))):
            values = {name: draw(st.sampled_from(pool)) for name, pool in kind.values.items()}
            present: dict[str, list[Ref]] = {}
            for number, thing in enumerate(things):
                present.setdefault(thing.model, []).append(Ref(number))
            if any(other not in present for other in kind.required.values()):
                continue
            for name, other in kind.required.items():
                values[name] = draw(st.sampled_from(present[other]))
            for name, other in kind.references.items():
                values[name] = draw(st.sampled_from([None, *present.get(other, [])]))
            for name, other in kind.several.items():
                values[name] = draw(st.lists(st.sampled_from(present[other]), max_size=3)) if other in present else []
            keys = draw(st.sampled_from(_KEY_SETS)) if kind.has_keys else ()
            things.append(Thing(model, values, tuple((system, draw(_key(kind, values))) for system in keys)))
    stale = st.builds(Stale, st.sampled_from(sorted(world.sheets)), st.sampled_from(SYSTEMS), st.sampled_from(KEYS))
    return (*things, *draw(st.lists(stale, max_size=2)))


def _key(kind: Kind, values: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """Give keys for an object: that of its own value three times out of four."""
    own = values.get(kind.own)
    if own is None:
        return st.sampled_from(kind.keys)
    pool = [value for value in dict.fromkeys(kind.values[kind.own]) if value is not None]
    return st.sampled_from((*(kind.keys[pool.index(own) % len(kind.keys)],) * 3 * len(kind.keys), *kind.keys))


@st.composite
def runs(draw: Any, world: World, policy: str) -> Run:
    """Draw one run: one to three files and its options."""
    files = draw(st.lists(sources(world), min_size=1, max_size=3))
    chosen = {name: value for name, value in draw(OPTIONS).items() if value is not None}
    if chosen["on_error"] != "skip" or "max_errors" in chosen:
        chosen.pop("as_transaction", None)  # then batches decide what stays (rule T4)
    if not all(world.sheets[file.model].is_foreseen for file in files):
        chosen.pop("dry_run", None)
    if not world.is_bulk and draw(st.integers(0, 5)) == 0:
        chosen["validate"] = True
    keys = [header for header in ("id", "pk") if any(header in _header(file.text) for file in files)]
    if keys and draw(st.integers(0, 3)):
        chosen["map"] = tuple((header, "pk") for header in keys)
    if len(files) == 1 and draw(st.integers(0, 3)) == 0:
        files, given = _with_options(files[0])
        chosen |= given
    return Run(tuple(files), chosen, policy)


OPTIONS = st.fixed_dictionaries(
    {
        "on_error": st.sampled_from(("skip",) * 6 + ("rollback", "rollback", "stop")),
        "on_displaced": st.sampled_from((None,) * 4 + ("keep", "error")),
        "on_missing_reference": st.sampled_from((None,) * 3 + ("error",)),
        "null_marker": st.sampled_from((None, None, NULL)),
        "max_errors": st.sampled_from((None,) * 8 + (1, 2)),
        "dry_run": st.sampled_from((None,) * 6 + (True,)),
        "as_transaction": st.sampled_from((None,) * 7 + (False,)),
    }
)


def _header(text: str) -> list[str]:
    return text.split("\n", 1)[0].split(",")


def _with_options(file: File) -> tuple[list[File], dict[str, Any]]:
    """Say by options what all rows of a file say alike in their control columns."""
    lines = [line.split(",") for line in file.text.splitlines()]
    header, rows = lines[0], lines[1:]
    if '"' in file.text or not rows:
        return [file], {}
    given = {}
    for name in ("action_flags", "match_on"):
        place = header.index(name)
        if len({row[place] for row in rows}) == 1:
            given[name] = rows[0][place]
            header, rows = _without(header, place), [_without(row, place) for row in rows]
    return [file._replace(text=table(header, *rows))], given


def _without(cells: Sequence[str], place: int) -> list[str]:
    return [*cells[:place], *cells[place + 1 :]]


@st.composite
def sources(draw: Any, world: World) -> File:
    """Draw one source."""
    model = draw(st.sampled_from(sorted(world.sheets)))
    sheet = world.sheets[model]
    text = crowds(sheet) if sheet.own and draw(st.integers(0, 5)) else texts(sheet)
    return File(model, draw(text), draw(st.sampled_from(SYSTEMS)))


@st.composite
def texts(draw: Any, sheet: Sheet, flags: Sequence[Sequence[str]] = FLAGS) -> str:
    """Draw one file; its rows ask for one of several sets of flags."""
    is_keyed = draw(st.integers(0, 3)) > 0
    usable = [match for match in sheet.matches if match or is_keyed]
    matches = draw(st.lists(st.sampled_from(usable), min_size=1, max_size=draw(st.sampled_from((1, 1, 1, 3)))))
    chosen = draw(st.lists(st.sampled_from(sorted(sheet.cells)), unique=True, max_size=5))
    needed = {name for match in matches for name in match.split() if name not in _SIGNS}
    often = {name for name in sheet.often if draw(st.integers(0, 5))}
    headers = _reconciled([*needed, *sorted(often), *chosen], sheet)
    control = ["external_key"] * is_keyed + ["action_flags", "match_on"]
    asked = draw(st.sampled_from(flags))
    cells: list[Any] = [st.sampled_from((*KEYS[:3], *KEYS, ""))] * is_keyed
    cells += [st.sampled_from(asked), st.sampled_from(matches)]
    cells += [st.sampled_from(sheet.cells[name]) for name in headers]
    rows = draw(st.lists(st.tuples(*cells), min_size=1, max_size=_MOST_ROWS))
    shapes = draw(st.sampled_from(((0,),) * 5 + ((0, 0, 0, 0, 0, -1, -2, 1),)))
    shaped = [_shaped(row, draw(st.sampled_from(shapes)), len(control)) for row in rows]
    return table([*control, *headers], *shaped)


@st.composite
def crowds(draw: Any, sheet: Sheet, most_odd: int = _MOST_ODD) -> str:
    """Draw one file of rows of which each is about another object; a few of them are like no other."""
    match = draw(st.sampled_from(sheet.matches))
    is_keyed = not match or draw(st.booleans())
    chosen = draw(st.lists(st.sampled_from(sorted(sheet.cells)), unique=True, max_size=5))
    often = {name for name in sheet.often if draw(st.integers(0, 5))}
    headers = _reconciled([*match.split(), *sorted(often), *chosen], sheet)
    control = ["external_key"] * is_keyed + ["action_flags", "match_on"]
    most = min(len(pool) for pool in (CROWD_KEYS, *sheet.own.values()))
    order = draw(st.permutations(range(most)))[: draw(st.integers(3, most))]
    count = len(order)
    columns = [[CROWD_KEYS[number] for number in order]] * is_keyed
    columns += [[draw(st.sampled_from(_CROWD_FLAGS))] * count, [match] * count]
    for name in headers:
        if name in sheet.own:
            pool = draw(st.sampled_from((sheet.own[name],) * 3 + (draw(st.permutations(sheet.own[name])),)))
            columns.append([pool[number] for number in order])
        else:  # mostly what is mostly right
            cells = sheet.cells[name][: draw(st.sampled_from((1, 2, 2, 2, len(sheet.cells[name]))))]
            columns.append(draw(st.lists(st.sampled_from(cells), min_size=count, max_size=count)))
    rows = [list(row) for row in zip(*columns, strict=True)]
    for position in draw(st.lists(st.integers(0, count - 1), max_size=most_odd)):
        other: list[Any] = [st.sampled_from((*CROWD_KEYS, ""))] * is_keyed
        other += [st.sampled_from(ALL_FLAGS), st.sampled_from((match, match, *sheet.matches))]
        other += [st.sampled_from((*sheet.cells[name], *sheet.own.get(name, ()))) for name in headers]
        odd = list(draw(st.tuples(*other)))
        like = draw(st.integers(0, len(odd)))  # up to here it says what the others say
        row = [*rows[position][:like], *odd[like:]]
        rows[position] = _shaped(row, draw(st.sampled_from((0, 0, 0, -1, 1))), len(control))
    return table([*control, *headers], *rows)


@st.composite
def repeated(draw: Any, world: World, policy: str) -> Example:
    """Draw a start, a run of one crowd, and a run of nearly the same rows: most of them change nothing."""
    model = draw(st.sampled_from(sorted(name for name, sheet in world.sheets.items() if sheet.own)))
    sheet = world.sheets[model]
    file = File(model, draw(crowds(sheet, most_odd=0)), draw(st.sampled_from(SYSTEMS)))
    chosen = {name: value for name, value in draw(OPTIONS).items() if value is not None}
    chosen.pop("null_marker", None)  # with which nothing is proved
    chosen.pop("as_transaction", None)
    again = draw(changed(file.text, sheet))
    files, given = (
        _with_options(file._replace(text=again)) if draw(st.booleans()) else ([file._replace(text=again)], {})
    )
    others = draw(st.lists(sources(world), max_size=1)) if not given and not draw(st.integers(0, 3)) else []
    runs = (Run((file,), {"on_error": "skip"}, policy), Run((*files, *others), chosen | given, policy))
    return Example(draw(starts(world)), runs)


@st.composite
def changed(draw: Any, text: str, sheet: Sheet) -> str:
    """Draw what becomes of a file: a few rows say something else, stand elsewhere or come twice."""
    header, *rows = list(csv.reader(io.StringIO(text)))
    for _ in range(draw(st.integers(0, _MOST_ODD))):
        row = list(draw(st.sampled_from(rows)))[: len(header)]
        row += [""] * (len(header) - len(row))
        for number in draw(st.sets(st.integers(0, len(header) - 1), max_size=2)):
            name = header[number]
            control = {"external_key": (*CROWD_KEYS, ""), "action_flags": ALL_FLAGS, "match_on": sheet.matches}
            row[number] = draw(st.sampled_from(control.get(name) or (*sheet.cells[name], *sheet.own.get(name, ()))))
        row = _shaped(row, draw(st.sampled_from((0, 0, 0, -1, 1))), 3)
        place = draw(st.integers(0, len(rows)))
        rows[place : place + draw(st.integers(0, 1))] = [row]
    return table(header, *rows)


def _reconciled(names: Sequence[str], sheet: Sheet) -> list[str]:
    """Put headers into the order of the sheet; of those that exclude each other the first stays."""
    kept: list[str] = []
    for name in names:
        excluded = {other for rivals in sheet.rivals if name in rivals for other in rivals} - {name}
        if not excluded & set(kept):
            kept.append(name)
    return [name for name in sheet.cells if name in kept]


def _shaped(row: Sequence[str], surplus: int, least: int) -> list[str]:
    """Leave out the last cells, or add one (rule C4)."""
    if surplus > 0:
        return [*row, "surplus"]
    return list(row[: max(least, len(row) + surplus)])
