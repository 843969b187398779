"""The worlds in which engines are compared: models that belong together, and what their files may hold."""

from __future__ import annotations

from tests.pictures import EXPLICIT_KEYS
from tests.strategies import KEYS, NULL, Kind, Sheet, World

NAMES = ("A", "B", "C")
IDS = ("1", "2", "3", "4")
NUMBERS = ("", "1", "2", "3", "x")
TOWNS = ("M", "N", "O")
_TAGS = ("t", "u", "t|u", "u|v", "v|v", "", NULL)
_PERSON_KEYS = (*KEYS, "k9", "")

PERSONS = Kind(
    {
        "first_name": (*NAMES, "a"),
        "last_name": ("", "x"),
        "employee_id": (None, *IDS),
        "age": (None, 1, 2),
        "nickname": (None, "", "n"),
    },
    most=4,
    references={"company": "Company", "manager": "Person"},
    several={"tags": "Tag"},
)
PERSON_SHEET = Sheet(
    {
        "id": (*EXPLICIT_KEYS, ""),
        "first_name": (*NAMES, "a", ""),
        "first_name__iexact": (*NAMES, "a"),
        "last_name": ("", "x", "y", NULL),
        "employee_id": (*IDS, *IDS, "", NULL),
        "age": NUMBERS,
        "nickname": ("", "n", "m", NULL),
        "hair_colour": ("", "red", "Unknown"),
        "salary": ("", "1.5", "2.25", "1.505"),
        "company=>name": ("V", "W", "Z", "", NULL),
        "company=>city": ("X", "Y", ""),
        "company=>external_key": _PERSON_KEYS,
        "manager=>employee_id": (*IDS, "9", "", NULL),
        "manager=>first_name": NAMES,
        "manager=>external_key": _PERSON_KEYS,
        "manager=>external_key@ERP": _PERSON_KEYS,
        "manager=>company__name": ("V", "W", ""),
        "reports=>employee_id": (*IDS, ""),
        "passport=>number": ("P1", "P2", "P3", "", NULL),
        "badge=>code": ("B1", "B2", "B3", ""),
        "houses=>address": (*TOWNS, ""),
        "houses=>external_key": _PERSON_KEYS,
        "contracts=>title": ("T", "U", ""),
        "tags=>+name": _TAGS,
        "tags=>-name": _TAGS,
        "tags=>=name": _TAGS,
        "teams=>+name": ("R", "S", "R|S", ""),
        "teams=>=name": ("R", "S", "R|S", "", NULL),
    },
    matches=(
        "employee_id",
        "employee_id",
        "employee_id",
        "first_name",
        "first_name last_name",
        "first_name__iexact",
        "employee_id first_name |",
        "employee_id first_name & age ~ |",
        "employee_id ~",
        "nickname",
        "company=>name",
        "company=>name first_name",
        "manager=>employee_id",
        "manager=>external_key",
        "",
    ),
    rivals=(("tags=>+name", "tags=>-name", "tags=>=name"), ("teams=>+name", "teams=>=name")),
    often=("first_name", "employee_id"),
)
COMPANIES = Kind({"name": ("V", "W", "Z"), "city": ("", "X", "Y")}, most=2)
COMPANY_SHEET = Sheet(
    {"name": ("V", "W", "Z"), "city": ("", "X", "Y"), "staff=>employee_id": (*IDS, ""), "staff=>external_key": KEYS},
    matches=("name", "name", "city", "staff=>employee_id", ""),
    often=("name",),
)
TAGS = Kind({"name": ("t", "u", "v")}, has_keys=False)
PASSPORTS = Kind({"number": ("P1", "P2", "P3")}, most=2, references={"person": "Person"})
BADGES = Kind({"code": ("B1", "B2", "B3")}, most=2, required={"person": "Person"})
CONTRACTS = Kind({"title": ("T", "U")}, most=2, required={"person": "Person"})

