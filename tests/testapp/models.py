"""Models that the tests sync: persons and houses, and one model for each peculiarity that a rule mentions."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

from django import VERSION as DJANGO_VERSION
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import Deferrable, F, Max, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.text import slugify
from django.utils.translation import gettext_lazy

HAS_DB_CASCADE = hasattr(models, "DB_CASCADE")  # Django 6.1: the database itself deletes what hangs on an object

# --- persons and houses ---------------------------------------------------------------------------------------------


class Company(models.Model):
    name = models.CharField(max_length=100, unique=True)
    city = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    first_name = models.CharField(max_length=50)
    last_name = models.CharField(max_length=50, blank=True)
    employee_id = models.CharField(max_length=20, unique=True, null=True, blank=True)
    age = models.IntegerField(null=True, blank=True)
    hair_colour = models.CharField(max_length=20, default="Unknown")
    email = models.EmailField(blank=True)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, null=True, blank=True, related_name="staff")
    manager = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="reports")
    nickname = models.CharField(max_length=50, null=True, blank=True)
    birthday = models.DateField(null=True, blank=True)
    salary = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    active = models.BooleanField(default=True)
    tags = models.ManyToManyField(Tag, related_name="persons", blank=True)
    modified = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class House(models.Model):
    address = models.CharField(max_length=100)
    country = models.CharField(max_length=50, blank=True)
    floors = models.IntegerField(null=True, blank=True)
    owner = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, blank=True, related_name="houses")

    def __str__(self) -> str:
        return self.address


class Room(models.Model):
    house = models.ForeignKey(House, on_delete=models.CASCADE, related_name="rooms")
    name = models.CharField(max_length=50)


class Passport(models.Model):
    """Its holder may be missing: a forced reverse one-to-one frees the previous one (rule R3)."""

    number = models.CharField(max_length=20, unique=True)
    person = models.OneToOneField(Person, on_delete=models.CASCADE, null=True, blank=True, related_name="passport")


class Badge(models.Model):
    """Its holder may not be missing: what would free it is a row error (rule R3)."""

    code = models.CharField(max_length=20, unique=True)
    person = models.OneToOneField(Person, on_delete=models.CASCADE, related_name="badge")


class Contract(models.Model):
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="contracts")
    title = models.CharField(max_length=100)


class Lease(models.Model):
    house = models.ForeignKey(House, on_delete=models.RESTRICT, related_name="leases")
    tenant = models.CharField(max_length=100)


class LooseNote(models.Model):
    """Django does nothing when its house goes; the database may refuse."""

    house = models.ForeignKey(House, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="loose_notes")
    text = models.CharField(max_length=100)


# --- many-to-many relations -----------------------------------------------------------------------------------------


class Club(models.Model):
    name = models.CharField(max_length=50, unique=True)
    members = models.ManyToManyField(Person, through="Membership", related_name="clubs")


class Membership(models.Model):
    """Has a required field of its own, so ``clubs`` cannot be written from a reference column (rule R1)."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    club = models.ForeignKey(Club, on_delete=models.CASCADE)
    since = models.DateField()


class Team(models.Model):
    name = models.CharField(max_length=50, unique=True)
    members = models.ManyToManyField(Person, through="TeamPlace", related_name="teams")


class TeamPlace(models.Model):
    """Has a field of its own too, but with a default."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    team = models.ForeignKey(Team, on_delete=models.CASCADE)
    role = models.CharField(max_length=20, default="player")


class Tree(models.Model):
    name = models.CharField(max_length=50, unique=True)
    neighbours = models.ManyToManyField("self", blank=True)
    seedlings = models.ManyToManyField("self", symmetrical=False, related_name="parents", blank=True)


class Node(models.Model):
    name = models.CharField(max_length=50)
    code = models.CharField(max_length=20, unique=True)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")


# --- inheritance ----------------------------------------------------------------------------------------------------


class Employee(Person):
    """A table of its own, joined to Person's."""

    staff_number = models.CharField(max_length=20, unique=True)


class Contractor(Person):
    class Meta:
        proxy = True


class AbstractThing(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        abstract = True


# --- primary keys and what refers to them ---------------------------------------------------------------------------


class Asset(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=50)
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="parts")


class Currency(models.Model):
    code = models.CharField(max_length=3, primary_key=True)
    name = models.CharField(max_length=50, blank=True)


