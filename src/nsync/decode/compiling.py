"""Compile a header into a Layout: which column is a field, a reference, a property, a flag (rules C1 to C3, C6)."""

import inspect
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models import Model

from nsync.actions import Lookup
from nsync.decode.flags import check_codes, decode_flags
from nsync.decode.guard import Guard
from nsync.decode.keys import DEFAULT as _KEY
from nsync.decode.keys import KeyCells, check_key, nearest
from nsync.decode.layout import FieldColumn, Layout, PropertyColumn
from nsync.decode.match import MatchColumn, MatchError, parse
from nsync.decode.paths import Path, compile_path, follow
from nsync.decode.references import (
    ARROW,
    ReferenceColumn,
    compile_column,
    compile_relation,
    find_relation,
    split_header,
)
from nsync.decode.values import converter
from nsync.errors import ConfigError, Problem, RowError
from nsync.fields import concrete_model, is_numbered_key, is_parent_link, is_stamped
from nsync.options import SyncOptions

_OURS = "nsync_"  # columns of a rejects file (rule O3)
_MATCH = "match_on"
_FLAGS = "action_flags"


class _Target(NamedTuple):
    """One thing that a column is meant to be."""

    position: int
    header: str
    name: str  # after --map
    is_mapped: bool
    is_control: bool = False


def compile_layout(
    model: type[Model],
    header: Sequence[str],
    system: str,
    systems: Collection[str],
    options: SyncOptions,
    *,
    is_whole: bool = True,
) -> Layout:
    """
    Find out, once per source, what each column means.

    Args:
        model: The model that the command names.
        header: The source's header, stripped.
        system: Name of the run's external system.
        systems: Names of the systems that exist, for ``relation=>external_key@ERP``.
        options: What the run was asked to do.
        is_whole: Whether that is all of the header. Of a part, nothing is said of what other columns may give: the
            match of the options is left out.

    Raises:
        ConfigError: Whatever the header and the options show to be wrong (rules C6, S1, R1); nothing is read.

    Queries: none.
    """
    if options.timezone:
        from nsync.decode.moments import zone

        zone(options)  # one that does not exist is wrong whether or not a column needs it
    return _Compiler(model, header, system, systems, options).compile(is_whole=is_whole)


