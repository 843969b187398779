"""Values of any kind that are written by whole columns: as object by object, and as they are read again (V1)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.many import rows
from tests.plan.known import all_keys
from tests.telling import codes, outcomes
from tests.testapp.models import (
    Parcel,
    Product,
)

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

_CLOCKS = ("id", "modified")


def text_of(header: Iterable[str], *lines: Iterable[str]) -> str:
    """Write a CSV text of any cells."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *lines])
    return text.getvalue()


def stored(model: type[Model], *left_out: str) -> list[Mapping[str, object]]:
    """Give what the table holds, in the order in which it was made, but for what differs from run to run."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in {*_CLOCKS, *left_out}]
    return list(model._base_manager.order_by("pk").values(*names))


def by_each(sync_text: Sync, model: type[Model], text: str, *left_out: str, **options: Any) -> Any:
    """Run a file by columns and object by object; give what both leave, which must be the same."""
    found = []
    for engine in ("objects", "columns"):
        report = sync_text(text, model, engine=engine, **options)
        assert report.engine == engine
        found.append((outcomes(report), codes(report), stored(model, *left_out)))
        model._base_manager.all().delete()
        ExternalKeyMapping.objects.all().delete()
    assert found[0] == found[1]
    return found[1]


# --- values of any kind ---------------------------------------------------------------------------------------------

_WORDS = (
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\\",
    "\\N",
    "\\.",
    "\\t",
    "\\\\N",
    "'",
    '"',
    "''",
    '","',
    "é",
    "日本語",
    "\U0001f600",
    "%s",
    "$1",
    "{}",
)
_TEXTS = st.lists(st.sampled_from((*_WORDS, " ", "a", "\x01", "\x7f", "\u2028", "\u00a0")), min_size=1, max_size=6)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(_TEXTS.map("".join), min_size=3, max_size=6))
def test_any_text_is_written_as_it_is(sync_text: Sync, texts: list[str]) -> None:
    """V1: COPY, JSON and SQL each have characters that mean something to them."""
    lines = [(f"K{number}", "cu*", f"{number}", text[:50], text[:50], text) for number, text in enumerate(texts)]
    header = ("external_key", "action_flags", "code", "label", "note", "remark")

    counts, _, found = by_each(sync_text, Parcel, text_of(header, *lines))

    assert counts == {"created": len(texts)}
    assert [one["remark"] for one in found] == texts


@pytest.mark.parametrize("word", _WORDS)
def test_a_text_that_means_something_to_copy_is_written_alone_and_among_others(sync_text: Sync, word: str) -> None:
    """V1: as a whole cell, at its ends, in the first and in the last row."""
    header = ("external_key", "action_flags", "code", "label", "remark")
    texts = [word, "plain", f"x{word}", f"{word}x", "", f"{word}{word}"]
    lines = [(f"K{number}", "cu*", f"{number}", text, text) for number, text in enumerate(texts)]

    sync_text(text_of(header, *lines), Parcel, engine="columns")

    assert list(Parcel.objects.order_by("pk").values_list("label", flat=True)) == texts
    assert list(Parcel.objects.order_by("pk").values_list("remark", flat=True)) == [text or None for text in texts]
    changed = [(*line[:4], line[4] + word) for line in lines]
    assert outcomes(sync_text(text_of(header, *changed), Parcel, engine="columns")) == {"updated": 6}
    assert [one.remark for one in Parcel.objects.order_by("pk")] == [text + word for text in texts]


def test_a_key_may_be_any_text(sync_text: Sync) -> None:
    """I1: keys are written by columns too, and found again."""
    keys = [word.strip() for word in ("a\tb", "a\\b", "\\N", "a'b", 'a"b', "é", "E", "e", "日本語", "a\nb")]
    lines = [(key, "cu*", f"{number}", "L") for number, key in enumerate(keys)]
    text = text_of(("external_key", "action_flags", "code", "label"), *lines)

    assert outcomes(sync_text(text, Parcel, engine="columns")) == {"created": len(keys)}
    assert {key for _, _, key in all_keys()} == set(keys)
    assert outcomes(sync_text(text, Parcel, engine="columns")) == {"unchanged": len(keys)}


def test_very_long_texts_are_written_whole(sync_text: Sync) -> None:
    """V1."""
    texts = ["é" * 300_000, "\\" * 100_000 + "\t" * 100_000, "x"]
    lines = [(f"{number}", "cu*", "code", text) for number, text in enumerate(texts)]

    sync_text(text_of(("code", "action_flags", "match_on", "remark"), *lines), Parcel, engine="columns")

    assert list(Parcel.objects.order_by("pk").values_list("remark", flat=True)) == texts


_KINDS: dict[str, tuple[list[str], list[Any]]] = {
    "pieces": (["0", "7", "32767", ""], [0, 7, 32767, None]),
    "weight": (["1e300", "-0.1", "5e-324", "1", ""], [1e300, -0.1, 5e-324, 1.0, None]),
    "price": (["0.01", "-999999.99", "1", ""], [Decimal("0.01"), Decimal("-999999.99"), Decimal(1), None]),
    "due": (
        ["0001-01-01", "0999-12-31", "9999-12-31", ""],
        [date(1, 1, 1), date(999, 12, 31), date(9999, 12, 31), None],
    ),
    "until": (
        ["00:00", "23:59:59.999999", "10:00:00.5", ""],
        [time(0), time(23, 59, 59, 999999), time(10, 0, 0, 500000), None],
    ),
    "sent": (
        ["2024-01-01T10:00:00.000001+05:30", "2024-07-01 10:00", "1890-01-01T00:00", "2024-10-27T02:30+01:00", ""],
        [
            datetime(2024, 1, 1, 4, 30, 0, 1, tzinfo=UTC),
            datetime(2024, 7, 1, 8, tzinfo=UTC),
            None,  # its zone had an odd offset then: only compared
            datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
            None,
        ],
    ),
    "fragile": (["yes", "no"], [True, False]),
    "ref": (
        ["00000000-0000-4000-8000-000000000001", "{ABCDEF00-0000-4000-8000-000000000001}", ""],
        [UUID("00000000-0000-4000-8000-000000000001"), UUID("abcdef00-0000-4000-8000-000000000001"), None],
    ),
    "status": (["sent", "On its way", "waiting"], ["sent", "sent", "waiting"]),
}


@pytest.mark.parametrize("name", _KINDS)
def test_values_of_each_kind_are_written_as_object_by_object(sync_text: Sync, name: str) -> None:
    """V1 to V3: new ones, and those that change; read again, they are unchanged."""
    cells, values = _KINDS[name]
    header = ("external_key", "action_flags", "code", name)
    lines = [(f"K{number}", "cu*", f"{number}", cell) for number, cell in enumerate(cells)]

    counts, _, found = by_each(sync_text, Parcel, text_of(header, *lines))

    assert counts == {"created": len(cells)}
    given = [
        (one[name], value)
        for one, value, cell in zip(found, values, cells, strict=True)
        if value is not None or not cell
    ]
    assert [one for one, _ in given] == [value for _, value in given]
    sync_text(text_of(header, *lines), Parcel, engine="columns")
    assert outcomes(sync_text(text_of(header, *lines), Parcel, engine="columns")) == {"unchanged": len(cells)}
    turned = [(*line[:3], cells[number - 1]) for number, line in enumerate(lines)]
    sync_text(text_of(header, *turned), Parcel, engine="columns")
    wanted = [one[name] for one in found]
    assert [getattr(one, name) for one in Parcel.objects.order_by("pk")] == [wanted[-1], *wanted[:-1]]


def test_products_of_every_kind_of_column_are_the_same(sync_text: Sync) -> None:
    """V1 to V3."""
    cells = {
        "external_key": "K{}",
        "action_flags": "cu*",
        "match_on": "sku",
        "sku": "S{}",
        "name": "N{}",
        "price": "{}.5",
        "status": "On sale",
        "priority": "High",
        "weight": "1e{}",
        "released": "2024-01-0{}T10:00Z",
        "opens": "0{}:00",
        "duration": "{} 02:03:04",
        "big": "-922337203685477580{}",
        "is_public": "",
        "slug": "s-{}",
    }

    counts, _, found = by_each(sync_text, Product, rows(cells, range(1, 8)))

    assert counts == {"created": 7}
    assert found[0]["duration"] == timedelta(days=1, hours=2, minutes=3, seconds=4)


@pytest.mark.parametrize("name", [*_KINDS, "label", "remark"])
def test_objects_are_found_by_values_of_each_kind(sync_text: Sync, name: str) -> None:
    """I2, I3: some are there, some are not, and some differ by what only some databases see."""
    some = (["a", "a ", "A", "á", " a", "ab"], [])
    cells = [cell for cell in dict.fromkeys(_KINDS.get(name, some)[0]) if cell]
    lines = [(f"K{number}", "cu*", name, f"{number}", cell) for number, cell in enumerate(cells)]
    header = ("external_key", "action_flags", "match_on", "note", name)

    def told(engine: str) -> Any:
        reports = [
            sync_text(text_of(header, *some), Parcel, engine=engine) for some in (lines[::2], lines, lines[::-1])
        ]
        ExternalKeyMapping.objects.all().delete()  # then by match alone
        new = [(f"L{line[0]}", *line[1:3], "new", line[4]) for line in lines]
        reports.append(sync_text(text_of(header, *new), Parcel, engine=engine))
        found = stored(Parcel)
        Parcel.objects.all().delete()
        ExternalKeyMapping.objects.all().delete()
        return [(outcomes(report), codes(report)) for report in reports], found

    wanted = told("objects")
    assert told("columns") == wanted
    assert wanted[0][0][0]["created"] > 0
