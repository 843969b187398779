"""Cells become values by their field, the same on every database (rules V1, V3, V4; I3 for lookups)."""

from __future__ import annotations

import datetime
import enum
import json
import time
import uuid
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy, override
from hypothesis import given
from hypothesis import strategies as st

from nsync.actions import EMPTY
from nsync.changes import ERROR_CODES
from nsync.decode import values
from nsync.decode.values import CellError
from nsync.errors import ConfigError
from nsync.options import SyncOptions

OPTIONS = SyncOptions()
COMMA = SyncOptions(decimal_comma=True)


def named(field):
    field.set_attributes_from_name("x")
    return field


def convert(field, cell, options=OPTIONS):
    return values.converter(named(field), options)(cell)


def code(field, cell, options=OPTIONS):
    with pytest.raises(CellError) as caught:
        convert(field, cell, options)
    assert caught.value.code in ERROR_CODES
    assert str(caught.value) == caught.value.message != ""
    return caught.value.code


class Colour(models.TextChoices):
    RED = "r", "Red"
    BLUE = "b", "Blue"


class Celsius:
    def __init__(self, degrees):
        self.degrees = degrees

    def __eq__(self, other):
        return isinstance(other, Celsius) and self.degrees == other.degrees

    __hash__ = None


class CelsiusField(models.IntegerField):
    """A field with a type of its own: 20C."""

    def to_python(self, value):
        if not str(value).endswith("C"):
            raise ValidationError("Write a temperature such as %(example)s.", params={"example": "20C"})
        return Celsius(int(str(value)[:-1]))


class ShoutingField(models.CharField):
    def to_python(self, value):
        return str(value).upper()


class EvenField(models.IntegerField):
    def to_python(self, value):
        return int(value) * 2


class CentField(models.DecimalField):
    def to_python(self, value):
        return Decimal(value) / 100


def decimal_field(**options):
    return models.DecimalField(max_digits=6, decimal_places=2, **options)


def decimal_fraction():
    return models.DecimalField(max_digits=2, decimal_places=2)


GOOD = [
    (models.IntegerField, "42", 42),
    (models.IntegerField, " +42\t", 42),
    (models.IntegerField, "-0", 0),
    (models.IntegerField, "000000000000000000000000000042", 42),
    (models.IntegerField, "-2147483648", -2147483648),
    (models.BigIntegerField, "9223372036854775807", 2**63 - 1),
    (models.AutoField, "7", 7),
    (decimal_field, "1.5", Decimal("1.50")),
    (decimal_field, "9999.99", Decimal("9999.99")),
    (decimal_field, "0001.5000000", Decimal("1.50")),
    (decimal_field, "1E3", Decimal("1000.00")),
    (decimal_field, ".5", Decimal("0.50")),
    (decimal_field, "0e999999999999999999999999", Decimal("0.00")),
    (decimal_fraction, "0.99", Decimal("0.99")),
    (models.FloatField, "1e-3", 0.001),
    (models.FloatField, "-.5", -0.5),
    (models.FloatField, "0e-999", 0.0),
    (models.BooleanField, " TRUE ", True),
    (models.BooleanField, "n", False),
    (models.BooleanField, "Off", False),
    (models.BooleanField, "1", True),
    (models.UUIDField, "{3F2504E0-4F89-41D3-9A0C-0305E82C3301}", uuid.UUID("3f2504e04f8941d39a0c0305e82c3301")),
    (models.UUIDField, "3f2504e04f8941d39a0c0305e82c3301", uuid.UUID("3f2504e04f8941d39a0c0305e82c3301")),
    (models.JSONField, ' {"a": [1, 1.5, null, true]} ', {"a": [1, 1.5, None, True]}),
    (models.BinaryField, "SGVsbG8=", b"Hello"),
    (models.GenericIPAddressField, " 10.0.0.1 ", "10.0.0.1"),
    (models.GenericIPAddressField, "2001:DB8:0::1", "2001:db8::1"),
    (models.TextField, "  kept as it is\n", "  kept as it is\n"),
    (models.TextField, " ", " "),
    (models.EmailField, "no address, but text", "no address, but text"),
    (models.FileField, "letters/a.txt", "letters/a.txt"),
    (CelsiusField, " 20C ", Celsius(20)),
    (lambda: ShoutingField(max_length=5), " hey ", " HEY "),
]


@pytest.mark.parametrize(("field", "cell", "value"), GOOD)
def test_a_cell_becomes_its_fields_value(field, cell, value):
    """V1"""
    result = convert(field(), cell)

    assert result == value
    assert type(result) is type(value)


