"""Worlds of many rows that do not meet, with a few among them that do: what is decided by whole columns."""

from __future__ import annotations

from tests.strategies import CROWD_KEYS, NULL, Kind, Sheet, World
from tests.worlds import TAGS

_IDS = tuple(str(number) for number in range(1, 15))
_PARCEL_KEYS = (*CROWD_KEYS, "k9")
_LABELS = tuple("ABCDEFGHIJKLMN")
_CODES = tuple(f"s{number}" for number in range(1, 15))
_DEPOTS = ("V", "W", "Z", "Y", "U", "T", "S")

CROWD = World(
    {
        "Depot": Kind(
            {"name": ("V", "W", "V", "W", *_DEPOTS), "city": ("", "X", "Y")}, 6, 3, keys=CROWD_KEYS, own="name"
        ),
        "Parcel": Kind(
            {
                "code": (None, *_IDS, *_IDS),
                "label": _LABELS,
                "note": ("", "x"),
                "remark": (None, "", "n"),
                "pieces": (None, 1, 2),
                "fragile": (True, False),
            },
            most=10,
            least=5,
            references={"depot": "Depot"},
            keys=CROWD_KEYS,
            own="code",
        ),
        "Shelf": Kind(
            {"number": tuple(range(12))}, most=5, least=2, required={"depot": "Depot"}, keys=CROWD_KEYS, own="number"
        ),
    },
    {
        "Parcel": Sheet(
            {
                "code": ("", NULL, "x" * 21),
                "label": (*_LABELS[:3], "a", "", NULL),
                "note": ("x", "", "y", NULL),
                "remark": ("n", "", "m", NULL),
                "status": ("sent", "On its way", "", "none"),
                "pieces": ("1", "2", "", "x", "-1", "99999999999"),
                "weight": ("1e3", "0.5", ""),
                "price": ("1.5", "2.25", "", "1.505"),
                "due": ("2001-02-03", "0999-12-31", ""),
                "sent": ("2024-01-01T10:00Z", "2024-01-01T11:00+01:00", "2024-10-27T02:30", ""),
                "fragile": ("yes", "no", "", "maybe"),
                "depot=>name": (*_DEPOTS[:4], "", "Q", NULL),
                "depot=>city": ("X", "Y", ""),
                "depot=>external_key": _PARCEL_KEYS,
                "depot=>external_key@ERP": (*_PARCEL_KEYS, ""),
                "depot": ("1", "9", "x", ""),
            },
            matches=("code",) * 6 + ("label", "label code", "code depot=>name", "code label |", "", "", ""),
            rivals=(("depot=>name", "depot=>city", "depot=>external_key", "depot=>external_key@ERP", "depot"),),
            often=("label", "code"),
            own={"code": _IDS, "label": _LABELS},
        ),
        "Shelf": Sheet(
            {"number": ("1", "x", ""), "depot=>name": (*_DEPOTS, "Q", ""), "depot=>external_key": _PARCEL_KEYS},
            matches=("number", "number", "number depot=>name", ""),
            rivals=(("depot=>name", "depot=>external_key"),),
            often=("number", "depot=>name"),
            own={"number": tuple(map(str, range(12)))},
        ),
        "Depot": Sheet(
            {"name": ("V", "W", "Z"), "city": ("", "X", "Y"), "parcels=>code": (*_IDS, "")},
            matches=("name", "name", ""),
            often=("name",),
            own={"name": _DEPOTS},
        ),
    },
)

_UUIDS = ("00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000004")