class Product(models.Model):
    """One field of (nearly) every kind."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ON_SALE = "sale", "On sale"
        GONE = "gone", "No longer made"

    class Priority(models.IntegerChoices):
        LOW = 1, "Low"
        NORMAL = 2, "Normal"
        HIGH = 3, "High"

    sku = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=100, blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    priority = models.IntegerField(choices=Priority, default=Priority.NORMAL)
    metadata = models.JSONField(default=dict, blank=True)
    notes = models.TextField(null=True, blank=True)
    weight = models.FloatField(null=True, blank=True)
    released = models.DateTimeField(null=True, blank=True)
    opens = models.TimeField(null=True, blank=True)
    duration = models.DurationField(null=True, blank=True)
    ref = models.UUIDField(null=True, blank=True)
    quantity = models.PositiveSmallIntegerField(default=0)
    big = models.BigIntegerField(null=True, blank=True)
    is_public = models.BooleanField(null=True, blank=True)
    slug = models.SlugField(blank=True)


class Price(models.Model):
    currency = models.ForeignKey(Currency, on_delete=models.CASCADE, related_name="prices")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, to_field="sku", related_name="prices")
    amount = models.DecimalField(max_digits=10, decimal_places=2)


# --- constraints ----------------------------------------------------------------------------------------------------


class Stock(models.Model):
    """At most one row per shelf and article, never less than nothing, and one label while in use."""

    shelf = models.CharField(max_length=20)
    article = models.CharField(max_length=20)
    quantity = models.IntegerField(default=0)
    label = models.CharField(max_length=20, blank=True)
    in_use = models.BooleanField(default=True)

    class Meta:
        unique_together = [("shelf", "article")]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=0), name="stock_quantity_not_negative"),
            models.UniqueConstraint(
                fields=["label"], condition=Q(in_use=True) & ~Q(label=""), name="stock_label_unique_in_use"
            ),
        ]


class Folded(models.Model):
    """Its name ignores case in the database, so rule I3 compares it as the database does."""

    COLLATIONS = {"sqlite": "NOCASE", "postgresql": "testapp_folded", "mysql": "utf8mb4_general_ci"}

    name = models.CharField(max_length=50, unique=True, db_collation=COLLATIONS[connection.vendor])
    alias = models.CharField(max_length=50, blank=True, db_collation=COLLATIONS[connection.vendor])
    value = models.CharField(max_length=50, blank=True)

    class Meta:
        required_db_vendor = connection.vendor  # a collation is known to one vendor only: no table on "other"


# --- rows that hide, columns that compute, saves that interfere -----------------------------------------------------


class VisibleManager(models.Manager):  # type: ignore[type-arg]  # it takes arguments only in the stubs
    def get_queryset(self) -> models.QuerySet[Hidden]:
        return super().get_queryset().filter(is_hidden=False)


class Hidden(models.Model):
    """Its default manager does not show every row; its base manager does."""

    name = models.CharField(max_length=50, unique=True)
    value = models.CharField(max_length=50, blank=True)
    is_hidden = models.BooleanField(default=False)

    objects = VisibleManager()


class Profile(models.Model):
    """Columns that are properties: one with getter and setter, one only settable, one only readable (rule V6)."""

    login = models.CharField(max_length=50, unique=True)
    first_name = models.CharField(max_length=50, blank=True)
    last_name = models.CharField(max_length=50, blank=True)
    secret_hash = models.CharField(max_length=100, blank=True)

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @full_name.setter
    def full_name(self, text: str) -> None:
        self.first_name, _, self.last_name = text.partition(" ")

    def set_secret(self, text: str) -> None:
        self.secret_hash = text[::-1]

    secret = property(None, set_secret)

    @property
    def initials(self) -> str:
        return self.first_name[:1] + self.last_name[:1]


class Saved(models.Model):
    """Its ``save()`` changes what it was given."""

    name = models.CharField(max_length=50, unique=True)
    value = models.CharField(max_length=50, blank=True)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name = self.name.upper()
        super().save(*args, **kwargs)


class SavedBare(models.Model):
    """Its ``save()`` takes no arguments, as many in old projects do not."""

    name = models.CharField(max_length=50, unique=True)
    value = models.CharField(max_length=50, blank=True)

    def save(self) -> None:  # type: ignore[override]  # that it overrides badly is its purpose
        self.value = self.value.strip()
        super().save()


class Signalled(models.Model):
    """Nothing special; tests connect receivers to it."""

    name = models.CharField(max_length=50, unique=True)
    value = models.CharField(max_length=50, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)


class DbDefault(models.Model):
    """The database fills two columns and computes a third."""

    name = models.CharField(max_length=50, unique=True)
    colour = models.CharField(max_length=20, db_default="grey")
    created = models.DateTimeField(db_default=Now())
    quantity = models.IntegerField(default=1)
    doubled = models.GeneratedField(expression=F("quantity") * 2, output_field=models.IntegerField(), db_persist=True)


class CommaListField(models.TextField):  # type: ignore[type-arg]  # as above
    """A list of texts, kept as one text with commas."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> list[str] | None:
        return self.to_python(value)

    def to_python(self, value: Any) -> list[str] | None:
        if value is None:
            return None
        if isinstance(value, list):
            return value
        return [part.strip() for part in value.split(",")] if value else []

    def get_prep_value(self, value: Any) -> str | None:
        return ",".join(value) if isinstance(value, list) else value

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj)) or ""


