"""Propose a feed for a file, from a sample of its rows, and say why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from nsync.fields import is_numbered_key
from nsync.opening import Input, choose_database, find_model
from nsync.options import SyncOptions
from nsync.profiling.assigning import Assigned, Assigner, Target
from nsync.profiling.contents import Stored
from nsync.profiling.identifying import Match, choose_key, choose_match
from nsync.profiling.naming import fields_to_fill, may_be
from nsync.profiling.needed import is_needed
from nsync.profiling.proposal import Proposal, Said
from nsync.profiling.sample import Sample, SampledColumn
from nsync.profiling.sources import opened
from nsync.read.base import Source
from nsync.read.formats import FORMATS

_AUTO: Final = "auto"
_DEFAULTS: Final = SyncOptions()
_WITH_DELIMITER: Final = ("csv", "tsv")
_WITH_ENCODING: Final = (*_WITH_DELIMITER, "fixed", "json", "jsonl", "xml")
_WHERE: Final = ("format", "member", "sheet", "header_row", "records", "record_element", "fixed_columns")
_NOTATION: Final = ("date_order", "decimal_comma", "timezone", "database")


def propose(given: Input, options: SyncOptions) -> Proposal:
    """
    Propose a feed.

    Args:
        given: A file, the model that it is for, and the system that it is from.
        options: What is known of it already. Encoding and delimiter are found out if they are ``auto``.

    Returns:
        The feed. It creates and updates; nothing in it deletes. What the sample does not prove is in it as something
        to decide.

    Raises:
        ConfigError: There is no such model or system, or an option makes no sense.
        SourceError: The file cannot be read, or its encoding or delimiter cannot be told.

    Memory: that of a sample, at most 100,000 rows. Nothing is written.
    """
    model = find_model(given.model)
    using = choose_database([model], options)
    with opened(given, options, using) as source:
        sample = Sample(source, options.null_marker)
        return _Proposer(model, given, options, sample, source, using).propose()


class _Proposer:
    """Puts together what is found out about one file."""

    def __init__(
        self, model: type[Model], given: Input, options: SyncOptions, sample: Sample, source: Source, using: str
    ) -> None:
        self._model = model
        self._given = given
        self._options = replace(options, action_flags="cu*", header=(), map=())
        self._wanted = options
        self._sample = sample
        self._source = source
        self._stored = Stored(using, self._options)
        self._fields = fields_to_fill(model, self._options, given.system)
        self._headless = "" if options.header else self._find_headless()

    def propose(self) -> Proposal:
        sample = self._sample
        repeated = {name for name, count in Counter(column.header for column in sample.columns).items() if count > 1}
        columns = [column for column in sample.columns if column.header and column.header not in repeated]
        assigner = Assigner(self._model, columns, self._options, self._given.system, self._stored)
        assigned = assigner.assign()
        match = choose_match(sample, assigned, self._model, self._stored)
        if len(match.columns) == 1 and match.columns[0].position in assigned.fields:
            assigner.agree(match.columns[0])
        if self._headless:
            self._name_columns(assigned)
        key = choose_key(sample, [one for one in columns if self._may_hold_key(one)], assigned, match.columns)
        knows_any = bool(assigned.targets) or key.is_proven
        return Proposal(
            self._given.system,
            self._model._meta.label,
            self._source.name,
            sample.told,
            [*self._reading(knows_any), *assigned.ways, *self._acting(key, match), *self._required(assigned)],
            [*self._columns(assigned, columns, key), *self._repeated(repeated)],
        )

    def _find_headless(self) -> str:
        """Say why the first row is none of headers; "" if it is one. Such a row is taken as data."""
        options, system = self._options, self._given.system
        names = [field.name for field in self._fields]
        known = [
            column.header
            for column in self._sample.columns
            if column.header in names or may_be(self._model, column.header, column.header, options, system)
        ]
        proofs = self._sample.lacks_header(known)
        if not proofs or len(proofs) * 4 < len(self._sample.columns):
            return ""
        shown = ", ".join(repr(column.header) for column in proofs[:3])
        self._sample.take_header_as_row(self._wanted.null_marker)
        return f"the first row is data: {shown} {'are' if len(proofs) > 1 else 'is'} like what stands below"

    def _name_columns(self, assigned: Assigned) -> None:
        """Give columns that have no header the names of what they are."""
        for column in self._sample.columns:
            targets = assigned.targets.get(column.position, [])
            if targets:
                column.header = targets[0].name.partition("=>")[0]

    def _reading(self, knows_any: bool) -> Iterator[Said]:
        """Say how the file is read; a header of which no column is known would be none."""
        wanted, dialect = self._wanted, self._source.dialect
        kinds = {one.source: name for name, one in FORMATS.items()}
        kind = kinds.get(type(self._source).__name__, "")
        yield from self._given_of(_WHERE)
        if kind in _WITH_ENCODING:
            yield from self._encoding(kind)
        if kind in _WITH_DELIMITER:
            why = "parts all lines alike" if wanted.delimiter == _AUTO else ""
            yield Said("delimiter", dialect.delimiter, why)
        if self._headless:
            yield Said("header", [column.header for column in self._sample.columns], self._headless, knows_any)
        elif wanted.header:
            yield Said("header", list(wanted.header), "", knows_any)
        if repeated := self._sample.repeated:
            also = f", and {len(repeated) - 1:,} more" if len(repeated) > 1 else ""
            why = "the header once more, as where files are joined; a sync takes it as a row"
            yield Said("", "", f"line {repeated[0]}{also}: {why}")
        yield from self._null_marker()
        yield from self._given_of(_NOTATION)

    def _given_of(self, keys: Sequence[str]) -> Iterator[Said]:
        """Repeat what the options say."""
        for key in keys:
            value = getattr(self._wanted, key)
            if value != getattr(_DEFAULTS, key):
                yield Said(key, list(value) if isinstance(value, tuple) else value)

    def _encoding(self, kind: str) -> Iterator[Said]:
        """Say the encoding, unless the file itself declares it."""
        wanted = self._wanted.encoding
        notes = dict(note.partition(": ")[::2] for note in self._source.notes)
        name, _, why = notes.get("encoding", wanted).partition(" (")
        is_declared = kind == "xml" and wanted == _DEFAULTS.encoding
        if name != _AUTO and not is_declared:
            yield Said("encoding", name.removesuffix("-sig"), why.removesuffix(")"))

    def _null_marker(self) -> Iterator[Said]:
        if self._wanted.null_marker is not None:
            yield Said("null_marker", self._wanted.null_marker)
            return
        markers = sorted(self._sample.markers.items(), key=lambda item: -item[1][0])
        for number, (marker, (count, line, _)) in enumerate(markers):
            times = f"it stands in {count:,} cell{'' if count == 1 else 's'}, first in line {line}"
            yield Said("null_marker", marker, times if not number else f"{times} too", is_proven=not number)

    def _acting(self, key: Said, match: Match) -> Iterator[Said]:
        """Say what happens to objects, and which these are."""
        yield Said("action_flags", "cu*", "creates and updates; nothing is deleted")
        yield Said("on_displaced", "keep", "nor is what holds the match values of another object")
        yield key
        yield match.said

    def _required(self, assigned: Assigned) -> Iterator[Said]:
        """Name fields without which no object can be made, and of which there is no column."""
        taken = {one.name for one in (*assigned.fields.values(), *assigned.references.values())}
        taken.update(doubt.name.partition("=>")[0] for doubt in assigned.doubts.values())
        for field in self._fields:
            if field.name not in taken and is_needed(field):
                yield Said(f"set.{field.name}", "…", "no object can be made without it; no column has it", False)

    def _columns(self, assigned: Assigned, columns: Sequence[SampledColumn], key: Said) -> Iterator[Said]:
        """Say what each column is taken as, and what it may be."""
        for column in columns:
            targets = assigned.targets.get(column.position, [])
            doubt = assigned.doubts.get(column.position)
            if targets:
                yield _said(column.header, targets)
            if doubt is not None:
                yield _said(column.header, [*targets, doubt])._replace(is_proven=False, why=doubt.why)
            is_control = column.header == "match_on" or key.value == column.header
            if not targets and doubt is None and not is_control:
                yield self._left(column)
        taken = {one.name for one in (*assigned.fields.values(), *assigned.references.values())}
        if free := [field.name for field in self._fields if field.name not in taken]:
            yield Said("", "", f"Fields without a column: {', '.join(free)}")

    def _may_hold_key(self, column: SampledColumn) -> bool:
        """Whether a column is none that says something else, or is left out since a file may not fill it."""
        pk = self._model._meta.pk
        if column.header in ("match_on", _DEFAULTS.action_flags_column):
            return False
        if column.header == "pk" or (is_numbered_key(pk) and column.header == pk.name):
            return True
        fields = [one.name for one in self._model._meta.get_fields() if not one.is_relation]
        return column.header not in fields or self._may_be(column.header, column.header)

    def _left(self, column: SampledColumn) -> Said:
        """Say what becomes of a column of which nothing is known."""
        key = self._model._meta.pk
        if column.header == _DEFAULTS.action_flags_column:
            return Said(column.header, "", "flags may delete: left out; without this line they count")
        if is_numbered_key(key) and column.header in ("pk", key.name):
            return Said(column.header, "", "the database numbers its rows itself: left out")
        try:
            field = self._model._meta.get_field(column.header)
        except FieldDoesNotExist:
            field = None
        is_refused = not self._may_be(column.header, column.header)
        if field is not None and field.many_to_many and self._may_be(column.header, f"{column.header}=>+pk"):
            why = "many objects: + adds, - removes, = sets exactly these; say by what they are found"
            return Said(column.header, f"{column.header}=>+…", why, is_proven=False)
        if field is not None and is_refused:
            return Said(column.header, "", "a file may not fill it: left out")
        if field is None and not is_refused:
            return Said(column.header, column.header, "a property, or a lookup, of this name")
        return Said(column.header, "", f"no field is like it, {column.examples}", is_proven=False)

    def _may_be(self, header: str, target: str) -> bool:
        return may_be(self._model, header, target, self._options, self._given.system)

    def _repeated(self, names: set[str]) -> Iterator[Said]:
        for name in sorted(names - {""}):
            yield Said(name, "", "several columns have this name: left out")


def _said(header: str, targets: Sequence[Target]) -> Said:
    names = [target.name for target in targets]
    why = "; ".join(target.why for target in targets)
    return Said(header, names[0] if len(names) == 1 else names, why)
