"""More worlds: one model each, or a few, for what is peculiar about their tables, keys, types or code."""

from __future__ import annotations

from tests.crowded_worlds import CROWDED
from tests.pictures import EXPLICIT_UUIDS
from tests.strategies import KEYS, NULL, Kind, Sheet, World
from tests.worlds import COMPANIES, HOUSES, IDS, NAMES, PEOPLE, PERSONS, TAGS, TOWNS

_CODES = ("1", "2", "3", "4")
_TREES = ("oak", "elm", "ash")
_LISTS = ("oak", "elm", "oak|elm", "elm|ash", "", "fir", NULL)
_UNITS = ("X", "Y", "Z")

NODES = World(
    {"Node": Kind({"name": NAMES, "code": _CODES}, most=4, references={"parent": "Node"})},
    {
        "Node": Sheet(
            {
                "name": (*NAMES, ""),
                "code": (*_CODES, *_CODES, ""),
                "parent=>code": (*_CODES, "", NULL),
                "parent=>name": NAMES,
                "parent=>external_key": (*KEYS, "k9", ""),
                "parent=>parent__code": _CODES,
                "children=>code": (*_CODES, ""),
                "children=>external_key": (*KEYS, ""),
                "code__gt": ("1", "2"),
            },
            matches=(
                "code",
                "code",
                "name",
                "parent=>code",
                "parent=>code name",
                "parent=>external_key",
                "children=>code",
                "code name |",
                "code__gt name",
                "code ~",
                "",
            ),
            often=("name", "code"),
        )
    },
)

STOCK = World(
    {
        "Stock": Kind(
            {
                "shelf": ("s", "t"),
                "article": ("a", "b"),
                "quantity": (0, 1),
                "label": ("", "L", "M"),
                "in_use": (True, False),
            },
            most=4,
        )
    },
    {
        "Stock": Sheet(
            {
                "shelf": ("s", "t", "r"),
                "article": ("a", "b", "c"),
                "quantity": ("0", "1", "2", "-1", "x", ""),
                "label": ("", "L", "M", "K", NULL),
                "in_use": ("yes", "no", "yes", "no", "maybe"),
            },
            matches=("shelf article", "shelf article", "label", "label in_use", "shelf", "article shelf |", ""),
            often=("shelf", "article"),
        )
    },
)

TREES = World(
    {"Tree": Kind({"name": (*_TREES, "fir")}, most=4)},
    {
        "Tree": Sheet(
            {
                "name": _TREES,
                "neighbours=>+name": _LISTS,
                "neighbours=>-name": _LISTS,
                "neighbours=>=name": _LISTS,
                "neighbours=>+external_key": ("k1", "k2", "k1|k3", ""),
                "seedlings=>+name": _LISTS,
                "seedlings=>-name": _LISTS,
                "seedlings=>=name": _LISTS,
                "parents=>+name": _LISTS,
                "parents=>-name": _LISTS,
                "parents=>=name": _LISTS,
            },
            matches=("name", "name", "name", ""),
            rivals=(
                ("neighbours=>+name", "neighbours=>-name", "neighbours=>=name", "neighbours=>+external_key"),
                ("seedlings=>+name", "seedlings=>-name", "seedlings=>=name"),
                ("parents=>+name", "parents=>-name", "parents=>=name"),
            ),
            often=("name",),
        )
    },
)

MONEY = World(
    {
        "Currency": Kind({"code": ("EUR", "USD"), "name": ("", "X")}, most=2),
        "Product": Kind(
            {
                "sku": _CODES,
                "name": ("", *_UNITS),
                "price": (None, "1.50"),
                "metadata": ({}, {"a": 1}, None),
                "notes": (None, "", "n"),
            }
        ),
        "Price": Kind({"amount": (1, 2)}, required={"currency": "Currency", "product": "Product"}),
        "Asset": Kind({"name": _UNITS}, references={"parent": "Asset"}),
    },
    {
        "Currency": Sheet(
            {"code": ("EUR", "USD", "GBP", "eur"), "name": ("", "X", "Y")}, ("code", "name", ""), (), ("code",)
        ),
        "Product": Sheet(
            {
                "sku": (*_CODES, *_CODES, "7"),
                "name": ("", *_UNITS),
                "price": ("", "1.5", "1.50", "2.25", "x"),
                "status": ("", "draft", "On sale", "none"),
                "priority": ("1", "High", ""),
                "metadata": ("", "{}", '{"a": 1}', '{"a": 1.0}', '{"b": [1, null, true]}', "[]", "null", "no"),
                "notes": ("", "n", "two words", NULL),
                "weight": ("", "0.1", "1e3", "3"),
                "released": ("", "2024-01-01T10:00Z", "2024-01-01T11:00+01:00", "2024-06-01"),
                "opens": ("", "10:00", "10:00:00.5"),
                "duration": ("", "1 02:03:04", "00:00:01"),
                "ref": ("", *EXPLICIT_UUIDS),
                "quantity": ("", "0", "7", "70000"),
                "big": ("", "9223372036854775807", "9223372036854775808"),
                "is_public": ("", "yes", "no"),
                "slug": ("", "a-b"),
                "price__gte": ("1", "2"),
            },
            matches=(
                "sku",
                "sku",
                "sku",
                "name",
                "price",
                "price__gte",
                "ref",
                "sku ref |",
                "metadata",
                "released",
                "",
            ),
            often=("sku",),
        ),
        "Price": Sheet(
            {
                "amount": ("1", "2", "2.5", ""),
                "currency=>code": ("EUR", "USD", "GBP", ""),
                "currency=>external_key": KEYS,
                "product=>sku": (*_CODES, ""),
                "product=>name": _UNITS,
                "product": (*_CODES, ""),
                "currency": ("EUR", "USD", ""),
            },
            matches=("currency=>code product=>sku", "product=>sku", "amount", "product=>name", ""),
            rivals=(("product=>sku", "product"), ("product=>name", "product"), ("currency=>code", "currency")),
            often=("amount", "currency=>code", "product=>sku"),
        ),
        "Asset": Sheet(
            {
                "id": (*EXPLICIT_UUIDS, *EXPLICIT_UUIDS, ""),
                "name": _UNITS,
                "parent=>name": (*_UNITS, "", NULL),
                "parent=>external_key": (*KEYS, ""),
                "parent": (*EXPLICIT_UUIDS, ""),
                "parts=>name": (*_UNITS, ""),
            },
            matches=("name", "name", "id", "parent=>name", "parent=>external_key name", ""),
            rivals=(("parent=>name", "parent"), ("parent=>external_key", "parent")),
            often=("name",),
        ),
    },
)