BAD = [
    (models.IntegerField, "4.0", "invalid-integer"),
    (models.IntegerField, "1_000", "invalid-integer"),
    (models.IntegerField, "1,000", "invalid-integer"),
    (models.IntegerField, "٤٢", "invalid-integer"),
    (models.IntegerField, "+ 42", "invalid-integer"),
    (models.IntegerField, "4\x002", "invalid-integer"),
    (models.IntegerField, "2147483648", "out-of-range"),
    (models.SmallIntegerField, "40000", "out-of-range"),
    (models.PositiveSmallIntegerField, "40000", "out-of-range"),
    (models.PositiveIntegerField, "-1", "out-of-range"),
    (models.PositiveBigIntegerField, str(2**63), "out-of-range"),
    (models.BigAutoField, str(2**63), "out-of-range"),
    (models.BigIntegerField, "9" * 10_000, "out-of-range"),
    (decimal_field, "nan", "invalid-decimal"),
    (decimal_field, "1,5", "invalid-decimal"),
    (decimal_field, "1_0", "invalid-decimal"),
    (decimal_field, "١", "invalid-decimal"),
    (decimal_field, ".", "invalid-decimal"),
    (decimal_field, "10000", "too-many-digits"),
    (decimal_field, "1e999999999", "too-many-digits"),
    (decimal_field, "1e99999999999999999999999999", "too-many-digits"),
    (decimal_field, "9" * 10_000, "too-many-digits"),
    (decimal_field, "1.005", "decimals-lost"),
    (decimal_field, "1e-99999999999999999999999999", "decimals-lost"),
    (decimal_fraction, "1", "too-many-digits"),
    (models.FloatField, "inf", "invalid-float"),
    (models.FloatField, "NaN", "invalid-float"),
    (models.FloatField, "0x1p3", "invalid-float"),
    (models.FloatField, "1e999", "out-of-range"),
    (models.FloatField, "1e-999", "out-of-range"),
    (models.BooleanField, "2", "invalid-boolean"),
    (models.UUIDField, "3f2504e0_4f89_41d3_9a0c_0305e82c3301", "invalid-uuid"),
    (models.UUIDField, "3_2504e04f8941d39a0c0305e82c3301", "invalid-uuid"),
    (models.JSONField, "{'a': 1}", "invalid-json"),
    (models.JSONField, "[NaN]", "invalid-json"),
    (models.JSONField, "-Infinity", "invalid-json"),
    (models.JSONField, "[1e999]", "invalid-json"),
    (models.JSONField, "9" * 10_000, "invalid-json"),
    (models.JSONField, "[" * 100_000, "invalid-json"),
    (models.JSONField, "[" * 32 + "]" * 32, "invalid-json"),
    (models.JSONField, "null", "invalid-json"),
    (models.JSONField, r'{"a": ["b\u0000"]}', "nul-character"),
    (models.JSONField, r'{"a\u0000": 1}', "nul-character"),
    (models.JSONField, r'"\ud800"', "invalid-value"),
    (models.BinaryField, "no-base-64", "invalid-value"),
    (models.GenericIPAddressField, "10.0.0.256", "invalid-value"),
    (lambda: models.GenericIPAddressField(protocol="IPv4"), "::1", "invalid-value"),
    (lambda: models.CharField(max_length=3), "four", "too-long"),
    (models.FileField, "a" * 101, "too-long"),
    (models.SlugField, "a" * 51, "too-long"),
    (models.TextField, "a\0b", "nul-character"),
    (models.TextField, "a\ud800", "invalid-value"),
    (CelsiusField, "20F", "invalid-value"),
    (CelsiusField, "xC", "invalid-value"),
    (lambda: ShoutingField(max_length=1), "ß", "too-long"),
    (EvenField, "1073741824", "out-of-range"),
    (lambda: CentField(max_digits=6, decimal_places=2), "12.5", "decimals-lost"),
    (lambda: CentField(max_digits=6, decimal_places=2), "Infinity", "out-of-range"),
]


