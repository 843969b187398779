"""
Who holds what: the keys of each system and what they mean; and what deletions leave, by the rules, row by row.

What goes with an object Django is asked, by having it deleted; nothing here asks nsync.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, ProtectedError, RestrictedError

from nsync.models import ExternalKeyMapping, ExternalSystem
from tests.agreeing import File, _model, _undone
from tests.plan.known import table
from tests.strategies import KEYS, Kind, Sheet, World
from tests.undoing import Tables, differences, tables

_NAMES, _IDS, _TOWNS = ("A", "B"), ("1", "2", "3"), ("M", "N")
_PERSON = {"first_name": _NAMES, "employee_id": (*_IDS, ""), "last_name": ("", "x", "y")}
# Whose objects go with a person: houses and their rooms, the passport, the employee; a contract forbids that it goes.
HELD = World(
    {
        "Tag": Kind({"name": ("t", "u")}, most=2),
        "Person": Kind({"first_name": _NAMES, "employee_id": (None, *_IDS)}, least=1, several={"tags": "Tag"}),
        "Employee": Kind({"first_name": _NAMES, "staff_number": _IDS}, most=1),
        "House": Kind({"address": _TOWNS}, least=1, required={"owner": "Person"}),
        "Room": Kind({"name": _NAMES}, most=2, least=1, required={"house": "House"}),
        "Passport": Kind({"number": ("P", "Q")}, most=1, references={"person": "Person"}),
        "Contract": Kind({"title": ("T", "U")}, most=1, required={"person": "Person"}),
        "Node": Kind({"name": _NAMES, "code": _IDS}, references={"parent": "Node"}),
    },
    {
        "Tag": Sheet({"name": ("t", "u"), "persons=>+employee_id": ("1", "1|2", "")}, ("name", ""), (), ("name",)),
        "Person": Sheet(
            {
                **_PERSON,
                "manager=>external_key": (*KEYS, ""),
                "passport=>number": ("P", "Q", ""),
                "tags=>+name": ("t", "t|u", ""),
                "tags=>=name": ("t", "u", ""),
            },
            matches=("employee_id", "employee_id", "first_name", ""),
            rivals=(("tags=>+name", "tags=>=name"),),
            often=("first_name", "employee_id"),
        ),
        "Employee": Sheet(
            {**_PERSON, "staff_number": _IDS, "houses=>address": (*_TOWNS, "")},
            matches=("staff_number", "employee_id", ""),
            often=("first_name", "staff_number"),
        ),
        "House": Sheet(
            {"address": _TOWNS, "floors": ("1", ""), "owner=>employee_id": (*_IDS, ""), "owner=>external_key": KEYS},
            matches=("address", "address", ""),
            rivals=(("owner=>employee_id", "owner=>external_key"),),
            often=("address", "owner=>employee_id"),
        ),
        "Room": Sheet(
            {"name": _NAMES, "house=>address": (*_TOWNS, ""), "house=>external_key": KEYS},
            matches=("name", "name house=>address", ""),
            rivals=(("house=>address", "house=>external_key"),),
            often=("name", "house=>address"),
        ),
        "Passport": Sheet({"number": ("P", "Q"), "person=>employee_id": (*_IDS, "")}, ("number", ""), (), ("number",)),
        "Contract": Sheet(
            {"title": ("T", "U"), "person=>employee_id": (*_IDS, "")},
            matches=("title", ""),
            often=("title", "person=>employee_id"),
        ),
        "Node": Sheet(
            {"name": _NAMES, "code": _IDS, "parent=>code": (*_IDS, ""), "parent=>external_key": KEYS},
            matches=("code", "code", "name", ""),
            rivals=(("parent=>code", "parent=>external_key"),),
            often=("name", "code"),
        ),
    },
)
# Column → what a file that deletes or displaces matches by.
MATCHED = {
    "Tag": "name",
    "Person": "employee_id",
    "Employee": "staff_number",
    "House": "address",
    "Room": "name",
    "Passport": "number",
    "Contract": "title",
    "Node": "code",
}

Object = tuple[str, str]  # label of the model of the table, primary key as text
_MAPPING, _SYSTEM = ExternalKeyMapping._meta.label, ExternalSystem._meta.label
_FAMILIES = ({"Person", "Employee"},)  # a key of one of them means the objects of the others too
_STAMPS = frozenset({"modified"})


class Key(NamedTuple):
    """What one system calls one object of a model."""

    system: str
    model: str
    key: str


class Sight(NamedTuple):
    """What there is, and what the keys mean."""

    tables: Tables
    keys: dict[Key, Object]

    @property
    def objects(self) -> set[Object]:
        """Give all objects, those between others too."""
        own = (label for label in self.tables if label not in (_MAPPING, _SYSTEM))
        return {(label, str(pk)) for label in own for pk in self.tables[label]}

    @property
    def stale(self) -> set[Key]:
        """Give the keys whose objects are gone."""
        objects = self.objects
        return {key for key, target in self.keys.items() if target not in objects}

    def difference(self, other: Sight) -> str:
        """Say what another sight has otherwise, but for columns that fill themselves and what numbers a mapping."""
        wrong = differences(_plain(self.tables), _plain(other.tables)).splitlines()
        for key in sorted({*self.keys, *other.keys}):
            if self.keys.get(key) != other.keys.get(key):
                wrong.append(f"{key}: wanted {self.keys.get(key)}, found {other.keys.get(key)}")
        return "\n".join(wrong)


def _plain(found: Tables) -> Tables:
    return {
        label: {pk: {name: value for name, value in row.items() if name not in _STAMPS} for pk, row in rows.items()}
        for label, rows in found.items()
        if label not in (_MAPPING, _SYSTEM)
    }


def look() -> Sight:
    """Read the tables and the keys."""
    found = tables(HELD.models)
    systems = {pk: row["name"] for pk, row in found[_SYSTEM].items()}
    keys = {}
    for row in found[_MAPPING].values():
        model: Any = ContentType.objects.get_for_id(row["content_type_id"]).model_class()
        key = Key(systems[row["external_system_id"]], model.__name__, row["external_key"])
        assert key not in keys, f"{key} stands twice"
        keys[key] = (model._meta.label, row["object_id"])
    return Sight(found, keys)


class Ask(NamedTuple):
    """One row that deletes."""

    key: str
    match: str | None  # value of the column that is matched; None: the row names no match


class Deletes(NamedTuple):
    """A file whose rows all delete."""

    system: str
    model: str
    asks: tuple[Ask, ...]
    is_forced: bool

    @property
    def file(self) -> File:
        """Give it as a run takes it."""
        flags, column = "d*" if self.is_forced else "d", MATCHED[self.model]
        rows = [(ask.key, flags, "" if ask.match is None else column, ask.match or "") for ask in self.asks]
        header = ("external_key", "action_flags", "match_on", column)
        return File(self.model, table(header, *rows), self.system)


def foresee_deletes(file: Deletes) -> tuple[list[str], Sight]:
    """Give the outcome of each row and what is left, by the rules A5 and A6."""
    with _undone():
        outcomes = [_delete(file, ask) for ask in file.asks]
        return outcomes, look()


def _delete(file: Deletes, ask: Ask) -> str:
    try:
        with transaction.atomic():
            return (_delete_forced if file.is_forced else _delete_unforced)(file, ask)
    except (ProtectedError, RestrictedError):
        return "failed"


def _delete_forced(file: Deletes, ask: Ask) -> str:
    mapping, target = _linked(file.system, file.model, ask.key)
    if target is None:
        if mapping is None and (ask.match == "" or (ask.match is None and not ask.key)):
            return "failed"
        found = _matching(file.model, ask.match)
        if mapping is not None:
            mapping.delete()
        if len(found) != 1:
            return "released" if mapping is not None else "ambiguous" if found else "unmatched"
        target = found[0]
    _remove(target)
    return "deleted"


def _delete_unforced(file: Deletes, ask: Ask) -> str:
    if not ask.key:
        return "ignored" if ask.match else "failed"
    mapping, target = _linked(file.system, file.model, ask.key)
    if mapping is None:
        return "unmatched"
    if target is None or (ask.match and _matching(file.model, ask.match) != [target]):
        mapping.delete()
        return "released"
    if any(other.pk != mapping.pk for other in _mappings_of(target)) or _is_held_by_others(file.system, target):
        mapping.delete()
        return "released"
    _remove(target)
    return "deleted"


def _is_held_by_others(system: str, target: Model) -> bool:
    """Whether another system has a key of something that would go along; nothing would, if Django refuses."""
    keys = look().keys
    try:
        gone = would_go(target)
    except (ProtectedError, RestrictedError):
        return False
    return any(key.system != system and known in gone for key, known in keys.items())


def foresee_displacing(key: Key, value: str) -> tuple[str, int, Sight]:
    """Give the outcome of a forced update of one column, which is matched too; what it displaces; what is left (A4)."""
    with _undone():
        try:
            with transaction.atomic():
                outcome, displaced = _displace(key, value)
        except (ProtectedError, RestrictedError):
            outcome, displaced = "failed", 0
        return outcome, displaced, look()


def _displace(key: Key, value: str) -> tuple[str, int]:
    _, target = _linked(*key)
    assert target is not None
    column = MATCHED[key.model]
    if getattr(target, column) == value:
        return "unchanged", 0
    found = _matching(key.model, value)
    displaced = 0
    if len(found) == 1:
        held = any(mapping.external_system.name == key.system for mapping in _mappings_of(found[0]))
        if held and target._meta.get_field(column).unique:
            return "failed", 0
        if not held:
            if _object(target) in would_go(found[0]):
                return "failed", 0
            for mapping in _mappings_of(found[0]):
                kind: Any = mapping.content_type.model_class()
                if isinstance(target, kind):
                    mapping.object_id = str(target.pk)
                    mapping.save()
            _remove(found[0])
            displaced = 1
    type(target)._base_manager.filter(pk=target.pk).update(**{column: value})
    return "updated", displaced


def would_go(target: Model) -> set[Object]:
    """Ask Django what goes with an object; raises ProtectedError, RestrictedError."""
    before = look().objects
    with _undone():
        _again(target).delete()
        return before - look().objects


def _remove(target: Model) -> None:
    """Delete an object, and the keys of all that goes along (rule A8)."""
    before = look().objects
    _again(target).delete()
    gone = before - look().objects
    for mapping in ExternalKeyMapping.objects.select_related("content_type"):
        model: Any = mapping.content_type.model_class()
        if (model._meta.label, mapping.object_id) in gone:
            mapping.delete()


def _again(target: Model) -> Model:
    """Read an object again: one that was deleted forgets its primary key."""
    found: Model = type(target)._base_manager.get(pk=target.pk)
    return found


def _object(target: Model) -> Object:
    return target._meta.label, str(target.pk)


def _linked(system: str, model: str, key: str) -> tuple[ExternalKeyMapping | None, Model | None]:
    """Give the mapping of a key, and its object unless that is gone."""
    if not key:
        return None, None
    content_type = ContentType.objects.get_for_model(_model(model))
    mappings = ExternalKeyMapping.objects.filter(external_system__name=system, content_type=content_type)
    mapping = next((one for one in mappings if one.external_key == key), None)
    target = None if mapping is None else _model(model)._base_manager.filter(pk=mapping.object_id).first()
    return mapping, target


def _matching(model: str, value: str | None) -> list[Any]:
    return list(_model(model)._base_manager.filter(**{MATCHED[model]: value})) if value else []


def _mappings_of(target: Model) -> list[ExternalKeyMapping]:
    """Give the mappings of an object, and of its parent and child rows by inheritance."""
    name = type(target).__name__
    names = next((family for family in _FAMILIES if name in family), {name})
    types = ContentType.objects.get_for_models(*map(_model, names)).values()
    found = ExternalKeyMapping.objects.filter(content_type__in=types, object_id=str(target.pk))
    return list(found.select_related("external_system", "content_type"))
