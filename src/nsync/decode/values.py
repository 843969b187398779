"""One converter per column, compiled once: a cell → the field's value, or EMPTY, or a CellError (rules V1 to V4)."""

from __future__ import annotations

import base64
import math
import re
import uuid
import warnings
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models import lookups
from django.db.models.fields import json as json_lookups
from django.db.models.functions import ExtractIsoYear, ExtractYear

from nsync.actions import EMPTY
from nsync.decode import numbers
from nsync.decode.cells import CellError, Converter, Field, Reader, cell_converter, check_text, text_of
from nsync.decode.choices import choice_converter
from nsync.decode.jsontext import json_converter
from nsync.errors import ConfigError
from nsync.fields import is_exact_text, is_text
from nsync.options import SyncOptions

__all__ = [
    "CellError",
    "Converter",
    "boolean_converter",
    "converter",
    "is_exact_text",
    "is_text",
    "lookup_converter",
    "text_converter",
]

# The narrowest of the databases that Django supports, so that a value fits all of them (rule V4).
_RANGES = BaseDatabaseOperations.integer_field_ranges
_TRUE, _FALSE = ("true", "yes", "on", "t", "y", "1"), ("false", "no", "off", "f", "n", "0")
_BOOLEANS = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
_UUID = re.compile(r"(?:urn:uuid:)?\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?")


def converter(field: Field, options: SyncOptions) -> Converter:
    """
    Compile the converter of a column that is written to a field, or compared with it.

    Args:
        field: The model field; a foreign key converts as what it points to.
        options: How numbers and dates are written.

    Returns:
        A function of one cell: text, or a typed value where actions are built in code. It gives the field's value,
        or `EMPTY` for None and for "" (other types than text: also blanks), or raises `CellError`.

    Raises:
        ConfigError: ``--timezone`` names no zone.
    """
    field = column_field(field)
    convert = _field_converter(field, options)
    return choice_converter(field, convert) if field.choices else convert


def lookup_converter(field: Field, lookup_name: str, options: SyncOptions) -> Converter:
    """
    Compile the converter of a match column: what stands right of ``name__iexact`` or ``born__year__gte`` (rule I3).

    Args:
        field: The field that the column names.
        lookup_name: What follows the field: transforms, then perhaps a lookup; "exact" for none.
        options: As for `converter`.

    Raises:
        ConfigError: The field has no such lookup, or it compares with several values at once.
    """
    *transforms, last = lookup_name.split("__")
    side: Any = models.Value(None, output_field=column_field(field))
    for name in transforms:
        side = _transformed(side, name, lookup_name)
    lookup = side.get_lookup(last)
    if lookup is None:
        side = _transformed(side, last, lookup_name)
        lookup = side.get_lookup("exact")
    if lookup is None or issubclass(lookup, lookups.In | lookups.Range | json_lookups.HasKeys):
        raise ConfigError(f"{lookup_name}: not a lookup that compares with one value; iexact is one, for example")
    if issubclass(lookup, lookups.IsNull):
        return boolean_converter()
    if issubclass(lookup, lookups.Regex):
        return _regex_converter()
    if issubclass(lookup, lookups.PatternLookup | lookups.IExact | json_lookups.HasKey):
        return text_converter()
    if isinstance(side, ExtractYear | ExtractIsoYear):
        return cell_converter(numbers.integer_reader(1, 9999))
    return converter(side.output_field, options)


def text_converter(max_length: int | None = None) -> Converter:
    """Make the converter of text, which is kept as it is, blanks included."""

    def convert(cell: object) -> object:
        if cell is None or cell == "":
            return EMPTY
        text = text_of(cell)
        check_text(text, max_length)
        return text

    return convert


def boolean_converter() -> Converter:
    """Make the converter of truth values."""

    def read(text: str) -> bool:
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise CellError("invalid-boolean", "not a truth value; write true or false (yes/no, on/off, t/f, y/n, 1/0)")
        return value

    return cell_converter(read)


def column_field(field: Any) -> Field:
    """Follow foreign keys and generated fields to the field that says what the column holds."""
    while isinstance(field, models.ForeignKey | models.GeneratedField):
        field = field.target_field if isinstance(field, models.ForeignKey) else field.output_field
    return field  # type: ignore[no-any-return]


def _field_converter(field: Field, options: SyncOptions) -> Converter:
    """Choose by the class that to_python() belongs to: a class that overrides it has a type of its own."""
    if not getattr(type(field).to_python, "__module__", "").startswith("django.db.models."):
        return _custom_converter(field, options)
    if is_text(field):
        return text_converter(max_length_of(field))
    if isinstance(field, models.JSONField):
        return json_converter(field)
    if isinstance(field, models.BooleanField):
        return boolean_converter()
    if isinstance(field, models.BinaryField):
        return _binary_converter()
    number = _number_converter(field, options)
    if number:
        return number
    if isinstance(field, models.DateField | models.TimeField | models.DurationField):
        return cell_converter(_moment_reader(field, options))
    if isinstance(field, models.UUIDField):
        return cell_converter(_read_uuid)
    if isinstance(field, models.GenericIPAddressField):
        return cell_converter(_address_reader(field))
    return _custom_converter(field, options)


