"""Examples on which engines must agree: rows of one batch that get into each other's way."""

from __future__ import annotations

from typing import Any

from tests.agreeing import Example, File, Ref, Run, Stale, Thing
from tests.pictures import EXPLICIT_KEYS, EXPLICIT_UUIDS

FIRST, SECOND, THIRD = EXPLICIT_KEYS


def of(world: str, start: list[Thing | Stale], *files: File | str, **options: Any) -> tuple[str, Example]:
    """Give an example of one run; a text alone is a file of persons. Failed rows are skipped unless options say so."""
    sources = tuple(File("Person", file) if isinstance(file, str) else file for file in files)
    return world, Example(tuple(start), (Run(sources, {"on_error": "skip", **options}),))


def in_turn(example: tuple[str, Example], *texts: str) -> tuple[str, Example]:
    """Add runs, each of one file of persons."""
    world, first = example
    runs = (*first.runs, *(Run((File("Person", text),), {"on_error": "skip"}) for text in texts))
    return world, Example(first.start, runs)


def person(name: str, employee_id: str | None = None, *keys: str, **values: Any) -> Thing:
    """Give a person, and the keys of HR that mean it."""
    return Thing("Person", {"first_name": name, "employee_id": employee_id, **values}, _hr(keys))


def thing(model: str, *keys: str, **values: Any) -> Thing:
    """Give any object, and the keys of HR that mean it."""
    return Thing(model, values, _hr(keys))


