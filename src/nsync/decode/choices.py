"""Converter of columns with choices: by value, else by label (rule V1)."""

from __future__ import annotations

from collections.abc import Iterable

from nsync.actions import EMPTY
from nsync.decode.cells import CellError, Converter, Field

_SHOWN = 5  # choices named in a message


def choice_converter(field: Field, convert: Converter) -> Converter:
    """
    Make the converter of a column with choices.

    Args:
        field: The field; its choices may be in groups.
        convert: The converter that the field would have without choices.

    Returns:
        A converter that takes a value among the choices, else the text of a label, in the language that is active
        now. A label that several choices have is no answer.
    """
    choices = [(_stored(field, value), str(label).strip()) for value, label in field.flatchoices]
    values = [value for value, _ in choices]
    by_label = _by_label(choices)
    message = _message(choices)

    def choose(cell: object) -> object:
        try:
            value = convert(cell)
            if value is EMPTY or value in values:
                return value
        except CellError:  # the label of a number's choice is no number
            pass
        label = cell.strip() if isinstance(cell, str) else ""
        if label not in by_label:
            raise CellError("invalid-choice", message)
        return by_label[label]

    return choose


def _stored(field: Field, value: object) -> object:
    """Give a choice's value as the field holds it: choices of a number may be listed as text."""
    try:
        return field.to_python(value)
    except Exception:  # to_python() of a custom field may raise anything; then the value is as it is listed
        return value


def _by_label(choices: Iterable[tuple[object, str]]) -> dict[str, object]:
    by_label: dict[str, object] = {}
    shared: set[str] = {""}
    for value, label in choices:
        if label in by_label:
            shared.add(label)
        by_label[label] = EMPTY if value is None or value == "" else value
    return {label: value for label, value in by_label.items() if label not in shared}


def _message(choices: list[tuple[object, str]]) -> str:
    shown = [str(value) if str(value) == label else f"{value} ({label})" for value, label in choices[:_SHOWN]]
    more = f" or another of its {len(choices)} choices" if len(choices) > _SHOWN else ""
    return f"not one of the choices; write {', '.join(shown)}{more}"