@pytest.mark.parametrize(("field", "cell", "expected"), BAD)
def test_a_cell_that_the_column_cannot_hold_is_an_error(field, cell, expected):
    """V1, V4"""
    assert code(field(), cell) == expected


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        (decimal_field, "1.234,5", Decimal("1234.50")),
        (decimal_field, "-1234,5", Decimal("-1234.50")),
        (decimal_field, "1.234", Decimal("1234.00")),
        (decimal_field, ",5", Decimal("0.50")),
        (models.FloatField, "1.234.567,25", 1234567.25),
        (models.FloatField, "1,5e3", 1500.0),
        (models.IntegerField, "1.234", 1234),
        (decimal_field, Decimal("1.234"), "decimals-lost"),
        (models.FloatField, 1.5, 1.5),
        (decimal_field, "1.5", "invalid-decimal"),
        (decimal_field, "0.234", "invalid-decimal"),
        (decimal_field, "1.23,4", "invalid-decimal"),
        (decimal_field, "1,234,5", "invalid-decimal"),
        (models.FloatField, "12.34", "invalid-float"),
        (models.IntegerField, "1234.567", "invalid-integer"),
        (models.IntegerField, "1,0", "invalid-integer"),
    ],
)
def test_decimal_comma_reads_points_as_groups_in_text_only(field, cell, value):
    """V1"""
    if isinstance(value, str):
        assert code(field(), cell, COMMA) == value
    else:
        assert convert(field(), cell, COMMA) == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.005", "1.00"),
        ("1.015", "1.02"),
        ("-1.005", "-1.00"),
        ("1e-99999999999999999999", "0.00"),
        ("-0.001", "0.00"),
        ("0." + "4" * 10_000, "0.44"),
        ("9999.995", "too-many-digits"),
    ],
)
def test_round_decimals_rounds_half_even(cell, value):
    """V4"""
    rounding = SyncOptions(round_decimals=True)
    if value in ERROR_CODES:
        assert code(decimal_field(), cell, rounding) == value
    else:
        assert str(convert(decimal_field(), cell, rounding)) == value


@pytest.mark.parametrize(
    ("cell", "expected"), [("1e131071", None), ("1e131072", "too-many-digits"), ("1e-16384", "decimals-lost")]
)
def test_a_decimal_without_precision_is_bounded_all_the_same(cell, expected):
    """V4"""
    field = models.DecimalField()
    if expected:
        assert code(field, cell) == expected
    else:
        assert convert(field, cell) == Decimal(cell)


@pytest.mark.parametrize("field", [models.TextField, models.CharField, models.FileField, models.SlugField])
def test_of_text_only_the_empty_string_is_empty(field):
    """V1, V3"""
    assert convert(field(), "") is EMPTY
    assert convert(field(), None) is EMPTY
    assert convert(field(), " ") == " "


@pytest.mark.parametrize(
    "field",
    [
        *(models.IntegerField, decimal_field, models.BooleanField, models.UUIDField, models.JSONField, CelsiusField),
        *(models.DateField, models.DateTimeField, models.TimeField, models.DurationField, models.BinaryField),
    ],
)
@pytest.mark.parametrize("cell", ["", " \t\u00a0", None])
def test_blanks_are_an_empty_cell_of_other_types(field, cell):
    """V1, V3"""
    assert convert(field(), cell) is EMPTY


def test_json_null_is_an_empty_cell_where_the_field_is_nullable():
    """V1, V3"""
    assert convert(models.JSONField(null=True), "null") is EMPTY


def test_json_is_read_with_the_fields_decoder():
    """V1"""

    class Exact(json.JSONDecoder):
        def __init__(self, **options):
            super().__init__(**options, parse_float=Decimal)

    assert convert(models.JSONField(decoder=Exact), "[1.10]") == [Decimal("1.10")]


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        (models.IntegerField, 42, 42),
        pytest.param(models.IntegerField, 10**5_000, "out-of-range", id="5001 digits"),
        (models.IntegerField, True, "invalid-integer"),
        (models.IntegerField, [1], "invalid-value"),
        (decimal_field, 0.1, Decimal("0.10")),
        (decimal_field, 7, Decimal("7.00")),
        (models.FloatField, Decimal("0.5"), 0.5),
        (models.FloatField, float("inf"), "invalid-float"),
        (models.BooleanField, True, True),
        (models.BooleanField, 0, False),
        (models.TextField, 42, "42"),
        (models.TextField, Colour.RED, "r"),
        (models.TextField, enum.Enum("Size", [("S", "small")], type=str).S, "small"),
        (models.TextField, {"a": 1}, "invalid-value"),
        (models.DateField, datetime.date(2024, 1, 2), datetime.date(2024, 1, 2)),
        (models.DateField, datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), datetime.date(2024, 1, 2)),
        (models.TimeField, datetime.time(10, 30, 0, 5), datetime.time(10, 30, 0, 5)),
        (models.DurationField, datetime.timedelta(-1, 5), datetime.timedelta(-1, 5)),
        (models.UUIDField, uuid.UUID(int=5), uuid.UUID(int=5)),
        (models.JSONField, {"a": (1,)}, {"a": (1,)}),
        (models.JSONField, [float("nan")], "invalid-json"),
        (models.JSONField, Decimal("1.5"), 1.5),
        (models.JSONField, Decimal("nan"), "invalid-json"),
        (models.BinaryField, memoryview(b"ab"), b"ab"),
    ],
)
def test_typed_cells_go_through_the_same_rules(field, cell, value):
    """V1, P2"""
    if isinstance(value, str) and value in ERROR_CODES:
        assert code(field(), cell) == value
    else:
        assert convert(field(), cell) == value


