"""More examples on which engines must agree: deletions, references and many-to-many relations within one batch."""

from __future__ import annotations

from tests.agreed_examples import BY_ID, BY_KEY, FAILING, IDENTITY, KEY_AND_ID, TAGS, TWO, UNIQUE, of, person, thing
from tests.agreeing import File, Ref, Stale

ONE = person("A", "1", "k1")
TREES = [thing("Tree", name=name) for name in ("oak", "elm", "ash")]

DELETES = {
    "delete, then create of the same": of("people", TWO, f"{BY_KEY}k1,d*,,\nk1,c,A,1\n"),
    "delete, then create of the same by match": of("people", TWO, f"{BY_ID}d*,employee_id,1,\ncu*,employee_id,1,A\n"),
    "create, then delete of the same": of("people", [], f"{BY_KEY}k1,c,A,1\nk1,d*,,\nk1,d*,,\nk2,c,B,1\n"),
    "create, update, delete, create": of(
        "people", [], f"{BY_ID}c,employee_id,1,A\nu*,employee_id,1,B\nd*,employee_id,1,\nc,employee_id,1,C\n"
    ),
    "unforced deletes after other rows": of(
        "people",
        [*TWO, Stale("Person", "HR", "k3")],
        f"{KEY_AND_ID}k1,u*,,7,A\nk1,d,employee_id,1,\nk2,d,employee_id,2,\nk3,d,,,\nk4,c,,2,D\nk4,d,employee_id,2,\n",
    ),
    "a cascade that takes what the file made": of(
        "houses",
        [ONE],
        File("House", "external_key,action_flags,address,owner=>employee_id\nh1,cu*,M,1\nh2,cu*,N,1\nh3,cu*,O,2\n"),
        File("Room", "external_key,action_flags,name,house=>address\nr1,cu*,Hall,M\n"),
        "external_key,action_flags,first_name\nk1,d*,\n",
        File("House", "external_key,action_flags,address,owner=>employee_id\nh1,cu*,M,1\nh2,u*,P,\n"),
        File("Room", "external_key,action_flags,name,house=>address\nr1,u*,Cell,M\nr2,c,Hall,M\n"),
    ),
    "a cascade that an earlier row leads elsewhere": of(
        "houses",
        [
            ONE,
            person("B", "2", "k2"),
            thing("House", "h1", address="M", owner=Ref(0)),
            thing("Room", name="x", house=Ref(2)),
        ],
        File("House", "external_key,action_flags,owner=>employee_id\nh1,u*,2\n"),
        "external_key,action_flags,first_name\nk1,d*,\n",
        File("House", "external_key,action_flags,owner=>employee_id\nh1,u*,\n"),
        "external_key,action_flags,first_name\nk2,d*,\n",
    ),
    "a deletion that clears references": of(
        "people",
        [ONE, person("B", "2", "k2", manager=Ref(0))],
        "external_key,action_flags,first_name,manager=>employee_id\nk3,cu*,C,1\nk1,d*,,\nk2,u,,3\nk2,u,B,2\n",
    ),
    "protected, then released": of(
        "people",
        [ONE, person("B", "2", "k2"), thing("Contract", "c1", title="T", person=Ref(0))],
        "external_key,action_flags,contracts=>title\nk1,d*,\nk2,u*,T\nk1,d*,\nk2,d*,\n",
    ),
    "a company released by its staff": of(
        "people",
        [thing("Company", "c1", name="V"), thing("Company", name="W"), person("A", "1", "k1", company=Ref(0))],
        File("Company", "external_key,action_flags\nc1,d*\n"),
        "external_key,action_flags,company=>name\nk1,u*,W\n",
        File("Company", "external_key,action_flags,name\nc1,d*,\n"),
        "external_key,action_flags,company=>name\nk1,u*,V\nk2,cu*,W\n",
    ),
    "restricted, and what a note refuses": of(
        "houses",
        [
            thing("House", "h1", address="M"),
            thing("House", "h2", address="N"),
            thing("House", "h3", address="O"),
            thing("Lease", house=Ref(0), tenant="T"),
            thing("LooseNote", house=Ref(1), text="t"),
        ],
        File("House", "external_key,action_flags,address\nh1,d*,\nh2,d*,\nh3,d*,\nh4,c,P\n"),
    ),
}