class _Compiler:
    """Collects the columns of one header; thrown away when the layout is made."""

    def __init__(
        self, model: type[Model], header: Sequence[str], system: str, systems: Collection[str], options: SyncOptions
    ) -> None:
        self.model = model
        self.header = header
        self.system = system
        self.systems = systems
        self.options = options
        self.only = {name.strip() for name in options.only_columns}
        self.guard = Guard(options.allow_columns)
        self.controls: dict[str, int] = {}
        self.key_positions: dict[str, int] = {}  # by header
        self.fields: dict[str, FieldColumn] = {}
        self.properties: dict[str, PropertyColumn] = {}
        self.references: dict[Any, list[ReferenceColumn]] = {}
        self.operands: dict[str, MatchColumn] = {}
        self.notes: list[Problem] = []

    def compile(self, *, is_whole: bool) -> Layout:
        """Make the layout, checking as much as the header shows."""
        targets = list(self._targets())
        self._check_duplicates(targets)
        for target in targets:
            self._add(target)
        if is_whole:
            self._check_usable()
        try:
            default_match = parse(self.options.match_on or "", self.operands) if is_whole else None
        except MatchError as error:
            raise ConfigError(f"--match-on: {error}") from None
        if self.options.action_flags is not None:
            self._check_flags_option(self.options.action_flags)
        return Layout(
            model=self.model,
            system=self.system,
            options=self.options,
            width=len(self.header),
            constants=tuple(text for _, text in self.options.set),
            flags=self.controls.get(_FLAGS),
            match_on=self.controls.get(_MATCH),
            key=self._key_cells(),
            fields=tuple(self.fields.values()),
            properties=tuple(self.properties.values()),
            relations=tuple(compile_relation(self.model, field, columns) for field, columns in self.references.items()),
            operands=self.operands,
            default_match=default_match,
            flag_codes=check_codes(dict(self.options.flag_map)),
            columns=self._headers(),
            notes=tuple(self.notes),
        )

    def _key_cells(self) -> KeyCells | None:
        if not self.key_positions:
            return None
        return KeyCells(self.key_names, tuple(self.key_positions[header] for header in self.key_names.headers))

    def _headers(self) -> dict[str, str]:
        headers = {column.attname: column.header for column in self.fields.values()}
        headers.update({column.name: column.header for column in self.properties.values()})
        for field, columns in self.references.items():
            if field.concrete and not field.many_to_many:
                headers[field.attname] = columns[0].header
        return headers

    def _targets(self) -> Iterable[_Target]:
        """Give each column's targets after ``--map``, then the constants (rule C2)."""
        mapped: dict[str, list[str]] = {}
        for header, target in self.options.map:
            mapped.setdefault(header.strip(), []).append(target.strip())
        dropped = {header for header, targets in mapped.items() if not any(targets)}
        self.key_names = check_key(
            self.options.external_key_column, self.header, dropped, self.options.action_flags_column
        )
        for position, header in enumerate(self.header):
            control = "" if header in dropped else self._control_of(header)
            if control:
                yield _Target(position, header, control, False, is_control=True)
            if header in mapped:
                yield from (_Target(position, header, name, True) for name in mapped[header] if name)
            elif header and not control and not header.startswith(_OURS):
                yield _Target(position, header, header, False)
        for header in mapped if self.options.contract == "any" else ():
            if header not in self.header:
                self.notes.append(Problem("column-gone", "the source has no such column; left as it is", header))
        for number, (name, _) in enumerate(self.options.set):
            yield _Target(len(self.header) + number, f"--set {name}", name, True)

    def _control_of(self, header: str) -> str:
        """Give the control column that a header is by its own name, "" if none (rule C1)."""
        if header == self.options.action_flags_column:
            return _FLAGS
        if header in self.key_names.headers:
            return _KEY
        return _MATCH if header == _MATCH else ""

    def _check_duplicates(self, targets: list[_Target]) -> None:
        """Rule C6: a name that stands twice must not be a column of the run."""
        repeated = {header for header, count in Counter(self.header).items() if header and count > 1}
        for header in sorted(repeated):
            uses = [target for target in targets if target.header == header]
            if not uses:
                continue
            if any(target.is_mapped or target.is_control or self._is_known(target.name) for target in uses):
                raise ConfigError(f"column {header!r} stands twice in the header; drop both with --map '{header}='")
            self.notes.append(Problem("duplicate-ignored", "the name stands twice; ignored", header))
            targets[:] = [target for target in targets if target.header != header]

    def _is_known(self, name: str) -> bool:
        return ARROW in name or bool(follow(self.model, name)[0]) or self._property(name)

    def _add(self, target: _Target) -> None:
        """Take in one target: a control, a reference, a field, a lookup or a property."""
        name = target.name
        if target.is_control:
            self.controls[name] = target.position
            if name == _KEY:
                self.key_positions[target.header] = target.position
            return
        is_left_out = self.only and not self.only.intersection((target.header, name))
        if is_left_out and not target.header.startswith("--set "):
            return
        if ARROW in name:
            self._add_reference(target, name)
            return
        passed, rest = follow(self.model, name)
        field = passed[0] if passed else find_relation(self.model, name) or self._by_attname(name)
        if field is None and self._property(name):
            self._claim(self.properties, name, PropertyColumn(target.position, target.header, name), target)
        elif field is None or (len(passed) > 1 and not rest):
            self._add_unknown(target)
        elif rest:
            self._add_lookup(target, name)
        elif field.is_relation and (field.concrete or field.auto_created or field.many_to_many):
            self._add_plain_relation(target, field)
        elif not field.concrete:
            self._add_unknown(target)
        else:
            self._add_field(target, field)

    def _by_attname(self, name: str) -> Any:
        return next((field for field in self.model._meta.concrete_fields if field.attname == name), None)

    def _property(self, name: str) -> bool:
        """Whether the name is an attribute with a setter that is no field (rule C3)."""
        if name.startswith("_"):  # Python's own __class__ and __dict__ have setters too
            return False
        found = inspect.getattr_static(self.model, name, None)
        if isinstance(found, property):
            return found.fset is not None
        is_descriptor = hasattr(type(found), "__set__")
        return is_descriptor and not any(name == field.name for field in self.model._meta.get_fields())

    def _claim(self, columns: dict[str, Any], name: str, column: Any, target: _Target) -> None:
        """Take in a column, once: two columns for one thing would leave it to chance which one wins."""
        if name in columns:
            raise ConfigError(
                f"columns {columns[name].header!r} and {target.header!r} both set {name}; drop one with --map 'Header='"
            )
        columns[name] = column

    def _add_field(self, target: _Target, field: Any) -> None:
        self.guard.check([field], target.header, target.name)
        if field.generated or is_stamped(field):
            filler = "the database" if field.generated else "Django (auto_now)"
            self._note("filled-by-django", f"{field.name} is filled by {filler}; ignored", target)
            return
        if is_numbered_key(field) and not target.is_mapped:
            message = f"the database numbers {field.name}; ignored (--map '{target.header}={field.name}' takes it)"
            self._note("primary-key-ignored", message, target)
            return
        convert = converter(field, self.options)
        column = FieldColumn(target.position, target.header, field.attname, convert)
        self._claim(self.fields, field.attname, column, target)
        path = Path(field.name, "exact", (field,), convert)
        for name in {target.name, field.name, field.attname}:
            self.operands[name] = MatchColumn(target.position, target.header, "", path)

    def _add_lookup(self, target: _Target, name: str) -> None:
        """A column with a lookup serves matching only (rule C3)."""
        try:
            path = compile_path(self.model, name, self.options)
        except ConfigError:
            self._add_unknown(target)
            return
        self.guard.check(path.passed, target.header, name)
        self.operands[name] = MatchColumn(target.position, target.header, "", path)

    def _add_plain_relation(self, target: _Target, field: Any) -> None:
        """A relation column without ``=>`` holds the related primary key or to_field (rule R1)."""
        self.guard.check([field], target.header, target.name)
        if is_parent_link(field) or getattr(field, "parent_link", False):
            self._note("primary-key-ignored", f"{target.name} ties the object to its parent row; ignored", target)
            return
        forward = field.concrete and not field.many_to_many
        path = field.target_field.name if forward else "pk"
        self._add_reference(target, f"{field.name if forward else target.name}{ARROW}{path}")
        if forward:
            column = MatchColumn(target.position, target.header, "", compile_path(self.model, field.name, self.options))
            self.operands.update(dict.fromkeys((target.name, field.name, field.attname), column))

    def _add_reference(self, target: _Target, name: str) -> None:
        field, column = compile_column(self.model, name, target.position, self.system, self.systems, self.options)
        column = ReferenceColumn(column.position, target.header, column.sign, column.path, column.system)
        passed = (field, *column.path.passed) if column.path else (field,)
        self.guard.check(passed, target.header, name)
        self.references.setdefault(field, []).append(column)
        relation, _, _ = split_header(name)
        related, system = field.related_model, column.system

        def key_lookup(key: str) -> Lookup:
            return Lookup(related, (), system, key)

        operand = MatchColumn(target.position, target.header, f"{field.name}__", column.path, key_lookup)
        self.operands["".join(name.split())] = operand
        self.operands[f"{relation}{ARROW}{split_header(name)[2]}"] = operand

    def _add_unknown(self, target: _Target) -> None:
        """Rule C3: ignored and said once, or an error with ``--strict`` and for a target that an option names."""
        names = [field.name for field in self.model._meta.get_fields() if not getattr(field, "hidden", False)]
        names += [name for name in dir(self.model) if self._property(name)]
        message = f"no such field on {self.model._meta.object_name}{nearest(target.name, names)}"
        if self.options.strict or target.is_mapped:
            is_renamed = target.is_mapped and not target.header.startswith("--set ")
            raise ConfigError(f"{target.header}{f' → {target.name}' if is_renamed else ''}: {message}")
        self._note("unknown-column", message, target)

    def _note(self, code: str, message: str, target: _Target) -> None:
        self.notes.append(Problem(code, message, target.header))

    def _check_usable(self) -> None:
        """Rule C6: a header needs something that a row could do, and a way to say what."""
        if not (self.fields or self.properties or self.references or self.operands or _KEY in self.controls):
            noted = {note.column for note in self.notes}
            names = ", ".join(name for name in self.header if name and name not in noted)
            notes = [f"{note.column}: {note.message}" for note in self.notes]
            found = "; ".join(filter(None, [names, *notes])) or "none"
            raise ConfigError(
                f"no column of the header is a field of {self.model._meta.label}: {found}. "
                "Is the delimiter right (--delimiter), and does the file have a header row (--header)?"
            )
        if _FLAGS not in self.controls and self.options.action_flags is None:
            column = self.options.action_flags_column
            raise ConfigError(f"no column {column!r}: say what the rows ask for, e.g. --action-flags 'cu*'")

    def _check_flags_option(self, text: str) -> None:
        try:
            decode_flags(text, {})
        except RowError as error:
            raise ConfigError(f"--action-flags {text!r}: {error}") from None


def check_model(model: type[Model]) -> None:
    """
    Refuse models whose objects cannot be written (rule C6).

    Raises:
        ConfigError: The model is abstract, swapped out, or has a composite primary key.
    """
    meta = model._meta
    if meta.abstract:
        raise ConfigError(f"{meta.label} is abstract; name a model that extends it")
    if meta.swapped:
        raise ConfigError(f"{meta.label} is swapped out for {meta.swapped}; name that one")
    if not concrete_model(model)._meta.pk.concrete or not getattr(meta.pk, "column", None):
        raise ConfigError(f"{meta.label} has a composite primary key; mappings need a single one")
