"""
django-import-export as its documentation on speed says: in bulk, with a cached instance loader and no HTML diffs.

It keeps no mappings: objects are found by their unique column alone, so it does less than the others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.workloads import OWNER_KEY, Workload

LARGEST = 100_000
LARGEST_QUICK = 10_000
REPEATS = True
SAVES_CHANGES_ONLY = True
MAPS = False
NEEDS_MATCH = True
UNDOES = False


def cannot(workload: Workload, database: str) -> str:
    """Say what it has no way to express."""
    if OWNER_KEY in workload.header:
        return "it keeps no mappings, so there are no keys to refer to"
    if workload.system != "HR":
        return "it keeps no mappings"
    if workload.name == "half-blank":
        return "it has no update of blank fields alone"
    return ""


def load(workload: Workload, path: Path) -> Callable[[], dict[str, Any]]:
    """Prepare one call of ``import_data()``; reading the file belongs to what is measured."""
    from tablib import Dataset

    resource = _resource(workload)

    def run() -> dict[str, Any]:
        with path.open(encoding="utf-8", newline="") as file:
            dataset = Dataset().load(file.read(), format="csv")
        resource.import_data(dataset, dry_run=False, raise_errors=True)
        return {"engine": "bulk" if resource._meta.use_bulk else "objects"}

    return run


def _resource(workload: Workload) -> Any:
    from django.db.models import ForeignKey
    from import_export import fields, resources, widgets
    from import_export.instance_loaders import CachedInstanceLoader, ModelInstanceLoader

    from benchmarks.app import models

    model = getattr(models, workload.model)
    columns = workload.with_match[0] if workload.with_match else workload.header
    names = [column for column in columns if column not in ("external_key", "action_flags", "match_on")]
    declared: dict[str, Any] = {}
    for name in [name for name in names if "=>" in name]:
        relation, _, field = name.partition("=>")
        foreign_key: ForeignKey[Any, Any] = model._meta.get_field(relation)
        widget = widgets.CachedForeignKeyWidget(foreign_key.related_model, field)
        declared[relation] = fields.Field(column_name=name, attribute=relation, widget=widget)
    ids = names[:2] if workload.model == "Pair" else names[:1]
    meta = {
        "model": model,
        "fields": [name.partition("=>")[0] for name in names],
        "import_id_fields": ids,
        # In bulk it sends no signals, so a model with a receiver is saved object by object.
        "use_bulk": not workload.name.startswith("receiver"),
        "batch_size": 5_000,
        "skip_unchanged": True,
        "report_skipped": False,
        "skip_html_diff": True,
        # The cached loader knows one column only.
        "instance_loader_class": CachedInstanceLoader if len(ids) == 1 else ModelInstanceLoader,
    }
    methods: dict[str, Any] = {"Meta": type("Meta", (), meta), **declared}
    if workload.deletes:
        methods["for_delete"] = lambda self, row, instance: row["action_flags"] == "d"
    return type("BenchmarkResource", (resources.ModelResource,), methods)()


def told() -> str:
    """Give its version, and what it runs on."""
    from importlib.metadata import version

    return f"django-import-export {version('django-import-export')} on Django {version('Django')}"