class Recipe(models.Model):
    name = models.CharField(max_length=50, unique=True)
    ingredients = CommaListField(default=list, blank=True)


class GenericNote(models.Model):
    # No constraint: an app without migrations gets its tables before those of apps that have some.
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, null=True, blank=True, db_constraint=False)
    object_id = models.PositiveBigIntegerField(null=True, blank=True)
    target = GenericForeignKey("content_type", "object_id")
    text = models.CharField(max_length=100)


if HAS_DB_CASCADE:

    class Yard(models.Model):
        name = models.CharField(max_length=50, unique=True)

    class Shed(models.Model):
        """The database deletes it with its yard; Django is not asked."""

        yard = models.ForeignKey(Yard, on_delete=models.DB_CASCADE, related_name="sheds")
        name = models.CharField(max_length=50)


# --- what is synced by whole columns: no parents, no children, nothing of its own ------------------------------------


class Depot(models.Model):
    name = models.CharField(max_length=50, unique=True)
    city = models.CharField(max_length=50, blank=True)


class Parcel(models.Model):
    """Columns of the most usual kinds; a reference that may be missing."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "On its way"

    code = models.CharField(max_length=20, unique=True, null=True, blank=True)
    label = models.CharField(max_length=50)
    note = models.CharField(max_length=50, blank=True)
    remark = models.TextField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status, default="waiting")
    pieces = models.PositiveSmallIntegerField(null=True, blank=True)
    weight = models.FloatField(null=True, blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    due = models.DateField(null=True, blank=True)
    until = models.TimeField(null=True, blank=True)
    sent = models.DateTimeField(null=True, blank=True)
    fragile = models.BooleanField(default=False)
    ref = models.UUIDField(null=True, blank=True)
    depot = models.ForeignKey(Depot, on_delete=models.SET_NULL, null=True, blank=True, related_name="parcels")
    modified = models.DateTimeField(auto_now=True)


class Crate(models.Model):
    """Its defaults are no plain texts and numbers, but equal to some."""

    class Size(models.IntegerChoices):
        SMALL = 1, "Small"
        LARGE = 2, "Large"

    code = models.CharField(max_length=20)
    status = models.CharField(max_length=10, choices=Parcel.Status, default=Parcel.Status.WAITING)
    size = models.IntegerField(choices=Size, default=Size.LARGE)
    label = models.CharField(max_length=20, default=mark_safe("a\\b"))
    title = models.CharField(max_length=20, default=gettext_lazy("Crate"))


class Shelf(models.Model):
    """It must stand in a depot."""

    depot = models.ForeignKey(Depot, on_delete=models.CASCADE, related_name="shelves")
    number = models.IntegerField()


# --- real data: airports and what belongs to them -------------------------------------------------------------------


class Country(models.Model):
    code = models.CharField(max_length=2, unique=True)
    name = models.CharField(max_length=100, blank=True)
    alpha3 = models.CharField(max_length=3, blank=True)
    numeric_code = models.CharField(max_length=3, blank=True)
    region = models.CharField(max_length=50, blank=True)


class Airport(models.Model):
    icao = models.CharField(max_length=10, unique=True)
    iata = models.CharField(max_length=3, blank=True)
    name = models.CharField(max_length=100, blank=True)
    city = models.CharField(max_length=100, blank=True)
    subd = models.CharField(max_length=100, blank=True)
    country = models.ForeignKey(Country, on_delete=models.SET_NULL, null=True, blank=True, related_name="airports")
    elevation = models.FloatField(null=True, blank=True)
    lat = models.FloatField(null=True, blank=True)
    lon = models.FloatField(null=True, blank=True)
    tz = models.CharField(max_length=50, blank=True)
    lid = models.CharField(max_length=10, blank=True)


class Runway(models.Model):
    airport = models.ForeignKey(Airport, on_delete=models.CASCADE, null=True, blank=True, related_name="runways")
    airport_ident = models.CharField(max_length=10)
    length_ft = models.IntegerField(null=True, blank=True)
    width_ft = models.IntegerField(null=True, blank=True)
    surface = models.CharField(max_length=100, blank=True)
    lighted = models.BooleanField(default=False)
    closed = models.BooleanField(default=False)
    le_ident = models.CharField(max_length=10, blank=True)
    le_latitude_deg = models.FloatField(null=True, blank=True)
    le_longitude_deg = models.FloatField(null=True, blank=True)
    le_elevation_ft = models.FloatField(null=True, blank=True)
    le_heading_degt = models.FloatField(null=True, blank=True)
    le_displaced_threshold_ft = models.FloatField(null=True, blank=True)
    he_ident = models.CharField(max_length=10, blank=True)
    he_latitude_deg = models.FloatField(null=True, blank=True)
    he_longitude_deg = models.FloatField(null=True, blank=True)
    he_elevation_ft = models.FloatField(null=True, blank=True)
    he_heading_degt = models.FloatField(null=True, blank=True)
    he_displaced_threshold_ft = models.FloatField(null=True, blank=True)


class Navaid(models.Model):
    filename = models.CharField(max_length=100, blank=True)
    ident = models.CharField(max_length=10)
    name = models.CharField(max_length=100, blank=True)
    type = models.CharField(max_length=10, blank=True)
    frequency_khz = models.IntegerField(null=True, blank=True)
    latitude_deg = models.FloatField(null=True, blank=True)
    longitude_deg = models.FloatField(null=True, blank=True)
    elevation_ft = models.IntegerField(null=True, blank=True)
    country = models.ForeignKey(Country, on_delete=models.SET_NULL, null=True, blank=True, related_name="navaids")
    dme_frequency_khz = models.IntegerField(null=True, blank=True)
    dme_channel = models.CharField(max_length=10, blank=True)
    dme_latitude_deg = models.FloatField(null=True, blank=True)
    dme_longitude_deg = models.FloatField(null=True, blank=True)
    dme_elevation_ft = models.IntegerField(null=True, blank=True)
    slaved_variation_deg = models.FloatField(null=True, blank=True)
    magnetic_variation_deg = models.FloatField(null=True, blank=True)
    usage_type = models.CharField(max_length=10, blank=True)
    power = models.CharField(max_length=10, blank=True)
    associated_airport_ident = models.CharField(max_length=10, blank=True)
    airport = models.ForeignKey(Airport, on_delete=models.SET_NULL, null=True, blank=True, related_name="navaids")


# --- fields that fill themselves ------------------------------------------------------------------------------------


class TitleSlugField(models.SlugField):  # type: ignore[type-arg]  # as above
    """Made of the title at each save."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value: str = slugify(model_instance.title)  # type: ignore[attr-defined]
        setattr(model_instance, self.attname, value)
        return value


