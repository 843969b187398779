"""Lint: reads a whole file as a sync would, and says what is wrong with it, without writing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from nsync.actions import Action, Place
from nsync.decode.compiling import compile_layout
from nsync.decode.contract import check_names
from nsync.decode.decoder import Decoder
from nsync.decode.keys import nearest, split_key
from nsync.decode.layout import Layout
from nsync.errors import ConfigError, HeaderError, RowError, SourceError
from nsync.identities import Identities
from nsync.opening import Input, choose_database, find_model, system_names
from nsync.options import SyncOptions
from nsync.plan.resolve import Resolver
from nsync.profiling import doubts, failing, referring, repeats, uniques
from nsync.profiling.cells import Cells, key_columns, match_columns
from nsync.profiling.doubts import Doubts
from nsync.profiling.failing import Failing
from nsync.profiling.findings import Example, Linted, Notebook
from nsync.profiling.needed import NO_COLUMN, Needed, unidentified
from nsync.profiling.referring import Referring
from nsync.profiling.repeats import KEY, MATCH, Repeat, Repeats
from nsync.profiling.sources import opened
from nsync.profiling.standing import Standing
from nsync.profiling.uniques import Uniques
from nsync.read.base import Source
from nsync.rows import Row
from nsync.spool import open_spool

_DOUBTFUL: Final = frozenset({"unknown-column", "duplicate-ignored", "column-gone"})  # notes that ask for a look
_REPEATED: Final = ((KEY, "repeated-key"), (MATCH, "repeated-match"))
_SHOWN: Final = 100  # characters of a repeated value


def lint(given: Input, options: SyncOptions, *, looks_up: bool = True) -> Linted:
    """
    Check a file without writing to the database.

    Args:
        given: The file, and what it is to be synced to.
        options: How it is to be read.
        looks_up: Whether the database is asked for what the rows refer to.

    Memory: flat. Different values are counted up to a bound and then estimated; keys, matches and missing references
    are kept in a temporary file.

    Raises:
        ConfigError: The options make no sense, or not with the header of the file.
        SourceError: It cannot be opened.
    """
    model = find_model(given.model)
    using = choose_database([model], options)
    with opened(given, options, using) as source:
        notebook = Notebook()
        options = _fitting(options, source.header, notebook)
        try:
            layout = compile_layout(model, source.header, given.system, {*system_names(using), given.system}, options)
        except ConfigError as error:
            raise HeaderError(" ".join([f"{source.name}: {error}", *map("({})".format, source.notes)])) from None
        return _Lint(source, layout, notebook, using if looks_up else "").result()


def _fitting(options: SyncOptions, header: Sequence[str], notebook: Notebook) -> SyncOptions:
    """Note columns that are gone or new (rule C2), and give options that do without them, so that all can be read."""
    flags = options.action_flags
    if flags is None and options.action_flags_column not in header:
        message = "no such column, and nothing else says what the rows ask for; give --action-flags 'cu*', for instance"
        notebook.note(options.action_flags_column, "missing-column", Example(1, "", message), is_error=True, count=0)
        flags = "cu*"  # all that rows may ask for is looked at
    options = replace(options, action_flags=flags)
    if options.contract == "any":
        return options
    targets = {target.strip() for _, target in options.map}
    wanted = [name.strip() for name, _ in options.map]
    wanted += [name.strip() for name in options.only_columns if name.strip() not in targets]
    key = split_key(options.external_key_column, header).headers if options.external_key_column is not None else ()
    gone = [name for name in dict.fromkeys([*wanted, *key]) if name not in header]
    for name in gone:
        example = Example(1, "", f"the file has no such column{nearest(name, header)}")
        notebook.note(name, "missing-column", example, is_error=True, count=0)
    lost = {target.strip() for name, target in options.map if name.strip() in gone} | set(gone)
    kept = replace(
        options,
        match_on=None if lost.intersection((options.match_on or "").split()) else options.match_on,
        map=tuple(pair for pair in options.map if pair[0].strip() not in gone),
        only_columns=tuple(name for name in options.only_columns if name.strip() not in gone),
        external_key_column=None if set(gone).intersection(key) else options.external_key_column,
    )
    try:
        check_names(kept, [header])
    except ConfigError as error:
        notebook.note("", "new-column", Example(1, "", str(error)), is_error=True, count=0)
        kept = replace(kept, contract="at-least")
    return kept


class _Lint:
    """Looks at all rows of one source."""

    def __init__(self, source: Source, layout: Layout, notebook: Notebook, using: str) -> None:
        self._source = source
        self._layout = layout
        self._notebook = notebook
        spool = open_spool("".join(room.SCHEMA for room in (repeats, failing, uniques, doubts, referring)))
        resolver = Resolver(Identities(using), {}) if using else None
        self._decoder = Decoder(layout)
        self._cells = Cells(source.header, layout)
        self._needed = Needed(layout)
        self._updates = False  # any row that creates and updates
        self._failing = Failing(spool)
        self._repeats = Repeats(spool)
        self._uniques = Uniques(layout, spool, self._failing)
        standing = Standing(resolver) if resolver else None
        self._doubts = Doubts(self._needed, standing, self._repeats, spool, notebook, self._failing)
        self._referring: Referring | None = None
        if resolver and layout.relations:
            self._referring = Referring(layout, resolver, spool, self._repeats, self._failing)
        self._rows = 0

    def result(self) -> Linted:
        """Read the source, and give what is found."""
        try:
            for ordinal, row in enumerate(self._source):
                self._rows += 1
                self._take(row, Place(0, ordinal, row.number))
        except SourceError as error:
            _, _, number = error.args
            self._notebook.note("", "unreadable", Example(number, "", str(error)), is_error=True, count=0)
        self._note_columns()
        self._doubts.note()
        self._note_repeats()
        self._note_uniques()
        self._note_references()
        layout = self._layout
        passed_over = [f"{note.column}: {note.message}" for note in layout.notes if note.code not in _DOUBTFUL]
        return Linted(
            self._source.name,
            layout.model._meta.label,
            layout.system,
            self._rows,
            self._failing.count(),
            (*self._source.notes, *passed_over),
            self._cells.seen(),
            self._notebook.findings(),
        )

    def _take(self, row: Row, place: Place) -> None:
        action, read = self._decoded(row, place)
        self._cells.add(row.values, read)
        if action is None:
            return
        if problem := unidentified(action):
            self._failing.add(place.ordinal)
            self._notebook.note("", problem.code, Example(row.number, "", problem.message), is_error=True)
            return
        self._updates |= action.flags.create and action.flags.update
        self._doubts.add(action)
        self._repeats.add(action)
        self._uniques.add(action)
        if self._referring is not None:
            self._referring.add(action)

    def _decoded(self, row: Row, place: Place) -> tuple[Action | None, Mapping[str, object] | None]:
        """Give what a row asks for, if it does, and what its cells say, if that was read."""
        try:
            actions = self._decoder.decode(row, place)
        except RowError as error:
            self._failing.add(place.ordinal)
            for problem in error.problems:
                example = Example(row.number, problem.value, problem.message)
                self._notebook.note(problem.column, problem.code, example, is_error=True)
            return None, None
        if not actions:
            return None, None
        return actions[0], None if actions[0].flags.delete else actions[0].values

    def _note_columns(self) -> None:
        for note in self._layout.notes:
            if note.code in _DOUBTFUL:
                example = Example(1, "", note.message)
                self._notebook.note(note.column, note.code, example, is_error=False, count=0)
        for name in self._needed.absent if self._updates else ():
            self._notebook.note(name, "required", Example(1, "", NO_COLUMN), is_error=False, count=0)

    def _note_repeats(self) -> None:
        columns = {KEY: key_columns(self._layout), MATCH: match_columns(self._layout)}
        for kind, code in _REPEATED:
            for number, repeat in enumerate(self._repeats.examples(kind)):
                example = _repeated(repeat)
                count = 0 if number else self._repeats.count(kind)
                self._notebook.note(columns[kind], code, example, is_error=False, count=count)

    def _note_uniques(self) -> None:
        for shared in self._uniques.shared():
            for number, repeat in enumerate(shared.examples):
                count = 0 if number else shared.values
                example = _repeated(repeat)
                self._notebook.note(shared.header, "repeated-unique", example, is_error=shared.is_sure, count=count)

    def _note_references(self) -> None:
        for unfound in self._referring.unfound() if self._referring is not None else ():
            code = "ambiguous-reference" if unfound.is_ambiguous else "missing-reference"
            for number, example in enumerate(unfound.examples):
                count = 0 if number else unfound.count
                self._notebook.note(unfound.column, code, example, is_error=unfound.is_error, count=count)


def _repeated(repeat: Repeat) -> Example:
    times = "twice" if repeat.times == 2 else f"{repeat.times:,} times"
    return Example(repeat.first, repeat.value[:_SHOWN], f"{times}, the last time in line {repeat.last}")