def _hr(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(("HR", key) for key in keys)


TWO = [person("A", "1", "k1", age=40), person("B", "2", "k2")]
BY_KEY = "external_key,action_flags,first_name,employee_id\n"
BY_ID = "action_flags,match_on,employee_id,first_name\n"
KEY_AND_ID = "external_key,action_flags,match_on,employee_id,first_name\n"
TAGS = [thing("Tag", name=name) for name in ("t", "u", "v")]

IDENTITY = {
    "create, then update of the same by match": of(
        "people", [], f"{BY_ID}cu*,employee_id,1,A\ncu*,employee_id,1,B\nu,employee_id,1,C\n"
    ),
    "create, then update of the same by key": of("people", [], f"{BY_KEY}k1,c,A,1\nk1,u*,B,2\nk1,u,C,3\nk1,u*,B,2\n"),
    "changed, and changed back": of("people", TWO, f"{BY_KEY}k1,u*,X,1\nk1,u*,A,1\n"),
    "an empty value filled twice": of("people", [person("A", None, "k1")], f"{BY_KEY}k1,u,X,3\nk1,u,Y,4\n"),
    "duplicate keys": of("people", [], f"{KEY_AND_ID}k1,cu*,,1,A\nk1,cu*,,2,B\nk1,cu*,employee_id,3,C\nk1,c,,4,D\n"),
    "two new keys for one match": of("people", TWO, f"{KEY_AND_ID}n1,cu*,employee_id,1,X\nn2,cu*,employee_id,1,Y\n"),
    "shared keys at the end": of(
        "people", TWO, f"{KEY_AND_ID}n1,cu*,employee_id,1,X\nn2,u*,employee_id,2,Y\nk2,d,,,\nk1,u*,employee_id,1,Z\n"
    ),
    "a key that a later row frees": of(
        "people", TWO, f"{KEY_AND_ID}n1,cu*,employee_id,1,X\nk1,u*,employee_id,5,A\nn1,u*,employee_id,1,Y\n"
    ),
    "a stale key pointed anew, twice": of(
        "people",
        [Stale("Person", "HR", "k1"), person("A", "1")],
        f"{KEY_AND_ID}k1,cu*,employee_id,1,X\nk1,d,employee_id,1,\nk1,cu*,employee_id,2,Y\n",
    ),
    "a match that an earlier row makes hit": of("people", TWO, f"{BY_ID}u*,first_name,7,A\nu*,employee_id,7,C\n"),
    "a match that an earlier row makes miss": of(
        "people", TWO, "external_key,action_flags,match_on,first_name\nk1,u*,,X\n,u*,first_name,A\n,c,first_name,A\n"
    ),
    "a match that an earlier row makes ambiguous": of(
        "people",
        TWO,
        "external_key,action_flags,match_on,first_name\nk1,u*,,B\n,cu*,first_name,B\nk9,d*,first_name,B\n",
    ),
    "a match that a delete makes unambiguous": of(
        "people",
        [person("A", "1"), person("A", "2", "k2")],
        "external_key,action_flags,match_on,first_name,age\n,u*,first_name,A,1\nk2,d*,,,\n,u*,first_name,A,2\n",
    ),
    "iexact after an insert and a rename": of(
        "people",
        TWO,
        "external_key,action_flags,match_on,first_name,first_name__iexact,age\n"
        ",c,first_name,carl,,1\n,u*,first_name__iexact,Carl,CARL,2\nk1,u*,,Dora,,3\n,u*,first_name__iexact,d,DORA,4\n"
        ",cu*,first_name__iexact,a,A,5\n",
    ),
    "an expression after changes": of(
        "people",
        TWO,
        "action_flags,match_on,employee_id,first_name\ncu*,employee_id first_name |,3,A\n"
        "cu*,employee_id first_name |,3,B\ncu*,employee_id ~,3,C\nu*,employee_id ~ first_name &,1,B\n",
    ),
    "a match by what another row points elsewhere": of(
        "people",
        [thing("Company", name="V"), thing("Company", name="W"), person("A", "1", "k1", company=Ref(0))],
        "external_key,action_flags,match_on,company=>name,age\nk1,u*,,W,1\n,u*,company=>name,V,2\n,u*,company=>name,W,3\n",
    ),
    "explicit primary keys": of(
        "people",
        [],
        f"id,action_flags,match_on,first_name\n{FIRST},c,first_name,A\n{FIRST},c,first_name,B\n,c,first_name,C\n"
        f"{SECOND},cu*,first_name,A\n{THIRD},cu*,id,D\n{THIRD},u*,id,E\n,c,first_name,F\n",
        map=(("id", "id"),),
    ),
    "a primary key given to what the database has numbered": of(
        "people",
        [],
        f"external_key,action_flags,id,first_name\nk1,cu,,A\nk1,cu,{FIRST},A\nk1,u,{FIRST},A\nk1,u*,{FIRST},B\nk1,u*,,C\n",
        map=(("id", "id"),),
    ),
    "a primary key of text": of(
        "money",
        [thing("Currency", code="EUR")],
        File(
            "Currency",
            "external_key,action_flags,match_on,code,name\nk1,cu*,code,USD,X\nk1,u*,,GBP,Y\nk2,cu*,code,USD,Z\n"
            ",d*,code,USD,\n,cu*,code,USD,W\n,c,name,EUR,V\n",
        ),
    ),
    "a primary key that the model makes": of(
        "money",
        [],
        File(
            "Asset",
            "external_key,action_flags,match_on,id,name,parent=>name\n"
            f"k1,cu*,name,{EXPLICIT_UUIDS[0]},X,\nk2,cu*,name,,Y,X\nk3,cu*,name,{EXPLICIT_UUIDS[0]},Z,Y\n",
        ),
    ),
}

UNIQUE = {
    "a unique value handed over": of("people", TWO, f"{BY_KEY}k1,u*,A,9\nk2,u*,B,1\n"),
    "a unique value taken too early": of("people", TWO, f"{BY_KEY}k2,u*,B,1\nk1,u*,A,9\n"),
    "a swap of unique values": of("people", TWO, f"{BY_KEY}k1,u*,A,2\nk2,u*,B,1\n"),
    "a swap of unique values, matched": of(
        "people", TWO, f"{KEY_AND_ID}k1,u*,employee_id,2,A\nk2,u*,employee_id,1,B\n"
    ),
    "a chain of unique values": of(
        "people",
        [*TWO, person("C", "3", "k3")],
        f"{KEY_AND_ID}k1,u*,employee_id,2,A\nk2,u*,employee_id,3,B\nk3,u*,employee_id,4,C\n",
    ),
    "a unique value freed by a delete": of("people", TWO, f"{BY_KEY}k1,d*,,\nk2,u*,B,1\nk3,c,C,2\n"),
    "a unique value freed by a delete, too late": of("people", TWO, f"{BY_KEY}k2,u*,B,1\nk1,d*,,\nk3,c,C,2\n"),
    "two new objects want one unique value": of("people", [], f"{BY_KEY}k1,c,A,1\nk2,c,B,1\nk3,c,C,2\n"),
    "a new object takes what a later row frees": of("people", TWO, f"{BY_KEY}n1,cu*,N,1\nk1,u*,A,8\nn2,cu*,M,1\n"),
    "a displaced object whose unique value is taken": of(
        "people", [TWO[0], person("B", "2")], f"{KEY_AND_ID}k1,u*,employee_id,2,A\nk3,cu*,employee_id,1,C\n"
    ),
    "a displaced object that an earlier row made": of(
        "people", TWO[:1], f"{KEY_AND_ID},cu*,employee_id,2,N\nk1,u*,employee_id,2,A\n,cu*,employee_id,1,M\n"
    ),
    "a displaced object, kept": of(
        "people",
        [TWO[0], person("B", "2")],
        f"{KEY_AND_ID}k1,u*,employee_id,2,A\n,u*,employee_id,2,C\n",
        on_displaced="keep",
    ),
    "a displaced object with keys of another system": of(
        "people",
        [TWO[0], Thing("Person", {"first_name": "B", "employee_id": "2"}, (("ERP", "e2"),))],
        f"{KEY_AND_ID}k1,u*,employee_id,2,A\n",
        File("Person", f"{KEY_AND_ID}e2,u*,,2,E\n", "ERP"),
    ),
    "a label unique while in use": of(
        "stock",
        [
            thing("Stock", "k1", shelf="s", article="a", label="L"),
            thing("Stock", "k2", shelf="s", article="b", label="M", in_use=False),
        ],
        File(
            "Stock",
            "external_key,action_flags,label,in_use\nk2,u*,L,\nk2,u*,L,yes\nk1,u*,,no\nk2,u*,L,yes\nk1,u*,L,yes\n",
        ),
    ),
    "unique together": of(
        "stock",
        [thing("Stock", "k1", shelf="s", article="a"), thing("Stock", "k2", shelf="s", article="b")],
        File(
            "Stock",
            "external_key,action_flags,shelf,article\nk1,u*,s,b\nk2,u*,t,a\nk1,u*,s,b\nk3,c,s,b\nk3,c,s,a\nk2,u*,s,a\n",
        ),
    ),
    "a checked column written twice, first wrongly": of(
        "stock",
        [thing("Stock", "k1", shelf="s", article="a", quantity=5)],
        File("Stock", "external_key,action_flags,quantity\nk1,u*,-1\nk1,u*,3\nk1,u*,-2\nk1,u*,4\n"),
    ),
    "a new object that only a later row would make right": of(
        "stock",
        [],
        File("Stock", "external_key,action_flags,shelf,article,quantity\nk1,c,s,a,-1\nk1,cu*,s,a,3\nk1,u*,s,a,-1\n"),
    ),
    "names that the database folds": of(
        "oddities",
        [thing("Folded", "k1", name="a")],
        File("Folded", "action_flags,match_on,name,value\ncu*,name,A,1\ncu*,name,b,2\ncu*,name,B,3\nc,value,B,\n"),
    ),
}

FAILING = {
    f"a bad row among good ones, {on_error}": of(
        "people",
        TWO,
        f"{BY_KEY}k1,u*,X,1\nk3,c,C,2\nk4,c,D,4\nk2,u*,Y,2\nk5,x,E,5\nk6,cu*,F,4\nk7,cu*,G,7\n",
        on_error=on_error,
    )
    for on_error in ("skip", "rollback", "stop")
} | {
    "an end after two errors": of(
        "people", TWO, f"{BY_KEY}k3,c,C,1\nk4,c,D,4\nk5,c,E,2\nk6,c,F,6\nk7,c,G,1\n", max_errors=2
    ),
    "a dry run": of(
        "people", TWO, f"{BY_KEY}k1,u*,X,2\nk1,u*,X,3\nk2,u*,Y,1\nk3,cu*,C,2\nk3,d*,,\nk9,u*,Z,9\n", dry_run=True
    ),
    "the same file again": in_turn(
        of("people", TWO, f"{KEY_AND_ID}k1,cu*,employee_id,1,X\nk3,cu*,employee_id,3,C\nk4,c,employee_id,2,D\n"),
        f"{KEY_AND_ID}k1,cu*,employee_id,1,X\nk3,cu*,employee_id,3,C\nk4,c,employee_id,2,D\n",
        f"{KEY_AND_ID}k4,d,employee_id,2,\nk2,d,,,\nk3,u*,employee_id,1,C\n",
    ),
}