GROUPED = [("Warm", [("r", "Red"), ("o", "Orange")]), ("b", gettext_lazy("Yes"))]


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        (models.CharField(max_length=1, choices=Colour.choices), "r", "r"),
        (models.CharField(max_length=1, choices=Colour.choices), "Blue", "b"),
        (models.CharField(max_length=1, choices=Colour.choices), Colour.BLUE, "b"),
        (models.CharField(max_length=1, choices=GROUPED), "o", "o"),
        (models.CharField(max_length=1, choices=GROUPED), " Orange", "o"),
        (models.IntegerField(choices=[(1, "One"), (2, "Two")]), " 2 ", 2),
        (models.IntegerField(choices=[(1, "One"), (2, "Two")]), "Two", 2),
        (models.IntegerField(choices=[("1", "One")]), "1", 1),
        (models.IntegerField(choices=[(1, "2"), (2, "1")]), "1", 1),
        (models.IntegerField(null=True, choices=[(None, "Unknown"), (1, "One")]), "Unknown", EMPTY),
        (models.BooleanField(choices=[(True, "Sold"), (False, "Free")]), "Sold", True),
        (models.JSONField(choices=[([1], "Eins")]), "Eins", [1]),
    ],
)
def test_choices_are_read_by_value_else_by_label(field, cell, value):
    """V1"""
    assert convert(field, cell) == value


def test_a_label_is_read_in_the_active_language():
    """V1"""
    field = models.CharField(max_length=1, choices=GROUPED)
    with override("de"):
        assert convert(field, "Ja") == "b" or convert(field, "ja") == "b"


def test_neither_value_nor_label_names_some_choices():
    """V1"""
    field = models.CharField(max_length=1, choices=[(letter, f"Letter {letter}") for letter in "abcdefg"])

    assert code(field, "z") == "invalid-choice"
    with pytest.raises(CellError, match=r"write a \(Letter a\), .* 7 choices"):
        convert(field, "z")


def test_a_label_that_two_choices_have_is_no_answer():
    """V1"""
    assert code(models.IntegerField(choices=[(1, "One"), (2, "One")]), "One") == "invalid-choice"


def test_a_custom_fields_message_is_shown():
    """V1"""
    with pytest.raises(CellError, match="Write a temperature such as 20C"):
        convert(CelsiusField(), "warm")


