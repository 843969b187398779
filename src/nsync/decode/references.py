"""Reference columns ``relation=>path``: compiled once per file; and read, row by row (rules R1 to R3)."""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from django.db.models import Model

from nsync.actions import EMPTY, Lookup, Reference, Relation
from nsync.decode.conditions import condition, read_key, read_text, shown
from nsync.decode.paths import Path, compile_path
from nsync.errors import ConfigError
from nsync.fields import concrete_model, fills_itself, has_db_default, is_parent_link, is_text
from nsync.options import SyncOptions
from nsync.rows import MISSING

ARROW = "=>"
_SIGNS = "+-="
_KEY = "external_key"

RelationKind = Literal["forward", "reverse", "reverse_one", "many"]


class ReferenceColumn(NamedTuple):
    """One column of a relation."""

    position: int
    header: str
    sign: str
    path: Path | None  # None: the column holds a key of `system`
    system: str


class RelationColumns(NamedTuple):
    """All columns of one relation."""

    relation: Relation
    columns: tuple[ReferenceColumn, ...]

    @property
    def sign(self) -> str:
        """The sign that they share; "" where the relation takes none."""
        return self.columns[0].sign


def find_relation(model: type[Model], name: str) -> Any:
    """Give the field or reverse relation of a name: field, attribute, query name or accessor; None if none."""
    for field in (*model._meta.concrete_fields, *model._meta.many_to_many):
        if field.is_relation and name in (field.name, field.attname):
            return field
    for related in model._meta.related_objects:
        if not related.hidden and name in (related.name, related.get_accessor_name()):
            return related
    return None


def split_header(header: str) -> tuple[str, str, str]:
    """Split ``tags=>+name`` into relation, sign and path; the sign is "" if there is none."""
    name, _, path = header.partition(ARROW)
    path = path.strip()
    sign = path[:1] if path[:1] and path[:1] in _SIGNS else ""
    return name.strip(), sign, path[len(sign) :].strip()


def compile_column(
    model: type[Model], header: str, position: int, system: str, systems: Collection[str], options: SyncOptions
) -> tuple[Any, ReferenceColumn]:
    """
    Check one ``relation=>path`` column.

    Args:
        model: On whose objects the rows act.
        header: The column, ``relation=>path``.
        position: Its number in the row.
        system: Whose keys ``relation=>external_key`` means.
        options: What the run was asked to do.
        systems: Names of the systems that exist, for ``relation=>external_key@ERP``.

    Returns:
        The relation's field (or reverse relation), and the column.

    Raises:
        ConfigError: ``bad-reference``: no such relation or path, or one that nsync cannot follow.
    """
    name, sign, path = split_header(header)
    field = find_relation(model, name)
    if field is None:
        raise _bad(header, f"{model._meta.label} has no relation {name!r}")
    _check_relation(header, field)
    if field.many_to_many and not sign:
        raise _bad(header, f"{name} is many-to-many: write {name}=>+{path} to add, - to remove, = to set exactly these")
    if sign and not field.many_to_many:
        raise _bad(header, f"{name} is not many-to-many; write {name}=>{path} without the {sign}")
    related = field.related_model
    key, at, other = path.partition("@")
    if key == _KEY and (at or not any(field.name == _KEY for field in related._meta.concrete_fields)):
        if at and other != system and other not in systems:
            known = ", ".join(sorted(systems)) or "none"
            raise _bad(header, f"there is no external system {other!r}; there are {known}")
        return field, ReferenceColumn(position, header, sign, None, other if at else system)
    if not path:
        raise _bad(header, f"name a field of {related._meta.label} after {ARROW}")
    try:
        compiled = compile_path(related, path, options)
    except ConfigError as error:
        raise _bad(header, str(error)) from None
    return field, ReferenceColumn(position, header, sign, compiled, "")