GOODS = World(
    {
        "Currency": Kind({"code": ("EUR", "USD", "GBP", "CHF"), "name": ("", "X")}, most=4, keys=CROWD_KEYS),
        "Product": Kind(
            {
                "sku": _CODES,
                "name": ("", "X"),
                "price": (None, "1.50"),
                "notes": (None, "", "n"),
                "weight": (None, 0.1),
            },
            most=8,
            least=4,
            keys=CROWD_KEYS,
        ),
        "Price": Kind(
            {"amount": (1, 2)},
            most=4,
            least=2,
            required={"currency": "Currency", "product": "Product"},
            keys=CROWD_KEYS,
        ),
        "Stock": Kind(
            {"shelf": ("s", "t"), "article": _CODES, "quantity": (0, 1), "label": ("", "L", "M")},
            most=8,
            least=4,
            keys=CROWD_KEYS,
            own="article",
        ),
        "Folded": Kind(
            {"name": ("a", "b", "A", "C"), "alias": ("", "p", "Q"), "value": ("", "v")}, most=4, keys=CROWD_KEYS
        ),
        "DbDefault": Kind(
            {"name": _CODES, "colour": ("red", ""), "quantity": (1, 2)}, most=6, least=3, keys=CROWD_KEYS, own="name"
        ),
        "Hidden": Kind(
            {"name": _CODES, "value": ("", "v"), "is_hidden": (True, False)},
            most=6,
            least=3,
            keys=CROWD_KEYS,
            own="name",
        ),
        "Word": Kind({"name": ("a", "b", "C"), "note": ("", "n"), "quantity": (0, 1)}, most=3, keys=CROWD_KEYS),
        "Tag": TAGS,
    },
    {
        "Product": Sheet(
            {
                "sku": ("s1", ""),
                "name": ("X", "", "Y"),
                "price": ("1.5", "1.50", "", "2.25", "x"),
                "status": ("draft", "On sale", "", "none"),
                "priority": ("1", "High", ""),
                "notes": ("n", "", "two words", NULL),
                "weight": ("0.1", "", "1e3", "3"),
                "released": ("2024-01-01T10:00Z", "2024-01-01T11:00+01:00", "", "2024-06-01", "2024-10-27T02:30"),
                "opens": ("10:00", "", "10:00:00.5"),
                "duration": ("00:00:01", "", "1 02:03:04"),
                "ref": ("", *_UUIDS),
                "quantity": ("7", "007", "0", "", "70000"),
                "big": ("9223372036854775807", "", "9223372036854775808"),
                "is_public": ("yes", "", "no"),
                "slug": ("", "a-b"),
            },
            matches=("sku", "sku", "sku", "sku price", ""),
            often=("sku",),
            own={"sku": _CODES},
        ),
        "Price": Sheet(
            {
                "amount": ("1", "2", "2.5", ""),
                "currency=>code": ("EUR", "USD", "GBP", ""),
                "currency=>external_key": CROWD_KEYS,
                "product=>sku": (*_CODES, ""),
                "product=>external_key": CROWD_KEYS,
                "currency": ("EUR", "USD", "", "xyz", "long"),
            },
            matches=("amount", "amount", ""),
            rivals=(
                ("product=>sku", "product=>external_key"),
                ("currency=>code", "currency=>external_key", "currency"),
            ),
            often=("amount", "currency=>code", "product=>sku"),
            own={"amount": tuple(f"{number}.5" for number in range(9))},
        ),
        "Stock": Sheet(
            {
                "shelf": ("s", "t"),
                "article": ("a", ""),
                "quantity": ("0", "1", "2", "-1", "x", ""),
                "label": ("", "K", "L", "M", NULL),
                "in_use": ("yes", "no", "maybe"),
            },
            matches=("shelf article", "article", ""),
            often=("shelf", "article"),
            own={"article": _CODES},
        ),
        "Folded": Sheet(
            {"name": ("a", "A"), "alias": ("p", "q", "P", "Q"), "value": ("", "v", "w")},
            ("name", "alias", "value", ""),
            (),
            ("name",),
            own={"name": ("a", "A", "b", "B", "á", "c", "C", "d"), "alias": tuple("pPqQrRsS")},
        ),
        "DbDefault": Sheet(
            {"name": ("s1",), "colour": ("red", "", "blue"), "quantity": ("1", "2", "", "x"), "doubled": ("2", "4")},
            ("name", "name", "name colour", "doubled", ""),
            (),
            ("name",),
            own={"name": _CODES},
        ),
        "Hidden": Sheet(
            {"name": ("s1",), "value": ("", "v", "w"), "is_hidden": ("yes", "no", "")},
            ("name", "value name", ""),
            (),
            ("name",),
            own={"name": _CODES},
        ),
        "Word": Sheet(
            {"name": ("a", "B"), "note": ("n", "", "m"), "quantity": ("1", "2", "", "-2")},
            ("name", "name", ""),
            (),
            ("name",),
            own={"name": ("a", "A", "b", "B", "c", "C", "d")},
        ),
    },
)

CROWDED = {"crowd": CROWD, "goods": GOODS}
