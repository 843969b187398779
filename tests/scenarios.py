"""Small runs of every kind, for what must hold of all of them: counts that add up, dry runs that foresee."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nsync import SyncOptions
from tests.plan.known import link, link_gone
from tests.testapp.models import (
    Asset,
    Badge,
    Company,
    Contract,
    Currency,
    Employee,
    House,
    Lease,
    LooseNote,
    Passport,
    Person,
    Price,
    Product,
    Profile,
    Stock,
    Tag,
    Team,
    Tree,
)


@dataclass(frozen=True)
class Scenario:
    """What is there before, and one or more sources: ``model: text``."""

    sources: Mapping[str, str]
    arrange: Callable[[], Any] = lambda: None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> list[tuple[str, str, str]]:
        """Give system, model and text of each source."""
        return [("HR", f"testapp.{model}", text) for model, text in self.sources.items()]

    @property
    def lines(self) -> int:
        """Count the rows of all sources; no cell of a scenario holds a line break."""
        return sum(text.count("\n") - 1 for text in self.sources.values())

    def chosen(self, **options: Any) -> dict[str, Any]:
        """Give the options of the scenario, and others."""
        return {**self.options, **options}


def person(name: str, employee_id: str | None = None, key: str = "", system: str = "HR", **values: Any) -> Person:
    """Make a person, with a key if one is given."""
    made = Person.objects.create(first_name=name, employee_id=employee_id, **values)
    if key:
        link(made, key, system)
    return made


def two_persons() -> None:
    person("Bruce", "1", "k1", age=40)
    person("Dick", "2", "k2")


def displaceable() -> None:
    bruce = person("Bruce", "1", "k1")
    other = person("Other", "2", "e2", "ERP", manager=bruce)
    House.objects.create(address="of the other", owner=other)
    other.tags.add(Tag.objects.create(name="t"))


def a_family() -> None:
    """A person whose deletion takes a house, its rooms, a passport and places in teams along, some with keys."""
    bruce = person("Bruce", "1", "k1")
    house = House.objects.create(address="Manor", owner=bruce)
    house.rooms.create(name="Hall")
    link(house, "h1", "ERP")
    Passport.objects.create(number="P1", person=bruce)
    Team.objects.create(name="A").members.add(bruce)
    bruce.tags.add(Tag.objects.create(name="t"))
    person("Dick", "2", "k2", manager=bruce)


def needed() -> None:
    Contract.objects.create(person=person("Bruce", "1", "k1"), title="t")
    house = House.objects.create(address="Manor")
    Lease.objects.create(house=house, tenant="t")
    link(house, "h1")


def noted() -> None:
    house = House.objects.create(address="Manor")
    LooseNote.objects.create(house=house, text="t")
    link(house, "h1")


def held() -> None:
    """Objects that an unforced delete keeps, and one that is gone already."""
    link(person("Shared", "1", "k1"), "e1", "ERP")
    person("Other", "2", "k2")
    link(House.objects.create(address="Manor", owner=person("Owner", "3", "k3")), "h", "ERP")
    link_gone(Person, "k4")
    person("Free", "5", "k5")


def an_employee() -> None:
    alfred = Employee.objects.create(first_name="Alfred", staff_number="S1")
    link(alfred, "s1")
    House.objects.create(address="Flat", owner=alfred)
    link(Employee.objects.create(first_name="Held", staff_number="S2"), "s2")


def tagged() -> None:
    bruce = person("Bruce")
    bruce.tags.set([Tag.objects.create(name="a"), Tag.objects.create(name="b")])
    Tag.objects.create(name="c")
    Team.objects.create(name="A").members.add(bruce)


def trees() -> None:
    oak, elm = Tree.objects.create(name="oak"), Tree.objects.create(name="elm")
    Tree.objects.create(name="ash")
    oak.neighbours.add(elm)


def holders() -> None:
    bruce, dick = person("Bruce"), person("Dick")
    Passport.objects.create(number="P1", person=bruce)
    Passport.objects.create(number="P2", person=dick)
    Badge.objects.create(code="B1", person=bruce)
    Badge.objects.create(code="B2", person=dick)
    House.objects.create(address="Flat", owner=dick)


def a_shop() -> None:
    Currency.objects.create(code="EUR")
    spoon = Product.objects.create(sku="S1", name="Spoon")
    Price.objects.create(currency_id="EUR", product=spoon, amount=1)
    Product.objects.create(sku="S2", name="Fork", metadata={"a": 1})


def assets() -> None:
    link(Asset.objects.create(name="root"), "r")


def profiles() -> None:
    Profile.objects.create(login="a", first_name="Ann", last_name="Old")
    Profile.objects.create(login="b", first_name="Bob", last_name="Same")


SCENARIOS = {
    "creates": Scenario(
        {"Person": "external_key,action_flags,first_name,age\n1,c,A,1\n2,cu,B,2\n3,cu*,C,\n1,c,A,9\n,c,D,4\n"},
        options={"on_error": "skip"},
    ),
    "nothing": Scenario({"Person": "external_key,action_flags,first_name\n"}),
    "every flag": Scenario(
        {
            "Person": "action_flags,match_on,first_name,employee_id,age\n"
            "c,employee_id,X,1,1\nu,employee_id,X,1,1\nu,employee_id,Y,2,2\nu*,employee_id,Z,1,3\n"
            "cu,employee_id,X,3,1\ncu*,employee_id,X,2,5\nd,employee_id,,2,\nd*,employee_id,,2,\n,employee_id,,1,\n"
            "u,employee_id,X,9,1\n"
        },
        two_persons,
    ),
    "links": Scenario(
        {
            "Person": "external_key,action_flags,match_on,first_name,employee_id\n"
            "n,c,employee_id,Bruce,1\nm,u,employee_id,New,3\no,u*,employee_id,Bruce,1\n"
        },
        lambda: person("Bruce", "1") and person("Old", "3", "e", "ERP"),
    ),
    "several match": Scenario(
        {
            "Person": "external_key,action_flags,match_on,first_name,age\n"
            ",c,first_name,A,1\nk,u*,first_name,A,1\n,d*,first_name,A,\n,cu,first_name,A,1\nk9,u*,first_name,A,7\n"
        },
        lambda: person("A") and person("A") and person("B", None, "k9"),
    ),
    "displaced": Scenario(
        {"Person": "external_key,action_flags,match_on,employee_id,first_name\nk1,u*,employee_id,2,Bruce\n"},
        displaceable,
    ),
    "displaced, kept": Scenario(
        {"Person": "external_key,action_flags,match_on,employee_id,age\nk1,u*,employee_id,2,1\n"},
        displaceable,
        {"on_displaced": "keep", "on_error": "skip"},
    ),
    "unique values move on": Scenario(
        {
            "Person": "external_key,action_flags,match_on,employee_id,age\n"
            "k1,u*,employee_id,2,1\nk2,u*,employee_id,3,2\nk3,cu*,employee_id,1,3\n"
        },
        two_persons,
        {"set": (("first_name", "X"),)},
    ),
    "a swap": Scenario(
        {"Person": "external_key,action_flags,match_on,employee_id\nk1,u*,employee_id,2\nk2,u*,employee_id,1\n"},
        two_persons,
    ),
    "shared keys": Scenario(
        {"Person": "external_key,action_flags,match_on,employee_id,first_name\nn,cu*,employee_id,1,N\n"}, two_persons
    ),
    "deletes": Scenario({"Person": "external_key,action_flags\nk1,d*\nk2,d\nk1,d*\nk9,d\n"}, a_family),
    "deletes of nothing": Scenario(
        {"Person": "external_key,action_flags,match_on,employee_id\n,d,employee_id,1\n,d*,employee_id,9\nk9,d,,\n"},
        two_persons,
    ),
    "kept": Scenario(
        {
            "Person": "external_key,action_flags,match_on,employee_id\n"
            "k1,d,employee_id,1\nk2,d,employee_id,9\nk3,d,,\nk4,d,,\nk5,d,employee_id,5\n"
        },
        held,
    ),
    "protected": Scenario(
        {"Person": "external_key,action_flags\nk1,d*\nk1,d\n", "House": "external_key,action_flags\nh1,d*\n"},
        needed,
        {"on_error": "skip"},
    ),
    "refused deletion": Scenario(
        {"House": "external_key,action_flags,address\nh1,d*,\n2,c,New\n"}, noted, {"on_error": "skip"}
    ),
    "bad rows": Scenario(
        {
            "Person": "action_flags,match_on,first_name,age,employee_id\n"
            "c,first_name,A,old,\nx,first_name,B,1,\nc,nothing,C,1,\nc,first_name,D,4,\nc,first_name,,1,\n"
            "c,first_name,E,5,1\nc,first_name,F,6,1\nc,first_name,G,7,,too many\nc,first_name,H\n"
        }
    ),
    "constraints": Scenario(
        {
            "Stock": "action_flags,match_on,shelf,article,quantity\n"
            "c,shelf article,s,a,1\nc,shelf article,s,b,-1\nu*,shelf article,s,a,-5\nc,article,t,a,2\nc,article,s,c,1\n"
        },
        lambda: Stock.objects.create(shelf="s", article="x"),
        {"on_error": "skip"},
    ),
    "references": Scenario(
        {
            "Person": "external_key,action_flags,first_name,manager=>external_key,company=>name\n"
            "1,c,A,2,W\n2,cu*,B,1,nobody\n3,cu*,C,3,\n1,u*,A,9,W\n2,u,B,3,W\n"
        },
        lambda: Company.objects.create(name="W"),
    ),
    "required references": Scenario(
        {
            "Room": "external_key,action_flags,name,house=>address\n1,cu*,Hall,Manor\n2,c,Cell,nowhere\n",
            "House": "external_key,action_flags,address,owner=>first_name\n1,cu*,Manor,Bruce\n2,c,Flat,nobody\n",
            "Person": "external_key,action_flags,first_name,houses=>address\n1,cu*,Bruce,Flat\n",
        },
        options={"on_error": "skip"},
    ),
    "required, or all back": Scenario(
        {"Room": "external_key,action_flags,name,house=>address\n1,cu*,Hall,Manor\n2,c,Cell,nowhere\n3,x,,\n"}
    ),
    "missing references as errors": Scenario(
        {"Node": "action_flags,match_on,code,name,parent=>code\nc,code,2,a,1\nc,code,3,b,9\nc,code,1,c,\n"},
        options={"on_missing_reference": "error", "on_error": "skip"},
    ),
    "many-to-many": Scenario(
        {
            "Person": "action_flags,match_on,first_name,tags=>=name,teams=>+name\n"
            "u*,first_name,Bruce,b|c,A\nc,first_name,New,a|b,A\nu*,first_name,New,a|b,\nu*,first_name,New,z,B\n",
            "Tag": "action_flags,match_on,name,persons=>-first_name\nu*,name,b,Bruce|New\nc,name,z,Bruce\n",
        },
        tagged,
    ),
    "symmetrical": Scenario(
        {
            "Tree": "action_flags,match_on,name,neighbours=>=name,seedlings=>+name\n"
            "u*,name,elm,ash,elm\nu*,name,oak,,ash\nu*,name,ash,elm,\nu,name,oak,ash,\ncu*,name,new,oak|new,new\n"
        },
        trees,
    ),
    "symmetrical, seen from the other side": Scenario(
        {
            "Tree": "action_flags,match_on,name,neighbours=>+name\nu*,name,ash,oak\nu,name,oak,elm\n"
            "u*,name,oak,ash\nc,name,n1,oak\nu,name,oak,n1\nu*,name,oak,n1\n"
        },
        lambda: [Tree.objects.create(name=name) for name in ("oak", "ash", "elm")],
    ),
    "symmetrical, removed": Scenario(
        {"Tree": "action_flags,match_on,name,neighbours=>-name\nu*,name,elm,oak\nu*,name,oak,elm\n"}, trees
    ),
    "reverse sides": Scenario(
        {
            "Person": "action_flags,match_on,first_name,houses=>address,passport=>number,badge=>code\n"
            "u*,first_name,Bruce,Flat,P2,\nu,first_name,Dick,Flat,P1,\nu*,first_name,Bruce,,,B2\n"
            "cu*,first_name,New,Flat,P2,B1\n"
        },
        holders,
        {"on_error": "skip"},
    ),
    "inheritance": Scenario(
        {
            "Employee": "external_key,action_flags,match_on,staff_number,first_name,age,houses=>address\n"
            "s1,u*,staff_number,S1,Al,70,\nn1,cu*,staff_number,S3,New,,Flat\nn1,u*,staff_number,S4,New,1,\n"
            "s2,d,,,,,\nn1,d*,,,,,\n",
            "Person": "external_key,action_flags,match_on,first_name,age\np,u*,first_name,Al,71\nq,d*,first_name,Al,\n",
        },
        an_employee,
    ),
    "a proxy": Scenario(
        {"Contractor": "external_key,action_flags,first_name,age\n1,cu*,Bob,1\n1,u*,Bob,2\n1,d*,,\n2,c,Tim,\n"}
    ),
    "keys of other kinds": Scenario(
        {
            "Asset": "external_key,action_flags,match_on,name,parent=>external_key\n"
            "a,cu*,name,A,r\nb,cu*,name,B,a\nr,d*,,,\n",
            "Currency": "action_flags,match_on,code,name\ncu*,code,EUR,Euro\ncu*,code,GBP,Pound\nd*,code,GBP,\n",
        },
        assets,
    ),
    "to_field": Scenario(
        {
            "Product": "action_flags,match_on,name,sku,prices=>amount\nu*,name,Fork,S9,1\nu*,name,Spoon,S7,\n",
            "Price": "action_flags,match_on,amount,product=>name,currency\n"
            "cu*,amount,2,Spoon,EUR\ncu*,amount,3,x,EUR\n",
        },
        a_shop,
        {"on_error": "skip"},
    ),
    "a referred value changes": Scenario(
        {"Product": "action_flags,match_on,name,sku\nu*,name,Spoon,S9\nc,name,Knife,S3\n"}, a_shop, {"on_error": "skip"}
    ),
    "values of every kind": Scenario(
        {
            "Product": "action_flags,match_on,sku,name,price,status,metadata,weight,released,duration,ref,quantity\n"
            'cu*,sku,S1,Spoon,1.5,On sale,"{""b"": [1, 2.5, null]}",0.1,2024-01-01T10:00Z,1 02:03:04,'
            "6b0c1c1e-0b0a-4b52-8a3e-0b8f9d1d7a10,3\n"
            "u*,sku,S2,Fork,,,,,,,,\ncu*,sku,S5,,1.505,,,,,,,\ncu*,sku,S6,,1,,not json,,,,,\n"
        },
        a_shop,
        {"on_error": "skip"},
    ),
    "properties": Scenario(
        {
            "Profile": "action_flags,match_on,login,full_name,secret\n"
            "u*,login,a,Ann New,\nu*,login,b,Bob Same,\nc,login,c,Cid Ernst,xyz\nu,login,b,Other Name,\n"
        },
        profiles,
    ),
    "defaults of the database": Scenario(
        {"DbDefault": "action_flags,match_on,name,quantity,colour\nc,name,a,2,\ncu*,name,b,,red\nu*,name,a,5,blue\n"}
    ),
    "given primary keys": Scenario(
        {"Person": "action_flags,match_on,pk,first_name\nc,first_name,900,A\nc,first_name,900,B\nc,first_name,,C\n"},
        options={"map": (("pk", "pk"),), "on_error": "skip"},
    ),
    "an own save()": Scenario(
        {"Saved": "external_key,action_flags,match_on,name,value\n1,cu*,name,A,x\n1,u*,name,A,y\n1,d*,,,\n"}
    ),
    "validated": Scenario(
        {"Person": "action_flags,match_on,first_name,email\nc,first_name,A,no mail\nc,first_name,B,b@example.com\n"},
        options={"validate": True, "on_error": "skip"},
    ),
}


def options_of(scenario: Scenario, **others: Any) -> SyncOptions:
    """Give the options of a run of a scenario."""
    return SyncOptions(**scenario.chosen(**others))