class Slugged(models.Model):
    title = models.CharField(max_length=100)
    slug = TitleSlugField(blank=True)
    text = models.CharField(max_length=100, blank=True)


class Stamped(models.Model):
    title = models.CharField(max_length=100)
    text = models.CharField(max_length=100, blank=True)
    added = models.DateTimeField(auto_now_add=True)


# --- fields and tables that are peculiar in what they store or refuse -----------------------------------------------


def next_number() -> int:
    """Give the number after the highest one."""
    return (Ticket.objects.aggregate(last=Max("number"))["last"] or 0) + 1


class Ticket(models.Model):
    title = models.CharField(max_length=50)
    number = models.IntegerField(default=next_number)


class Journal(models.Model):
    """Its day is a default that looks at nothing but the clock."""

    text = models.CharField(max_length=50)
    day = models.DateField(default=date.today)
    at = models.DateTimeField(default=timezone.now)
    ref = models.UUIDField(default=uuid.uuid4)


class FreeSlugField(models.SlugField):  # type: ignore[type-arg]  # as above
    """Made of the title where it is empty; with a number if another object has it."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value: str = getattr(model_instance, self.attname)
        if not value:
            others = type(model_instance)._base_manager.exclude(pk=model_instance.pk)
            base = value = slugify(model_instance.title)  # type: ignore[attr-defined]
            number = 2
            while others.filter(**{self.attname: value}).exists():
                value, number = f"{base}-{number}", number + 1
            setattr(model_instance, self.attname, value)
        return value


class Post(models.Model):
    code = models.CharField(max_length=20)
    title = models.CharField(max_length=50)
    slug = FreeSlugField(blank=True)


class LoudField(models.CharField):  # type: ignore[type-arg]  # as above
    """The database writes it in capitals."""

    if DJANGO_VERSION >= (6, 1):

        def get_placeholder_sql(self, value: Any, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
            return "UPPER(%s)", (value,)

    else:

        def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
            return "UPPER(%s)"


class Loud(models.Model):
    name = models.CharField(max_length=50, unique=True)
    code = LoudField(max_length=50, blank=True)


class Trimming:
    """What is assigned to the attribute loses its blanks and its capitals."""

    def __init__(self, field: Any) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance.__dict__.get(self.field.attname)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value.strip().lower() if isinstance(value, str) else value


class TrimmedField(models.CharField):  # type: ignore[type-arg]  # as above
    descriptor_class = Trimming


class Trimmed(models.Model):
    name = models.CharField(max_length=50, unique=True)
    code = TrimmedField(max_length=50, blank=True)


class PickyField(models.CharField):  # type: ignore[type-arg]  # as above
    """Refuses a value only when it is written."""

    def get_prep_value(self, value: Any) -> Any:
        if value == "boom":
            raise ValueError("no boom please")
        return super().get_prep_value(value)


class Picky(models.Model):
    name = models.CharField(max_length=50, unique=True)
    code = PickyField(max_length=50, blank=True)


class Document(models.Model):
    name = models.CharField(max_length=50, unique=True)
    file = models.FileField(null=True, blank=True)


class Word(models.Model):
    """The database computes what is unique, and what a constraint looks at."""

    name = models.CharField(max_length=50)
    note = models.CharField(max_length=50, blank=True)
    quantity = models.IntegerField(default=0)
    folded = models.GeneratedField(
        expression=Lower("name"), output_field=models.CharField(max_length=50), db_persist=True, unique=True
    )
    doubled = models.GeneratedField(expression=F("quantity") * 2, output_field=models.IntegerField(), db_persist=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(doubled__gte=0), name="word_doubled_not_negative")]


class Branch(models.Model):
    """Django does nothing when its parent goes; the database may refuse."""

    name = models.CharField(max_length=50, unique=True)
    parent = models.ForeignKey("self", on_delete=models.DO_NOTHING, null=True, blank=True, related_name="twigs")


class Small(models.Model):
    """Its primary key holds no large numbers."""

    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=50)


class Sailor(models.Model):
    name = models.CharField(max_length=50, unique=True)


class Ship(models.Model):
    name = models.CharField(max_length=50, unique=True)
    crew = models.ManyToManyField(Sailor, through="Berth", related_name="ships")


class Berth(models.Model):
    """One for each sailor, on whatever ship."""

    sailor = models.OneToOneField(Sailor, on_delete=models.CASCADE)
    ship = models.ForeignKey(Ship, on_delete=models.CASCADE)


class Port(models.Model):
    """A primary key of text, in the table of a many-to-many relation too."""

    code = models.CharField(max_length=10, primary_key=True)
    name = models.CharField(max_length=50, blank=True)
    sailors = models.ManyToManyField(Sailor, related_name="ports", blank=True)


class Visit(models.Model):
    """All that there is of it, Django fills by itself."""

    began = models.DateTimeField(auto_now_add=True)


class DepotDetail(models.Model):
    """Its primary key is the depot that it belongs to."""

    depot = models.OneToOneField(Depot, primary_key=True, on_delete=models.CASCADE)
    text = models.CharField(max_length=20, blank=True)


# --- what a deletion takes along unseen, and what a table has not though the model says so ---------------------------


class Letter(models.Model):
    """Belongs to an object of any kind."""

    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, null=True, db_constraint=False)
    object_id = models.PositiveBigIntegerField(null=True)
    target = GenericForeignKey()


class Folder(models.Model):
    """Its letters go with it; it may name one of another folder."""

    code = models.CharField(max_length=20, unique=True)
    label = models.CharField(max_length=20, blank=True)
    best = models.ForeignKey(Letter, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    letters = GenericRelation(Letter)


class Turn(models.Model):
    """Unique at the end of a transaction only: SQLite and MariaDB leave that out."""

    code = models.CharField(max_length=20)
    label = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="turn_code", deferrable=Deferrable.DEFERRED)]


class Arrival(models.Model):
    """Its default is an expression that the database computes."""

    code = models.CharField(max_length=20, unique=True)
    at = models.DateTimeField(default=Now())


class Mistaken(models.Model):
    """Its default is none that its field takes."""

    code = models.CharField(max_length=20, unique=True)
    number = models.IntegerField(default="x")
