"""Which value a column gets: on create for every column, on update for those that change (A1, A3, V3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import NoneType
from typing import TYPE_CHECKING, Any

from nsync.actions import EMPTY, Action
from nsync.changes import New, ObjectId
from nsync.equality import same
from nsync.errors import Problem, RowError
from nsync.fields import (
    concrete_model,
    empty_text,
    field_of,
    fills_itself,
    has_db_default,
    holds_null,
    is_empty,
    is_numbered_key,
    is_parent_link,
    is_text,
)
from nsync.plan.rowplan import LEAVE, RowPlan
from nsync.plan.touched import Barrier

if TYPE_CHECKING:
    from django.db.models import Model


_ATOMS = frozenset({str, int, float, bool, NoneType})  # two of these that are equal are the same value in any field


def new_values(action: Action, references: Mapping[str, object]) -> dict[str, object]:
    """
    Give the columns of a new object: attname → value (rules A1, V3).

    Columns that the database or the field itself fills (numbered keys, ``db_default``, ``auto_now``,
    generated columns) are left out. References come resolved, by attname.

    Raises:
        RowError: ``required``, with one problem per column that has no value.
    """
    after: dict[str, object] = {}
    problems = []
    given = {**action.values, **references}
    for field, attname, absent, fills_without_us in _columns(concrete_model(action.model)):
        value = given.get(attname, LEAVE)
        if value is EMPTY:
            value = _empty_value(field)
        elif value is LEAVE:
            value = absent()
        if value is not LEAVE:
            after[attname] = value
        elif not fills_without_us:
            problems.append(_required(action, field))
    if problems:
        raise RowError(*problems)
    return after


@cache
def _columns(model: type[Model]) -> list[tuple[Any, str, Callable[[], object], bool]]:
    """Give the columns that a new object may get: field, attname, what an absent cell gives, who fills it else."""
    return [
        (field, field.attname, _absent(field), _fills_without_us(field))
        for field in model._meta.concrete_fields
        if not field.generated and not is_parent_link(field)
    ]


@cache
def absent_columns(model: type[Model]) -> Mapping[str, Callable[[], object] | None]:
    """
    Say what the columns of a new object get of which a row says nothing (rule V3).

    Returns:
        attname → what gives the value; that may be LEAVE, where the database or the field itself fills the column.
        None instead: there is nothing to give, and the row fails.
    """
    found: dict[str, Callable[[], object] | None] = {}
    for field, attname, absent, fills_without_us in _columns(model):
        is_required = not fills_without_us and not field.has_default() and absent() is LEAVE
        found[attname] = None if is_required else absent
    return found


def _empty_value(field: Any) -> object:
    """Rule V3, an empty cell on create."""
    if holds_null(field):
        return None
    if is_text(field) and not field.primary_key:
        return empty_text(field)
    return field.get_default() if field.has_default() else LEAVE


def _absent(field: Any) -> Callable[[], object]:
    """Rule V3, an absent column or cell on create: give what gives its value."""
    if _fills_without_us(field):
        return partial(_given, LEAVE)
    if field.has_default():
        get_default: Callable[[], object] = field.get_default
        return get_default
    return partial(_given, _empty_value(field))


def _given(value: object) -> object:
    return value


def _fills_without_us(field: Any) -> bool:
    return is_numbered_key(field) or has_db_default(field) or fills_itself(field)


def _required(action: Action, field: Any) -> Problem:
    column = action.columns.get(field.attname, field.name)
    cure = "fill the cell" if field.attname in action.columns else "add the column"
    if not field.unique:  # else the second row would fail
        cure += f", or give --set {field.name}=…"
    return Problem("required", f"{field.name} needs a value, and has no default; {cure}", column)


def changed_values(
    plan: RowPlan, action: Action, target: ObjectId, stored: Mapping[str, object], *, force: bool
) -> dict[str, object]:
    """
    Give the columns that an update writes: attname → value (rules A3, A7, C3, V3).

    Raises:
        RowError: ``primary-key``.
    """
    after = {}
    for attname, new in action.values.items():
        old = stored.get(attname)
        if type(new) in _ATOMS and type(old) is type(new) and old == new:
            continue  # as most values of most rows
        if new is EMPTY and old is None and attname in stored:
            continue  # and most empty cells
        value = _changed_value(plan, action, target, attname, new, old, force)
        if value is not LEAVE:
            after[attname] = value
    return after


def _changed_value(
    plan: RowPlan, action: Action, target: ObjectId, attname: str, new: object, old: object, force: bool
) -> object:
    """Give the value that an update writes into a column, or LEAVE (rules A3, A7, C3, V3)."""
    if not force and (new is EMPTY or not is_empty(old)):
        return LEAVE
    if isinstance(old, New):
        raise Barrier  # only the database knows the number
    field = field_of(target.model, attname)
    column = action.columns.get(attname, attname)
    if new is EMPTY:
        if not holds_null(field) and not is_text(field):
            plan.warn("empty-kept", f"{field.name} cannot be empty; its value stays", column)
            return LEAVE
        new = None if holds_null(field) else empty_text(field)
    if same(field, old, new):
        return LEAVE
    if field.primary_key:
        raise primary_key_error(field, old, column, str(new))
    return new


def primary_key_error(field: Any, old: object, column: str, text: str) -> RowError:
    """Give the error of a row that would change a primary key (rule C3)."""
    message = f"the object has {field.name} {old!r}; a primary key is never changed"
    return RowError(Problem("primary-key", message, column, text))


def changed_properties(plan: RowPlan, action: Action, stored: Mapping[str, object], force: bool) -> dict[str, str]:
    """Give the property columns that an update sets, name → text (rule V6)."""
    if plan.inserted is not None or plan.circumstances.was_created:
        return {}  # set when the object was made, and once per row is enough
    changed = {}
    for name, text in action.properties.items():
        current = stored.get(name)  # the getter's text; None without a getter
        differs = bool(text) if is_empty(current) else force and current != text
        if differs:
            changed[name] = text
    return changed
