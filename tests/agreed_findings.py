"""More examples on which engines must agree: tables, fields and databases that do something of their own to a value."""

from __future__ import annotations

from tests.agreed_examples import of, person, thing
from tests.agreeing import File, Ref

# Models that belong together, and whose objects the examples below touch.
PECULIAR = {
    "teams": ("Person", "Team", "TeamPlace"),
    "ships": ("Sailor", "Ship", "Berth"),
    "words": ("Word",),
    "branches": ("Branch",),
    "peculiar fields": ("Loud", "Trimmed", "Picky", "Document", "Recipe"),
}

_TEAM = [
    person("A"),
    person("B"),
    thing("Team", name="T"),
    thing("TeamPlace", person=Ref(0), team=Ref(2), role="captain"),
]
_SHIPS = [
    *(thing("Sailor", name=name) for name in "PQR"),
    *(thing("Ship", name=name) for name in "ST"),
    thing("Berth", sailor=Ref(0), ship=Ref(3)),
]
_FOLDED = [("p0", "k0"), ("x", "k1"), ("a", "k2")]

THROUGH = {
    "a place that is given up and taken again": of(
        "teams", _TEAM, File("Team", "action_flags,match_on,name,members=>=first_name\nu*,name,T,B\nu*,name,T,A\n")
    ),
    "a place that is given up and taken again by other columns": of(
        "teams",
        _TEAM,
        File("Team", "action_flags,match_on,name,members=>-first_name\nu*,name,T,A\n"),
        File("Person", "action_flags,match_on,first_name,teams=>+name\nu*,first_name,A,T\nu*,first_name,A,T\n"),
    ),
    "a place that is taken twice already": of(
        "teams",
        [*_TEAM, thing("TeamPlace", person=Ref(0), team=Ref(2), role="substitute")],
        File(
            "Team",
            "action_flags,match_on,name,members=>+first_name\nu*,name,T,A\nu*,name,T,B\nu*,name,T,B\n",
        ),
        File("Team", "action_flags,match_on,name,members=>=first_name\nu*,name,T,B\nu*,name,T,A\n"),
    ),
    "a place that only one can have": of(
        "ships", _SHIPS, File("Ship", "action_flags,match_on,name,crew=>+name\nu*,name,T,Q\nu*,name,T,P\nu*,name,S,R\n")
    ),
    "a place that only one can have, given up before": of(
        "ships", _SHIPS, File("Ship", "action_flags,match_on,name,crew=>=name\nu*,name,S,Q\nu*,name,T,P\nu*,name,S,P\n")
    ),
    "a place that two new ones want": of(
        "ships", _SHIPS, File("Ship", "action_flags,match_on,name,crew=>+name\nc,name,U,Q\nc,name,V,Q\nc,name,W,R\n")
    ),
}

COMPARED = {
    "unique values that some databases fold": of(
        "people",
        [person(name, name, key) for name, key in _FOLDED],
        "external_key,action_flags,employee_id,age\nk0,u*,q0,\nk1,u*,A,5\nk2,u*,b,\n",
    ),
    "new unique values that some databases fold": of(
        "people",
        [],
        "external_key,action_flags,employee_id,first_name\nk0,c,a,A\nk1,c,A,B\nk2,c,b,C\nk0,u*,z,D\nk5,c,Z,E\n",
    ),
    "unique values that the database computes": of(
        "words",
        [thing("Word", key, name=name) for name, key in _FOLDED],
        File("Word", "external_key,action_flags,name,note\nk0,u*,q0,\nk1,u*,A,n\nk2,u*,b,\n"),
    ),
    "a computed unique value handed over": of(
        "words",
        [thing("Word", key, name=name) for name, key in _FOLDED],
        File("Word", "external_key,action_flags,name,note\nk2,u*,b,\nk1,u*,A,n\nk0,c,X,\nk3,c,X,\nk3,c,x,\n"),
    ),
    "a computed column that is checked": of(
        "words",
        [thing("Word", "k1", name="a")],
        File("Word", "external_key,action_flags,quantity\nk1,u*,-1\nk1,u*,3\nk1,u*,-2\nk1,u*,4\n"),
    ),
}

NOTHING = {
    "a parent that leaves its child behind": of(
        "branches",
        [thing("Branch", "k1", name="A"), thing("Branch", "k2", name="B", parent=Ref(0))],
        File("Branch", "action_flags,match_on,name\nd*,name,A\nd*,name,B\n"),
    ),
    "a child, then its parent": of(
        "branches",
        [thing("Branch", "k1", name="A"), thing("Branch", "k2", name="B", parent=Ref(0))],
        File("Branch", "action_flags,match_on,name\nd*,name,B\nd*,name,A\nc,name,A\n"),
    ),
    "a parent that its child has left": of(
        "branches",
        [thing("Branch", "k1", name="A"), thing("Branch", "k2", name="B", parent=Ref(0))],
        File("Branch", "external_key,action_flags,parent=>name\nk1,d*,\nk2,u*,B\nk1,d*,\nk2,d*,\n"),
    ),
}

FIELDS = {
    "a value that the database writes otherwise": of(
        "peculiar fields",
        [],
        File("Loud", "action_flags,match_on,name,code\nc,name,A,abc\nu*,name,A,abc\nc,code,B,abc\nu*,code,C,ABC\n"),
    ),
    "a value that the attribute makes another": of(
        "peculiar fields",
        [thing("Trimmed", name="A", code="x")],
        File("Trimmed", "action_flags,match_on,name,code\nu*,name,A,  ABC \nc,name,B, Y \nu*,code,C,y\n"),
    ),
    "a value that the attribute makes what it was": of(
        "peculiar fields",
        [thing("Trimmed", name="A", code="y")],
        File("Trimmed", "action_flags,match_on,name,code\nu*,name,A, Y \n"),
    ),
    "a value that the field refuses": of(
        "peculiar fields",
        [],
        File("Picky", "action_flags,match_on,name,code\nc,name,A,abc\nc,name,B,boom\nc,name,C,x\nu*,name,A,boom\n"),
    ),
    "a match value that the field refuses": of(
        "peculiar fields",
        [thing("Picky", name="A", code="abc")],
        File("Picky", "action_flags,match_on,code,name\nu*,code,abc,B\nu*,code,boom,C\nu*,code,abc,D\n"),
    ),
    "a match by a list that its field holds as text": of(
        "peculiar fields",
        [thing("Recipe", name="A", ingredients=["a", "b"])],
        File(
            "Recipe",
            'action_flags,match_on,ingredients,name\ncu*,ingredients,,N\ncu*,ingredients,"a,b",B\ncu*,ingredients,"a,c",C\n',
        ),
    ),
    "an empty cell of a file column": of(
        "peculiar fields",
        [thing("Document", name="A", file=None)],
        File(
            "Document", "action_flags,match_on,name,file\nu*,name,A,\nc,name,B,\nc,name,C,x.txt\nu*,name,C,\nc,name,D\n"
        ),
    ),
}

FINDINGS = {**THROUGH, **COMPARED, **NOTHING, **FIELDS}