@pytest.mark.parametrize(
    ("field", "lookup", "cell", "value"),
    [
        (models.IntegerField(), "isnull", "yes", True),
        (models.CharField(max_length=2), "iexact", "longer", "longer"),
        (models.IntegerField(), "startswith", "4", "4"),
        (models.IntegerField(), "gte", "4", 4),
        (models.DateField(), "year", "2024", 2024),
        (models.DateField(), "year__gte", "2024", 2024),
        (models.DateField(), "year", "10000", "out-of-range"),
        (models.DateTimeField(), "date", "2024-01-02", datetime.date(2024, 1, 2)),
        (models.DateTimeField(), "date__lt", "2024-01-02", datetime.date(2024, 1, 2)),
        (models.TextField(), "regex", "^a+$", "^a+$"),
        (models.TextField(), "iregex", "(", "invalid-value"),
        (models.TextField(), "regex", "[[a]", "[[a]"),
        (models.TextField(), "regex", "", EMPTY),
        (models.TextField(), "contains", "\0", "nul-character"),
        (models.JSONField(), "size__gt", "4", 4),
        (models.JSONField(), "size__icontains", "4", "4"),
        (models.JSONField(), "contains", "[4]", [4]),
        (models.JSONField(), "has_key", "size", "size"),
        (models.CharField(max_length=1, choices=Colour.choices), "exact", "Red", "r"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_lookup_converts_what_it_compares_with(field, lookup, cell, value):
    """I3"""
    convert_cell = values.lookup_converter(named(field), lookup, OPTIONS)
    if isinstance(value, str) and value in ERROR_CODES:
        with pytest.raises(CellError) as caught:
            convert_cell(cell)
        assert caught.value.code == value
    else:
        assert convert_cell(cell) == value


@pytest.mark.parametrize("lookup", ["in", "range", "nonsense", "nonsense__gt", "year__in", "year__nonsense"])
def test_a_lookup_that_does_not_exist_or_takes_several_values_is_refused(lookup):
    """I2"""
    with pytest.raises(ConfigError, match=lookup):
        values.lookup_converter(named(models.DateField()), lookup, OPTIONS)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_integer_of_the_column_round_trips(number):
    """V1"""
    assert convert(models.BigIntegerField(), str(number)) == number
    assert convert(models.BigIntegerField(), f"{number:,}".replace(",", "."), COMMA) == number


@given(st.decimals(-9999, 9999, places=2))
def test_every_decimal_of_the_column_round_trips(number):
    """V1"""
    assert convert(decimal_field(), str(number)) == number
    assert convert(decimal_field(), str(number).replace(".", ","), COMMA) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_round_trips(number):
    """V1"""
    assert convert(models.FloatField(), repr(number)) == number


FIELDS = [
    models.IntegerField(),
    models.PositiveSmallIntegerField(),
    models.DecimalField(max_digits=10, decimal_places=2),
    models.FloatField(),
    models.BooleanField(),
    models.DateField(),
    models.TimeField(),
    models.DateTimeField(),
    models.DurationField(),
    models.UUIDField(),
    models.JSONField(),
    models.CharField(max_length=5),
    models.TextField(),
    models.BinaryField(),
    models.GenericIPAddressField(),
    models.IntegerField(choices=[(1, "One")]),
    CelsiusField(),
]
PIECES = [*"0123456789+-.,:/ TZzeE[]{}\"'n\0\u00a0٤²\ud800", "Jan", "mon", "am", "p.m.", "UTC", "EST", "24:00", "P1D"]
PIECES += ["2024-01-02", "10:30", "days", "1e999", "9" * 5_000, "of", "nd", "\u202f", "null", "_", "h", "Europe/Berlin"]
JUNK = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join),
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("options", [OPTIONS, SyncOptions(decimal_comma=True, round_decimals=True, date_order="dmy")])
@given(text=JUNK)
def test_no_text_raises_anything_but_a_cell_error(options, text):
    """V1: a row error, never a traceback."""
    assert FIELDS
    for field in FIELDS:
        try:
            convert(field, text, options)
        except CellError as error:
            assert error.code in ERROR_CODES  # noqa: PT017
    for lookup in ("regex", "icontains", "isnull"):
        try:
            values.lookup_converter(FIELDS[-5], lookup, options)(text)
        except CellError as error:
            assert error.code in ERROR_CODES  # noqa: PT017


@pytest.mark.parametrize("options", [OPTIONS, COMMA])
@pytest.mark.parametrize("cell", ["9" * 200_000 + "x", "0" * 200_000 + "x", "1e" + "0" * 200_000 + "x", "a " * 100_000])
def test_a_very_long_cell_is_refused_at_once(cell, options):
    """V1: in time that grows with its length, not with its square (which would be minutes here)."""
    refused = [field for field in FIELDS if not isinstance(field, models.TextField | models.BinaryField)]
    started = time.monotonic()

    assert [code(field, cell, options) for field in refused]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("field", "holds_text", "is_exact"),
    [
        (models.CharField(), True, True),
        (models.TextField(), True, True),
        (models.URLField(), True, True),
        (models.SlugField(), True, True),
        (models.ImageField(), True, True),
        (models.FilePathField(), True, True),
        (ShoutingField(), True, True),
        (models.CharField(db_collation="nocase"), True, False),
        (models.IntegerField(), False, False),
        (models.JSONField(), False, False),
        (models.UUIDField(), False, False),
        (models.BinaryField(), False, False),
        (models.GenericIPAddressField(), False, False),
    ],
)
def test_which_fields_hold_text_and_compare_it_exactly(field, holds_text, is_exact):
    """V3, I3"""
    assert values.is_text(field) is holds_text
    assert values.is_exact_text(field) is is_exact