PEOPLE = World(
    {
        "Company": COMPANIES,
        "Tag": TAGS,
        "Person": PERSONS,
        "House": Kind({"address": TOWNS}, most=2, references={"owner": "Person"}),
        "Passport": PASSPORTS,
        "Badge": BADGES,
        "Contract": CONTRACTS,
        "Team": Kind({"name": ("R", "S")}, most=2, has_keys=False),
        "TeamPlace": Kind(
            {"role": ("captain",)}, most=2, required={"team": "Team", "person": "Person"}, has_keys=False
        ),
        "Employee": Kind({"first_name": NAMES, "staff_number": ("1", "2")}, most=1),
    },
    {
        "Person": PERSON_SHEET,
        "Company": COMPANY_SHEET,
        "Passport": Sheet(
            {
                "number": ("P1", "P2", "P3"),
                "person=>employee_id": (*IDS, "", NULL),
                "person=>external_key": KEYS,
                "person=>first_name": NAMES,
            },
            matches=("number", "number", "person=>employee_id", "person=>first_name", ""),
            often=("number",),
        ),
        "Badge": Sheet(
            {"code": ("B1", "B2", "B3"), "person=>employee_id": (*IDS, ""), "person=>external_key": KEYS},
            matches=("code", "code", "person=>employee_id", ""),
            often=("code", "person=>employee_id"),
        ),
        "Tag": Sheet(
            {
                "name": ("t", "u", "v"),
                "persons=>+employee_id": ("1", "2", "1|2", "3|4", ""),
                "persons=>-employee_id": ("1", "2", "1|2", "3|4", ""),
                "persons=>=employee_id": ("1", "2", "1|2", "3|4", ""),
                "persons=>+external_key": ("k1", "k2|k3", ""),
            },
            matches=("name", "name", ""),
            rivals=(
                (
                    "persons=>+employee_id",
                    "persons=>-employee_id",
                    "persons=>=employee_id",
                    "persons=>+external_key",
                ),
            ),
            often=("name",),
        ),
    },
    others=("Room", "Lease", "LooseNote", "Membership", "Club"),
)

HOUSES = World(
    {
        "Company": Kind({"name": ("V", "W"), "city": ("",)}, most=2),
        "Person": Kind(
            {"first_name": NAMES, "employee_id": (None, *IDS), "age": (None, 1)},
            references={"company": "Company", "manager": "Person"},
        ),
        "House": Kind(
            {"address": TOWNS, "country": ("", "X"), "floors": (None, 1)}, most=4, references={"owner": "Person"}
        ),
        "Room": Kind({"name": ("Hall", "Cell")}, required={"house": "House"}),
        "Lease": Kind({"tenant": ("T",)}, most=2, required={"house": "House"}),
        "LooseNote": Kind({"text": ("t",)}, most=1, references={"house": "House"}, has_keys=False),
        "Contract": CONTRACTS,
        "Passport": Kind({"number": ("P1", "P2")}, most=1, references={"person": "Person"}),
    },
    {
        "House": Sheet(
            {
                "pk": (*EXPLICIT_KEYS, ""),
                "address": (*TOWNS, "m"),
                "address__istartswith": TOWNS,
                "country": ("", "X", "Y", NULL),
                "floors": NUMBERS,
                "floors__gte": ("1", "2"),
                "owner=>employee_id": (*IDS, "9", "", NULL),
                "owner=>first_name": (*NAMES, ""),
                "owner=>external_key": _PERSON_KEYS,
                "owner=>external_key@ERP": _PERSON_KEYS,
                "owner=>company__name": ("V", "W", ""),
                "owner=>manager__employee_id": IDS,
                "rooms=>name": ("Hall", "Cell", ""),
                "loose_notes=>text": ("t", ""),
            },
            matches=(
                "address",
                "address",
                "address country",
                "address__istartswith",
                "address floors__gte |",
                "owner=>employee_id",
                "owner=>external_key",
                "owner=>company__name address",
                "owner=>first_name address |",
                "country",
                "",
            ),
            often=("address",),
        ),
        "Room": Sheet(
            {
                "name": ("Hall", "Cell", "Attic"),
                "house=>address": (*TOWNS, ""),
                "house=>external_key": _PERSON_KEYS,
                "house=>owner__first_name": NAMES,
            },
            matches=("name", "name house=>address", "house=>address", "house=>external_key", ""),
            often=("name", "house=>address"),
        ),
        "Person": Sheet(
            {
                "first_name": (*NAMES, ""),
                "employee_id": (*IDS, ""),
                "age": NUMBERS,
                "manager=>employee_id": (*IDS, ""),
                "company=>name": ("V", "W", ""),
                "houses=>address": (*TOWNS, ""),
                "houses=>external_key": _PERSON_KEYS,
                "houses=>country": ("X", ""),
                "contracts=>title": ("T", ""),
            },
            matches=(
                "employee_id",
                "employee_id",
                "first_name",
                "houses=>address",
                "employee_id houses=>address |",
                "",
            ),
            often=("first_name", "employee_id"),
        ),
        "Contract": Sheet(
            {"title": ("T", "U"), "person=>employee_id": (*IDS, ""), "person=>houses__address": (*TOWNS, "")},
            matches=("title", "person=>employee_id", ""),
            often=("title", "person=>employee_id"),
        ),
        "Lease": Sheet(
            {"tenant": ("T", "U"), "house=>address": (*TOWNS, "")},
            matches=("tenant", "house=>address", ""),
            often=("tenant", "house=>address"),
        ),
        "LooseNote": Sheet(
            {"text": ("t", "s"), "house=>address": (*TOWNS, "", NULL)}, matches=("text", "house=>address", "")
        ),
        "Company": Sheet({"name": ("V", "W", "Z"), "city": ("", "X")}, matches=("name", ""), often=("name",)),
    },
    others=("Tag", "Badge", "Employee", "Membership", "Club", "Team", "TeamPlace"),
)
