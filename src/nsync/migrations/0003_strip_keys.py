"""
Strip the keys that 0.4 stored with surrounding blanks (rules I1, M2).

After 0002, because until then a key was unique in its system, whatever the model: ``1`` of a person and `` 1`` of a
house are two keys now, and were then, but could not both have been ``1``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import migrations

from nsync.errors import ConfigError

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CHUNK = 500  # below every database's limit of parameters in one statement
SHOWN = 20  # mappings that an error names; the others it counts


class Stored(NamedTuple):
    """One mapping."""

    pk: int
    system: str
    content_type: int
    key: str
    object_id: str

    @property
    def identity(self) -> tuple[str, int, str]:
        """What must be unique once the key is stripped."""
        return self.system, self.content_type, self.key.strip()


def strip_keys(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """
    Write each key without surrounding blanks; write nothing if two of them would become one.

    Memory: the mappings whose keys have such blanks, which are few.

    Raises:
        ConfigError: names the mappings that stand in each other's way, and the cure.
    """
    using = schema_editor.connection.alias
    mapping = apps.get_model("nsync", "ExternalKeyMapping")
    mappings = mapping._default_manager.using(using)
    padded = [stored for stored in _read(mappings) if stored.key != stored.key.strip()]
    clashing = _clashing(mappings, padded)
    if clashing:
        raise ConfigError(_message(clashing, using))
    for start in range(0, len(padded), CHUNK):
        changed = [mapping(pk=stored.pk, external_key=stored.key.strip()) for stored in padded[start : start + CHUNK]]
        mappings.bulk_update(changed, ["external_key"])


def _read(mappings: Any) -> Iterable[Stored]:
    columns = ("pk", "external_system__name", "content_type_id", "external_key", "object_id")
    return (Stored(*row) for row in mappings.order_by("pk").values_list(*columns).iterator())


def _clashing(mappings: Any, padded: list[Stored]) -> list[Stored]:
    """Find the mappings whose key would be blank or that of another mapping, and those others."""
    claims: dict[tuple[str, int, str], dict[int, Stored]] = defaultdict(dict)  # {identity: {pk: mapping}}
    for stored in padded:
        claims[stored.identity][stored.pk] = stored
    keys = sorted({stored.key.strip() for stored in padded})
    for start in range(0, len(keys), CHUNK):
        for stored in _read(mappings.filter(external_key__in=keys[start : start + CHUNK])):
            if stored.identity in claims:
                claims[stored.identity][stored.pk] = stored
    return [
        stored
        for (*_, key), claimants in claims.items()
        if not key or len(claimants) > 1
        for stored in claimants.values()
    ]


def _message(clashing: list[Stored], using: str) -> str:
    lines = [
        f"  id {stored.pk}: system {stored.system!r}, content type {stored.content_type}, key {stored.key!r}"
        f" -> object {stored.object_id!r}"
        for stored in clashing[:SHOWN]
    ]
    if len(clashing) > SHOWN:
        lines.append(f"  and {len(clashing) - SHOWN} more")
    return "\n".join(
        [
            f"Database {using!r}: nsync ignores blanks around keys, and without them these key mappings would have"
            " a blank key, or the same key as another one for the same kind of object:",
            *lines,
            "Nothing was changed. Decide which of them are right, delete the others, and run migrate again:",
            "  manage.py shell -c 'from nsync.models import ExternalKeyMapping;"
            f' ExternalKeyMapping.objects.using("{using}").filter(pk__in=[...]).delete()\'',
        ]
    )


class Migration(migrations.Migration):
    dependencies = [("nsync", "0002_text_ids")]

    # Backwards there is nothing to do: keys without blanks were good keys in 0.4 too.
    operations = [migrations.RunPython(strip_keys, migrations.RunPython.noop)]