ODDITIES = World(
    {
        "Folded": Kind({"name": ("a", "b", "A"), "value": ("", "v")}),
        "DbDefault": Kind({"name": NAMES, "colour": ("red", ""), "quantity": (1, 2)}),
        "Recipe": Kind({"name": NAMES, "ingredients": ([], ["a"], ["a", "b"])}),
        "Hidden": Kind({"name": NAMES, "value": ("", "v"), "is_hidden": (True, False)}),
        "Tag": TAGS,
        "Signalled": Kind({"name": NAMES, "value": ("", "v")}, several={"tags": "Tag"}),
    },
    {
        "Folded": Sheet(
            {"name": ("a", "A", "b", "B", "á"), "value": ("", "v", "w")}, ("name", "name", "value", ""), (), ("name",)
        ),
        "DbDefault": Sheet(
            {"name": NAMES, "colour": ("", "red", "blue"), "quantity": ("", "1", "2", "x"), "doubled": ("2", "4")},
            ("name", "name", "colour", "doubled", ""),
            (),
            ("name",),
        ),
        "Recipe": Sheet(
            {"name": NAMES, "ingredients": ("", "a", "a,b", "a, b", "c")}, ("name", "ingredients", ""), (), ("name",)
        ),
        "Hidden": Sheet(
            {"name": NAMES, "value": ("", "v", "w"), "is_hidden": ("yes", "no", "")},
            ("name", "value", ""),
            (),
            ("name",),
        ),
        "Signalled": Sheet(
            {"name": NAMES, "value": ("", "v"), "tags=>=name": ("t", "t|u", "")}, ("name", "value", ""), (), ("name",)
        ),
    },
)

OWN_CODE = World(
    {
        "Company": COMPANIES,
        "Tag": TAGS,
        "Saved": Kind({"name": NAMES, "value": ("", "v")}),
        "SavedBare": Kind({"name": NAMES, "value": ("", "v")}),
        "Profile": Kind({"login": NAMES, "first_name": ("", "X"), "last_name": ("", "Y")}),
        "Person": PERSONS,
        "Employee": Kind({"first_name": NAMES, "employee_id": (None, *IDS), "staff_number": IDS}),
        "House": Kind({"address": TOWNS}, references={"owner": "Person"}),
    },
    {
        "Saved": Sheet({"name": (*NAMES, "a"), "value": ("", "v", "w")}, ("name", "value", ""), (), ("name",)),
        "SavedBare": Sheet({"name": NAMES, "value": ("", "v", " w ")}, ("name", "value", ""), (), ("name",)),
        "Profile": Sheet(
            {
                "login": NAMES,
                "full_name": ("", "X Y", "X Z", "x" * 51),
                "secret": ("", "abc"),
                "first_name": ("", "X", "W"),
            },
            ("login", "login", "first_name", ""),
            (),
            ("login", "full_name"),
            is_foreseen=False,
        ),
        "Employee": Sheet(
            {
                "first_name": NAMES,
                "employee_id": (*IDS, ""),
                "staff_number": (*IDS, ""),
                "age": ("", "1", "x"),
                "manager=>employee_id": (*IDS, ""),
                "houses=>address": (*TOWNS, ""),
            },
            matches=("staff_number", "employee_id", "employee_id staff_number |", "first_name", ""),
            often=("first_name", "employee_id", "staff_number"),
        ),
        "Contractor": PEOPLE.sheets["Person"],
        "House": HOUSES.sheets["House"],
    },
    others=("Room", "Lease", "LooseNote", "Passport", "Badge", "Contract", "Membership", "Club", "Team", "TeamPlace"),
    is_bulk=False,
)

WORLDS = {
    "people": PEOPLE,
    "houses": HOUSES,
    "nodes": NODES,
    "stock": STOCK,
    "trees": TREES,
    "money": MONEY,
    "oddities": ODDITIES,
    "own code": OWN_CODE,
    **CROWDED,
}
