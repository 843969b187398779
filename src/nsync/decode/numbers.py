"""Readers of numbers: text → int, Decimal, float; the same limits on every database (rules V1, V4)."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Callable
from decimal import Decimal

from nsync.decode.cells import CellError, Reader

# Each digit fits one place only, or a cell of a million digits would take hours to refuse.
_INTEGER = re.compile(r"([+-]?)([0-9]+)")
_NUMBER = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:[eE]([+-]?)([0-9]+))?")
_COMMA_NUMBER = re.compile(
    r"[+-]?(?:(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]*)?|,[0-9]+)(?:[eE][+-]?[0-9]+)?"
)

# PostgreSQL's numeric without precision, the most that a decimal column holds anywhere.
_MAX_WHOLE_DIGITS, _MAX_DECIMALS = 131_072, 16_383


def integer_reader(low: int, high: int) -> Reader:
    """Read whole numbers from ``low`` to ``high``."""
    length = max(len(str(abs(low))), len(str(abs(high))))

    def read(text: str) -> int:
        match = _INTEGER.fullmatch(text)
        if not match:
            raise CellError("invalid-integer", "not a whole number; write one such as 42")
        sign, digits = match[1], match[2].lstrip("0") or "0"
        if len(digits) <= length:  # int() of ten thousand digits is slow, or refused by Python
            number = int(sign + digits)
            if low <= number <= high:
                return number
        raise CellError("out-of-range", f"the column holds whole numbers from {low} to {high}")

    return read


def decimal_reader(max_digits: int | None, decimal_places: int | None, *, is_rounded: bool) -> Reader:
    """Read decimal numbers that fit a column; see `decimal_fitter`."""
    fit = decimal_fitter(max_digits, decimal_places, is_rounded=is_rounded)

    def read(text: str) -> Decimal:
        match = _NUMBER.fullmatch(text)
        if not match:
            raise CellError("invalid-decimal", "not a decimal number; write one such as 12.50")
        mantissa, sign, exponent = match[1], match[2], (match[3] or "").lstrip("0")
        # Decimal refuses exponents of more than 18 digits; with nine, a number is as far out of range.
        power = f"E{sign}{exponent if len(exponent) <= 9 else '9' * 9}" if exponent else ""
        return fit(Decimal(mantissa + power))

    return read


def decimal_fitter(
    max_digits: int | None, decimal_places: int | None, *, is_rounded: bool
) -> Callable[[Decimal], Decimal]:
    """
    Bring a finite number to the decimal places of its column, or refuse it.

    Args:
        max_digits: Digits that the column holds, before and after the point together; None: no limit.
        decimal_places: Digits after the point; None: no limit.
        is_rounded: Round half-even what has more decimals (``--round-decimals``) instead of refusing it. Zeros at
            the end are no lost decimals.
    """
    if max_digits is None or decimal_places is None:
        return _limited
    whole_digits = max_digits - decimal_places
    unit, zero = Decimal((0, (1,), -decimal_places)), Decimal((0, (0,), -decimal_places))
    context = decimal.Context(
        prec=max_digits + 1, rounding=decimal.ROUND_HALF_EVEN, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN
    )

    def fit(number: Decimal) -> Decimal:
        if not number:
            return zero  # never -0
        if number.adjusted() < whole_digits:
            fitted = number.quantize(unit, context=context)
            if fitted != number and not is_rounded:
                raise CellError(
                    "decimals-lost",
                    f"the column keeps {decimal_places} decimals; write no more, or give --round-decimals",
                )
            if not fitted:
                return zero
            if fitted.adjusted() < whole_digits:  # 99.995 rounds to 100.00
                return fitted
        raise CellError(
            "too-many-digits",
            f"the column holds {max_digits} digits, {whole_digits} of them before the point; write a smaller number",
        )

    return fit


def _limited(number: Decimal) -> Decimal:
    """Refuse what no numeric column without precision holds."""
    if not number:
        return Decimal(0)
    exponent = number.as_tuple().exponent
    if number.adjusted() >= _MAX_WHOLE_DIGITS:
        message = f"a number has at most {_MAX_WHOLE_DIGITS} digits before the point; write fewer"
        raise CellError("too-many-digits", message)
    if isinstance(exponent, int) and -exponent > _MAX_DECIMALS:
        raise CellError("decimals-lost", f"a number has at most {_MAX_DECIMALS} decimals")
    return number


def read_float(text: str) -> float:
    """Read a finite floating point number."""
    match = _NUMBER.fullmatch(text)
    if not match:
        raise CellError("invalid-float", "not a number; write one such as 12.5 or 1e-3")
    number = float(text)
    if math.isinf(number) or (number == 0.0 and match[1].strip("+-0.")):
        raise CellError("out-of-range", "the number is too large or too near zero; the column holds 1e-307 to 1e308")
    return number


def comma_reader(read: Reader, code: str) -> Reader:
    """Read ``1.234,5`` as ``read`` reads ``1234.5`` (``--decimal-comma``)."""

    def read_comma(text: str) -> object:
        if not _COMMA_NUMBER.fullmatch(text):
            raise CellError(code, "not a number as --decimal-comma reads it; write one such as 1234 or 1.234,5")
        return read(text.replace(".", "").replace(",", "."))

    return read_comma
