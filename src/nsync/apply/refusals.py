"""What a database error means for the row: its code, the column, and who is in the way."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import CheckConstraint, Model, ProtectedError, Q, RestrictedError, UniqueConstraint

from nsync.apply.base import Changed
from nsync.changes import Change, ChangeKind, New
from nsync.errors import NsyncError, Problem, RowError, TransientError
from nsync.fields import field_of
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping

logger = logging.getLogger(__name__)

# PostgreSQL: SQLSTATE (appendix A of its manual); MariaDB and MySQL: error numbers (error reference);
# SQLite: the beginning of the message (sqlite3_errstr and the text that the library adds).
_CODES = {
    "unique": ("23505", 1062, "UNIQUE constraint failed"),
    "foreign-key": ("23503", 1216, 1217, 1451, 1452, "FOREIGN KEY constraint failed"),
    "required": ("23502", 1048, 1364, "NOT NULL constraint failed"),
    "check": ("23514", 3819, 4025, "CHECK constraint failed"),
}
_CURES = {
    "unique": "a unique constraint refuses it",
    "foreign-key": "a foreign key refuses it: something refers to this object, or what it refers to is gone",
    "required": "a column that cannot be NULL has no value",
    "check": "a check constraint refuses it",
}


def refusal(error: DatabaseError | InterfaceError, change: Change | None, identities: Identities) -> NsyncError:
    """
    Give the error that tells the user what a database error means.

    Args:
        error: What the database said. Its savepoint has been rolled back.
        change: What was being written.
        identities: Knows the database.

    Returns:
        A `RowError` (``unique``, ``check``, ``foreign-key``, ``required``, ``protected``, ``refused``), or a
        `TransientError` if the same row may succeed later.

    Queries: for ``unique``, one per unique constraint of the model, to name the holder.
    """
    if isinstance(error, (ProtectedError, RestrictedError)):
        return RowError(Problem("protected", str(error.args[0])))
    code = _code(error)
    if not code and isinstance(error, (OperationalError, InterfaceError)):
        return gave_up(error)
    if code == "unique" and change is not None and change.kind in (ChangeKind.INSERT, ChangeKind.UPDATE):
        held = _held(change, identities)
        if held is not None:
            return RowError(held)
    if not code:
        what = "a value does not fit its column" if isinstance(error, DataError) else "the database refuses it"
        return RowError(Problem("refused", f"{what}: {_text(error)}"))
    broken = _broken_check(_text(error), change) if code == "check" and change is not None else ""
    return RowError(Problem(code, broken or f"{_CURES[code]}: {_text(error)}"))


def gave_up(error: BaseException, tried: int = 1) -> TransientError:
    """Say that the database gave up, how often it was tried, and what helps."""
    times = f", {tried} times" if tried > 1 else ""
    cure = lock_cure(error) or "run again"
    return TransientError(f"the database gave up{times}: {_text(error)}; nothing of this transaction was kept; {cure}")


@contextmanager
def all_or_nothing(identities: Identities) -> Iterator[None]:
    """
    Write many rows in a savepoint; whose row is refused shows when they are written singly.

    Raises:
        RowError, TransientError: As `refusal`; also if a field of the project's own raises. Nothing was written.

    Queries: two.
    """
    try:
        with transaction.atomic(using=identities.using):
            yield
    except (NsyncError, Changed):
        raise
    except (DatabaseError, InterfaceError) as error:
        raise refusal(error, None, identities) from error
    except Exception as error:
        logger.debug("refused by the model's own code", exc_info=True)
        raise RowError(Problem("refused", f"the model's own code refuses it: {error}")) from error


def lock_cure(error: BaseException) -> str:
    """Say what helps against a lock that somebody else holds; "" if the error is about something else."""
    if not re.search("lock", str(error), re.IGNORECASE):
        return ""
    return (
        "another process is writing; run again when it is done "
        "(on SQLite the option transaction_mode IMMEDIATE makes writers wait)"
    )


def _broken_check(text: str, change: Change) -> str:
    """Name the check constraint that the text names, and the values that it is about; "" if the models have none."""
    model = change.target.model
    values = {**change.stored, **change.after}
    for owner in (model, *model._meta.get_parent_list()):
        for constraint in owner._meta.constraints:
            is_named = re.search(rf"(?<!\w){re.escape(constraint.name)}(?!\w)", text)
            if not isinstance(constraint, CheckConstraint) or not is_named:
                continue
            given = [
                f"{name} {values[attname]!r}" for name, attname in _checked(constraint, owner) if attname in values
            ]
            return f"check {constraint.name} refuses it{': ' if given else ''}{', '.join(given)}"
    return ""


def _checked(constraint: CheckConstraint, model: type[Model]) -> Iterable[tuple[str, str]]:
    """Give name and attname of the fields that a check is about."""
    names = getattr(constraint.condition, "referenced_base_fields", ())
    return [
        (field.name, field.attname)
        for field in model._meta.concrete_fields
        if field.name in names or field.attname in names
    ]


def _text(error: BaseException) -> str:
    return " ".join(str(error).split())


def _code(error: DatabaseError | InterfaceError) -> str:
    """Classify by what the driver says; "" if it is none of the constraint errors."""
    cause = error.__cause__
    sqlstate = getattr(cause, "sqlstate", None)
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    text = str(error)
    for code, marks in _CODES.items():
        if sqlstate in marks or number in marks or text.startswith(tuple(str(mark) for mark in marks[-1:])):
            return code
    return "foreign-key" if isinstance(error, IntegrityError) and "foreign key" in text.lower() else ""


def _held(change: Change, identities: Identities) -> Problem | None:
    """Name the object that has a unique value already, and its key (rule A4)."""
    model = change.target.model
    values = {**change.stored, **change.after}
    for owner, names in _unique_sets(model):
        wanted = {name: values.get(name) for name in names}
        if any(value is None or isinstance(value, New) for value in wanted.values()):
            continue
        rows = owner._base_manager.using(identities.using).filter(**wanted)
        if not isinstance(change.target.pk, New):
            rows = rows.exclude(pk=change.target.pk)
        holder = rows.values_list("pk", flat=True).first()
        if holder is not None:
            return _problem(owner, {owner, model}, wanted, holder, identities)
    return None


def _problem(
    model: type[Model],
    family: Iterable[type[Model]],
    wanted: Mapping[str, object],
    holder: object,
    identities: Identities,
) -> Problem:
    """Name the holder by the model whose table has the constraint, and by a key of whichever model of the family."""
    mapping = (
        ExternalKeyMapping._base_manager.using(identities.using)
        .filter(content_type__in=[identities.content_type(other) for other in family], object_id=str(holder))
        .values_list("external_system__name", "external_key")
        .first()
    )
    key = f", key {mapping[1]!r} of {mapping[0]}" if mapping else ""
    fields = " and ".join(f"{field_of(model, name).name} {value!r}" for name, value in wanted.items())
    message = f"{model._meta.verbose_name} {holder}{key} has {fields} already; change one of the two"
    first, value = next(iter(wanted.items()))
    return Problem("unique", message, first, str(value))


def _unique_sets(model: type[Model]) -> Iterable[tuple[type[Model], tuple[str, ...]]]:
    """Give the sets of columns that are unique together, by attname, each with the model whose table has them."""
    for owner in (model, *model._meta.get_parent_list()):
        yield from ((owner, (field.attname,)) for field in owner._meta.local_concrete_fields if field.unique)
        groups = [tuple(group) for group in owner._meta.unique_together]
        groups += [
            tuple(constraint.fields)
            for constraint in owner._meta.constraints
            if isinstance(constraint, UniqueConstraint) and constraint.fields and constraint.condition in (None, Q())
        ]
        for group in groups:
            fields: list[Any] = [owner._meta.get_field(name) for name in group]
            yield owner, tuple(field.attname for field in fields)