def _number_converter(field: Field, options: SyncOptions) -> Converter | None:
    read: Reader
    if isinstance(field, models.IntegerField):
        read, code = numbers.integer_reader(*range_of(field)), "invalid-integer"
    elif isinstance(field, models.DecimalField):
        places = (field.max_digits, field.decimal_places)
        read, code = numbers.decimal_reader(*places, is_rounded=options.round_decimals), "invalid-decimal"
    elif isinstance(field, models.FloatField):
        read, code = numbers.read_float, "invalid-float"
    else:
        return None
    return cell_converter(read, numbers.comma_reader(read, code) if options.decimal_comma else None)


def _moment_reader(field: Field, options: SyncOptions) -> Reader:
    from nsync.decode import moments  # with expressions that take as long to compile as all other modules of the room

    if isinstance(field, models.DateTimeField):  # before DateField, its parent
        return moments.datetime_reader(options)
    if isinstance(field, models.DateField):
        return moments.date_reader(options)
    return moments.read_time if isinstance(field, models.TimeField) else moments.read_duration


def range_of(field: Field) -> tuple[int, int]:
    """Give the lowest and the highest number of a column (rule V4)."""
    return _RANGES.get(field.get_internal_type(), _RANGES["BigIntegerField"])


def max_length_of(field: Field) -> int | None:
    """Give the column's length; of a TextField it is a rule of forms, not of the column."""
    return None if field.get_internal_type() == "TextField" else field.max_length


def _regex_converter() -> Converter:
    convert_text = text_converter()

    def convert(cell: object) -> object:
        pattern = convert_text(cell)
        if pattern is EMPTY:
            return EMPTY
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Python may mean by it one day is not ours to say
                re.compile(str(pattern))
        except (re.error, OverflowError, RecursionError) as error:
            raise CellError("invalid-value", f"not a regular expression: {error}") from None
        return pattern

    return convert


def _read_uuid(text: str) -> uuid.UUID:
    # UUID() alone also reads digits that are not ASCII, underscores, and hyphens anywhere.
    if not _UUID.fullmatch(text.lower()):
        raise CellError("invalid-uuid", "not a UUID; write one such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301")
    return uuid.UUID(text.lower())


def _binary_converter() -> Converter:
    def read(text: str) -> bytes:
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except ValueError:
            raise CellError("invalid-value", "not Base64; write bytes as Base64, such as SGVsbG8=") from None

    convert = cell_converter(read)
    return lambda cell: bytes(cell) if isinstance(cell, bytes | bytearray | memoryview) else convert(cell)


def _address_reader(field: models.GenericIPAddressField[Any, Any]) -> Reader:
    def read(text: str) -> object:
        check_text(text)
        try:
            address = field.to_python(text)
            for validate in field.default_validators:
                validate(address)
        except ValidationError as error:
            raise CellError("invalid-value", " ".join(error.messages)) from None
        return address

    return read


def _custom_converter(field: Field, options: SyncOptions) -> Converter:
    """Convert by the field's own to_python(); what it gives must still fit the column (rule V4)."""
    holds_text = is_text(field)

    def convert(cell: object) -> object:
        if isinstance(cell, str):
            cell = cell if holds_text else cell.strip()
            check_text(cell)
        if cell is None or cell == "":
            return EMPTY
        try:
            value = field.to_python(cell)
        except ValidationError as error:
            raise CellError("invalid-value", " ".join(error.messages)) from None
        except Exception as error:  # the code is not ours, and one bad cell must not end the run
            raise CellError("invalid-value", f"{type(field).__name__} does not read it: {error!r}") from None
        return EMPTY if value is None else _fitting(field, value, options)

    return convert


def _fitting(field: Field, value: object, options: SyncOptions) -> object:
    """Check a custom field's value, if it is of a type whose limits are known."""
    if isinstance(value, str):
        check_text(value, max_length_of(field))
    elif isinstance(value, float) and not math.isfinite(value):
        raise CellError("out-of-range", "not a finite number")
    elif isinstance(field, models.IntegerField) and isinstance(value, int):
        low, high = range_of(field)
        if not low <= value <= high:
            raise CellError("out-of-range", f"the column holds whole numbers from {low} to {high}")
    elif isinstance(field, models.DecimalField) and type(value) is Decimal:
        fit = numbers.decimal_fitter(field.max_digits, field.decimal_places, is_rounded=options.round_decimals)
        if not value.is_finite():
            raise CellError("out-of-range", "not a finite number")
        return fit(value)
    return value


def _transformed(side: Any, name: str, lookup_name: str) -> Any:
    transform = side.get_transform(name)
    if transform is None:
        raise ConfigError(f"{lookup_name}: {name} is neither a lookup nor a transform of the column's field")
    return transform(side)
