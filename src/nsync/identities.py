"""Systems and models as mapping rows hold them: by number."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from nsync.fields import concrete_model
from nsync.models import ExternalSystem


class Identities:
    """
    Looks up, once per run, the numbers of systems and content types.

    Args:
        using: Alias of the database on which the run works (rule T9).

    Queries: one per system and per model, the first time.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self._systems: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._models: dict[Any, type[Model] | None] = {}

    def system(self, name: str) -> int:
        """Give the primary key of an external system; 0 if there is none of exactly this name."""
        if name not in self._systems:
            rows = ExternalSystem._base_manager.using(self.using).filter(name=name).values_list("pk", "name")
            found = next((pk for pk, other in rows if other == name), 0)
            if not found:
                return 0  # not remembered: it may be created later
            self._systems[name] = found
        return self._systems[name]

    def system_name(self, pk: int) -> str:
        """Give the name of an external system."""
        if pk not in self._names:
            self._names[pk] = ExternalSystem._base_manager.using(self.using).values_list("name", flat=True).get(pk=pk)
        return self._names[pk]

    def content_type(self, model: type[Model]) -> int:
        """Give the primary key of the content type of a concrete model (rule I1)."""
        return int(ContentType.objects.db_manager(self.using).get_for_model(concrete_model(model)).pk)

    def model(self, content_type: Any) -> type[Model] | None:
        """Give the model of a content type, by its primary key; None if there is none any more."""
        if content_type not in self._models:
            self._models[content_type] = self._model(content_type)
        return self._models[content_type]

    def _model(self, content_type: Any) -> type[Model] | None:
        try:
            return ContentType.objects.db_manager(self.using).get_for_id(content_type).model_class()
        except (ContentType.DoesNotExist, TypeError, ValueError):
            return None

    def known_content_type(self, model: type[Model]) -> int:
        """Give the primary key of a content type without making one; 0 if there is none: no mapping names it then."""
        meta = concrete_model(model)._meta
        try:
            found = ContentType.objects.db_manager(self.using).get_by_natural_key(meta.app_label, str(meta.model_name))
        except ContentType.DoesNotExist:
            return 0
        return int(found.pk)