REFERENCES = {
    "a reference to what an earlier row made": of(
        "people",
        [],
        "external_key,action_flags,employee_id,first_name,manager=>employee_id,manager=>external_key\n"
        "k1,cu*,1,A,,\nk2,cu*,2,B,1,\nk3,cu*,3,C,,k2\nk4,cu*,4,D,3,k2\n",
    ),
    "references to what later rows make": of(
        "nodes",
        [],
        File("Node", "action_flags,match_on,code,name,parent=>code\ncu*,code,1,a,2\ncu*,code,2,b,3\ncu*,code,3,c,4\n"),
    ),
    "references to what later rows make, or errors": of(
        "nodes",
        [],
        File("Node", "action_flags,match_on,code,name,parent=>code\ncu*,code,1,a,2\ncu*,code,2,b,1\ncu*,code,3,c,4\n"),
        on_missing_reference="error",
    ),
    "a reference to what an earlier row deleted or renamed": of(
        "people",
        [*TWO, person("C", "3", "k3")],
        "external_key,action_flags,employee_id,manager=>employee_id\n"
        "k2,u*,5,\nk3,u*,,2\nk3,u*,,5\nk1,d*,,\nk3,u*,,1\nk2,u*,1,3\nk3,u*,,1\n",
    ),
    "a required reference to what comes later": of(
        "houses",
        [],
        File(
            "Room", "external_key,action_flags,name,house=>external_key\nr1,cu*,Hall,h1\nr2,c,Cell,h2\nr1,u*,Attic,h1\n"
        ),
        File("House", "external_key,action_flags,address\nh1,cu*,M\n"),
    ),
    "a house that two persons take": of(
        "houses",
        [ONE, person("B", "2", "k2"), thing("House", "h1", address="M")],
        "external_key,action_flags,houses=>address\nk1,u*,M\nk2,u*,M\nk1,u,M\nk1,d*,\n",
    ),
    "a house that a person takes and a row gives away": of(
        "houses",
        [ONE, person("B", "2", "k2"), thing("House", "h1", address="M")],
        "external_key,action_flags,houses=>address\nk1,u*,M\n",
        File("House", "external_key,action_flags,address,owner=>employee_id\nh1,u*,N,2\n"),
        "external_key,action_flags,houses=>address\nk1,u*,M\nk1,u*,N\n",
    ),
    "a passport that goes from hand to hand": of(
        "people",
        [*TWO, thing("Passport", "p1", number="P1", person=Ref(0)), thing("Passport", number="P2")],
        "external_key,action_flags,passport=>number\nk2,u*,P1\nk1,u*,P2\nk1,u*,P1\nk2,u,P2\nk3,cu*,P2\n",
    ),
    "a badge that must have a holder": of(
        "people",
        [*TWO, thing("Badge", "b1", code="B1", person=Ref(0)), thing("Badge", "b2", code="B2", person=Ref(1))],
        "external_key,action_flags,badge=>code\nk2,u*,B1\nk1,d*,\nk2,u*,B1\n",
        File("Badge", "external_key,action_flags,code,person=>employee_id\nb2,d*,,\nb3,c,B3,2\nb3,c,B3,1\n"),
    ),
    "a reference by another column than the key": of(
        "money",
        [thing("Currency", code="EUR"), thing("Product", sku="1", name="X")],
        File("Product", "action_flags,match_on,sku,name\ncu*,name,7,X\ncu*,sku,2,Y\n"),
        File(
            "Price",
            "action_flags,match_on,amount,currency=>code,product=>sku\nc,product=>sku,1,EUR,1\nc,product=>sku,2,EUR,7\n"
            "cu*,product=>sku,3,USD,2\n",
        ),
        File("Product", "action_flags,match_on,sku,name\nu*,name,8,X\nd*,sku,2,\n"),
    ),
}


def tagging(signs: str, *rows: str) -> str:
    """Give a file of persons with one column of tags."""
    lines = "".join(f"{row}\n" for row in rows)
    return f"external_key,action_flags,employee_id,tags=>{signs}name\n{lines}"


SEVERAL = {
    f"one pair by several rows, {sign}": of(
        "people",
        [*TAGS, person("A", "1", "k1", tags=[Ref(0), Ref(1)])],
        tagging(sign, "k1,u*,1,t", "k1,u*,1,t|v", "k1,u*,1,v", "k2,cu*,2,t|u", "k2,u*,2,u", "k2,u*,2,"),
        null_marker="-",
    )
    for sign in "+-="
} | {
    "one pair added, removed and set": of(
        "people",
        [*TAGS, person("A", "1", "k1", tags=[Ref(0)])],
        tagging("-", "k1,u*,1,t", "k1,u*,1,t"),
        tagging("+", "k1,u*,1,t|u", "k1,u,1,v"),
        tagging("=", "k1,u*,1,u|v", "k1,u*,1,u|v", "k1,u*,1,-"),
        tagging("+", "k1,u*,1,t"),
        null_marker="-",
    ),
    "one pair from both sides": of(
        "people",
        [*TAGS, *TWO],
        File("Tag", "action_flags,match_on,name,persons=>+employee_id\ncu*,name,t,1|2\ncu*,name,w,1\n"),
        tagging("-", "k1,u*,1,t", "k2,u*,2,t|u"),
        File("Tag", "action_flags,match_on,name,persons=>=employee_id\ncu*,name,t,2\nd*,name,w,\ncu*,name,w,2\n"),
    ),
    "tags that later rows make": of(
        "people",
        [],
        tagging("=", "k1,cu*,1,t|u", "k2,cu*,2,t", "k1,u*,1,u"),
        File("Tag", "action_flags,match_on,name\ncu*,name,t\ncu*,name,u\n"),
    ),
    "neighbours from both sides": of(
        "trees",
        TREES,
        File(
            "Tree",
            "action_flags,match_on,name,neighbours=>+name\nu*,name,oak,elm\nu*,name,elm,oak|ash\nu*,name,oak,oak\n",
        ),
        File("Tree", "action_flags,match_on,name,neighbours=>-name\nu*,name,ash,elm\nu*,name,oak,oak\n"),
        File(
            "Tree",
            "action_flags,match_on,name,neighbours=>=name\nu*,name,oak,ash\ncu*,name,fir,oak|elm\nd*,name,ash,\n",
        ),
    ),
    "seedlings and parents": of(
        "trees",
        TREES,
        File(
            "Tree",
            "action_flags,match_on,name,seedlings=>+name,parents=>=name\n"
            "u*,name,oak,elm|ash,\nu*,name,elm,elm,ash\nu*,name,ash,,elm|ash\ncu*,name,fir,oak,fir|elm\n",
        ),
    ),
    "a place in a team that is left and taken again": of(
        "people",
        [ONE, thing("Team", name="R"), thing("TeamPlace", team=Ref(1), person=Ref(0), role="captain")],
        "external_key,action_flags,teams=>-name\nk1,u*,R\n",
        "external_key,action_flags,teams=>+name\nk1,u*,R\n",
    ),
}

EXAMPLES = {**IDENTITY, **UNIQUE, **FAILING, **DELETES, **REFERENCES, **SEVERAL}
