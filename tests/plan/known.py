"""What tests of the plan arrange and observe: keys that are known before a run, and what a run wrote."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.test.utils import CaptureQueriesContext

from nsync.models import ExternalKeyMapping, ExternalSystem

_WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE", "TRUNCATE")


def link(target: Any, key: str, system: str = "HR", *, model: Any = None) -> ExternalKeyMapping:
    """Record a mapping as an earlier run would have: to the object as one of ``model`` (its own, unless given)."""
    owner, _ = ExternalSystem.objects.get_or_create(name=system)
    content_type = ContentType.objects.get_for_model(model or type(target))
    return ExternalKeyMapping.objects.create(
        external_system=owner, content_type=content_type, external_key=key, object_id=str(target.pk)
    )


def link_gone(model: Any, key: str, system: str = "HR", object_id: str = "987654") -> ExternalKeyMapping:
    """Record a mapping whose object is gone."""
    owner, _ = ExternalSystem.objects.get_or_create(name=system)
    content_type = ContentType.objects.get_for_model(model)
    return ExternalKeyMapping.objects.create(
        external_system=owner, content_type=content_type, external_key=key, object_id=object_id
    )


def exists(target: Any) -> bool:
    """Tell whether an object is still there, hidden or not."""
    return bool(type(target)._base_manager.filter(pk=target.pk).exists())


def all_keys() -> dict[tuple[str, str, str], str]:
    """Give every mapping there is: system, model name, key → object id."""
    return {
        (mapping.external_system.name, mapping.content_type.model, mapping.external_key): mapping.object_id
        for mapping in ExternalKeyMapping.objects.select_related("external_system", "content_type")
    }


def table(header: Sequence[str], *rows: Sequence[str]) -> str:
    """Write a CSV text; cells are quoted where they must be."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def row(cells: Mapping[str, str]) -> str:
    """Write a CSV text of one row: header → cell."""
    return table(list(cells), list(cells.values()))


def written(queries: CaptureQueriesContext) -> list[str]:
    """Give the queries that wrote something, other than that there was a run."""
    writing = [query["sql"] for query in queries.captured_queries if query["sql"].lstrip().startswith(_WRITING)]
    return [sql for sql in writing if "nsync_run" not in sql]