def _check_relation(header: str, field: Any) -> None:
    """Refuse the relations that a row cannot set (rule R3)."""
    if is_parent_link(field) or getattr(field, "parent_link", False):
        raise _bad(header, "it ties a child to its parent row; sync the child model instead")
    if field.many_to_many:
        own = _many_field(field)
        through = own.remote_field.through
        ends = (own.m2m_field_name(), own.m2m_reverse_field_name())
        required = [
            other.name for other in through._meta.concrete_fields if other.name not in ends and _is_needed(other)
        ]
        if required:
            raise _bad(header, f"{through._meta.label} needs {', '.join(required)} too; sync that model itself")


def _is_needed(field: Any) -> bool:
    """Whether a row cannot be made without a value for the field."""
    is_filled = field.null or field.has_default() or has_db_default(field) or field.primary_key or field.generated
    return not (is_filled or fills_itself(field) or is_text(field))


def _bad(header: str, reason: str) -> ConfigError:
    return ConfigError(f"bad-reference: column {header!r}: {reason}")


def _many_field(field: Any) -> Any:
    """Give the ManyToManyField, from either of its sides."""
    return field.field if field.auto_created else field


def compile_relation(model: type[Model], field: Any, columns: Sequence[ReferenceColumn]) -> RelationColumns:
    """
    Put the columns of one relation together.

    Raises:
        ConfigError: ``bad-reference``: different signs on one many-to-many relation.
    """
    if len({column.sign for column in columns}) > 1:
        raise _bad(columns[-1].header, "the columns of one many-to-many relation need the same sign")
    through: dict[str, Any] = {}
    kind: RelationKind
    if field.many_to_many:
        kind, own = "many", _many_field(field)
        accessor = field.get_accessor_name() if field.auto_created else field.name
        names = (own.m2m_field_name(), own.m2m_reverse_field_name())
        source, target = reversed(names) if field.auto_created else names
        through = {"through": own.remote_field.through, "through_source": source, "through_target": target}
    elif field.concrete:
        kind, own, accessor = "forward", field, field.name
    else:
        kind, own, accessor = "reverse_one" if field.one_to_one else "reverse", field.field, field.get_accessor_name()
    relation = Relation(
        name=accessor,
        kind=kind,
        model=concrete_model(model),
        related_model=field.related_model,
        field=own,
        accessor=accessor,
        columns=tuple(column.header for column in columns),
        **through,
    )
    return RelationColumns(relation, tuple(columns))


def read_reference(
    group: RelationColumns, cells: Sequence[object], nulls: Collection[int], separator: str
) -> Reference | None:
    """
    Read what a row says of one relation.

    Args:
        group: The relation and its columns.
        cells: The cells of the row.
        nulls: Positions of the cells that hold the null marker (rule C5).
        separator: Between the values of a list (rule R3).

    Returns:
        The reference; None if all cells are empty or absent (rule R1).

    Raises:
        RowError: A cell does not convert.
    """
    filled = [column for column in group.columns if cells[column.position] not in (MISSING, "", None)]
    is_list = group.relation.kind == "many" and len(group.columns) == 1 and filled
    rows = [[cells[column.position] for column in filled]] if filled else []
    if is_list:
        rows = [[part] for part in read_text(rows[0][0], filled[0].header).split(separator) if part.strip()]
    lookups = [lookup for row in rows if (lookup := _lookup(group.relation, filled, row)) is not None]
    if lookups:
        text = ", ".join(shown(cells[column.position]) for column in filled)
        return Reference(group.relation, group.sign, tuple(dict.fromkeys(lookups)), text)
    is_cleared = not filled and any(column.position in nulls for column in group.columns)
    return Reference(group.relation, group.sign, (), "") if is_cleared else None


def _lookup(relation: Relation, columns: Sequence[ReferenceColumn], cells: Sequence[object]) -> Lookup | None:
    """Give the one object that these cells mean; None if they turn out empty (blanks for a number)."""
    conditions = []
    system = key = ""
    for column, cell in zip(columns, cells, strict=True):
        if column.path is None:
            system, key = column.system, read_key(cell, column.header)
            continue
        found = condition(column.path, "", cell, column.header)
        if found.value is not EMPTY:
            conditions.append(found)
    if not conditions and not key:
        return None
    return Lookup(relation.related_model, tuple(conditions), system if key else "", key)
