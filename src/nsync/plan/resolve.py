"""Resolver: asks the database what the planner wants to know; no other part of planning makes queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Any

from django.core.exceptions import FieldError, ValidationError
from django.db import connections
from django.db.models import Model, Q, QuerySet

from nsync.actions import Condition, Lookup, Relation
from nsync.changes import KeyMapping, ObjectId
from nsync.errors import Problem, RowError
from nsync.fields import attnames, children, concrete_model
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping
from nsync.plan.cascade import collect
from nsync.plan.compiled import CompiledQueries
from nsync.plan.queries import anded, condition_query, match_query
from nsync.plan.state import (
    Cascade,
    CascadeOf,
    Found,
    Linked,
    MappingsOf,
    Matched,
    Question,
    Related,
    Stored,
)

Answers = dict[Question, Any]

_AT_ONCE = 1_000  # objects that one query asks about: databases limit its parameters


class Resolver:
    """
    Answers the planner's questions from one database.

    Args:
        identities: Names of systems and models, as mapping rows hold them; knows the *write* database, so
            that a row sees the rows before it.
        properties: Concrete model → names of the ``@property`` columns whose text planning compares (V6).

    Queries: `Linked` two (the mapping, its object), `Matched` and `Found` by conditions one, `Found` by key
    two, `Stored` and `Related` one, `MappingsOf` one, `CascadeOf` what Django's collector needs.
    """

    def __init__(self, identities: Identities, properties: Mapping[type[Model], tuple[str, ...]]) -> None:
        self.using = identities.using
        self.identities = identities
        self._properties = properties
        self._compiled = CompiledQueries(self.using)
        self._ways: dict[type, Callable[[Any, Answers], Any]] = {
            Linked: self._linked,
            Matched: self._matched,
            Found: self._found,
            Stored: lambda question, answers: self._stored(question.target),
            Related: self._related,
            MappingsOf: lambda question, answers: self._mappings_of(question.target),
            CascadeOf: lambda question, answers: self._cascade_of(question.target),
        }

    @property
    def folds_text(self) -> bool:
        """Whether the database takes text that differs in case or accents for the same, unless it is told not to."""
        return connections[self.using].vendor == "mysql"

    def answer(self, question: Question, answers: Answers) -> None:
        """
        Add the answer to a question, and what came with it, to what is known.

        Raises:
            RowError: ``bad-match``: no database can be asked so, such as for a year that does not exist.
        """
        try:
            answers[question] = self._ways[type(question)](question, answers)
        except (FieldError, OverflowError, ValueError) as error:
            raise RowError(Problem("bad-match", f"the database cannot be asked for this value: {error}")) from error

    def objects(self, model: type[Model]) -> QuerySet[Model]:
        """Give all objects of a model, in no order."""
        # The base manager: a default manager may hide rows that exist all the same.
        return concrete_model(model)._base_manager.using(self.using).order_by()

    def _linked(self, question: Linked, answers: Answers) -> KeyMapping | None:
        wanted = (
            _equal("external_system", self.identities.system(question.system)),
            _equal("content_type", self.identities.content_type(question.model)),
            _equal("external_key", question.key),
        )
        for key, object_id in self._rows(ExternalKeyMapping, ("external_key", "object_id"), wanted):
            if key == question.key:  # rule I1: compared exactly, whatever the database's collation
                return self._mapping(question.system, question.model, key, object_id, answers)
        return None

    def _mapping(self, system: str, model: type[Model], key: str, object_id: str, answers: Answers) -> KeyMapping:
        """Give a mapping; its target is None if the object is gone."""
        target = ObjectId(model, pk_of(model, object_id))
        stored = Stored(target)
        if stored not in answers:
            answers[stored] = self._stored(target)
        return KeyMapping(system, model, key, target if answers[stored] is not None else None)

    def _matched(self, question: Matched, answers: Answers) -> tuple[ObjectId, ...]:
        model = concrete_model(question.model)
        conditions = anded(question.match)
        if conditions and (rows := self._compiled.rows(model, attnames(model), conditions)) is not None:
            return self._keep(model, rows, answers)
        query = match_query(question.match, model, self.using, lambda lookup: self._pks_found(lookup, answers))
        return self._load(model, query, answers)

    def _pks_found(self, lookup: Lookup, answers: Answers) -> list[object]:
        return [target.pk for target in self._found(Found(lookup), answers)]

    def _load(self, model: type[Model], query: Q, answers: Answers) -> tuple[ObjectId, ...]:
        """Find up to two objects (two stand for more), with their values."""
        rows = self.objects(model).filter(query).values_list(*attnames(model))
        return self._keep(model, rows.iterator(chunk_size=100), answers)

    def _keep(self, model: type[Model], rows: Iterable[Sequence[Any]], answers: Answers) -> tuple[ObjectId, ...]:
        found: dict[ObjectId, Mapping[str, object]] = {}
        pk = model._meta.pk.attname
        # Joins to other tables can repeat an object: two different ones are enough to know.
        for row in rows:
            values = dict(zip(attnames(model), row, strict=True))
            found[ObjectId(model, values[pk])] = values
            if len(found) > 1:
                break
        for target, stored in found.items():
            answers[Stored(target)] = self._with_properties(target, stored)
        return tuple(found)

    def _rows(
        self, model: type[Model], names: tuple[str, ...], conditions: Sequence[Condition]
    ) -> Iterable[Sequence[Any]]:
        """Give up to two rows that meet conditions without joins."""
        rows = self._compiled.rows(model, names, conditions)
        if rows is not None:
            return rows
        query = reduce(and_, (condition_query(condition, model, self.using) for condition in conditions))
        return self.objects(model).filter(query).values_list(*names)[:2]

    def _stored(self, target: ObjectId) -> Mapping[str, object] | None:
        names = attnames(target.model)
        for row in self._rows(target.model, names, [_equal("pk", target.pk)]):
            return self._with_properties(target, dict(zip(names, row, strict=True)))
        return None

    def _with_properties(self, target: ObjectId, values: Mapping[str, object]) -> Mapping[str, object]:
        return self.with_properties(target.model, [values])[0]

    def with_properties(self, model: type[Model], rows: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
        """
        Add to the values of objects the text of each property that a column of the run names (rule V6).

        Queries: none without such properties, else one per thousand objects.
        """
        names = self._properties.get(model, ())
        if not names:
            return list(rows)
        pk = model._meta.pk.attname
        texts: dict[object, Mapping[str, object]] = {}
        for start in range(0, len(rows), _AT_ONCE):
            pks = [row[pk] for row in rows[start : start + _AT_ONCE]]
            for instance in self.objects(model).filter(pk__in=pks):
                texts[instance.pk] = {name: _text_of(instance, name) for name in names}
        return [{**row, **texts.get(row[pk], {})} for row in rows]

    def _found(self, question: Found, answers: Answers) -> tuple[ObjectId, ...]:
        lookup = question.lookup
        model = concrete_model(lookup.model)
        if not lookup.key and not question.without:
            rows = self._compiled.rows(model, attnames(model), lookup.conditions)
            if rows is not None:
                return self._keep(model, rows, answers)
        query = Q(pk__in=self._mapped_pks(lookup, model)) if lookup.key else Q()
        if gone := [other.pk for other in question.without if other.model is model]:
            query &= ~Q(pk__in=gone)
        for condition in lookup.conditions:
            query &= condition_query(condition, model, self.using)
        return self._load(model, query, answers)

    def _mapped_pks(self, lookup: Lookup, model: type[Model]) -> list[object]:
        """Rule R2: what a system maps a key to; objects of child models count."""
        types = [
            self.identities.content_type(model),
            *(self.identities.content_type(child) for child in children(model)),
        ]
        rows = ExternalKeyMapping._base_manager.using(self.using).filter(
            external_system_id=self.identities.system(lookup.system), content_type__in=types, external_key=lookup.key
        )
        return [
            pk_of(model, object_id)
            for key, object_id in rows.values_list("external_key", "object_id")
            if key == lookup.key
        ]

    def _related(self, question: Related, answers: Answers) -> frozenset[ObjectId]:
        target, relation = question.target, question.relation
        related = concrete_model(relation.related_model)
        if relation.kind == "many":
            return frozenset(ObjectId(related, pk) for pk in self._through_pks(target, relation))
        values = answers.get(Stored(target)) or self._stored(target) or {}
        rows = self.objects(related).filter(**{relation.attname: values[relation.target_attname]})
        pk_name = related._meta.pk.attname
        objects = {}
        for row in rows.values(*attnames(related)):
            objects[ObjectId(related, row[pk_name])] = row
        for other, row in objects.items():
            answers.setdefault(Stored(other), row)  # what is known already has the texts of properties too
        return frozenset(objects)

    def _through_pks(self, target: ObjectId, relation: Relation) -> Iterable[object]:
        assert relation.through is not None  # every many-to-many relation has one
        rows = relation.through._base_manager.using(self.using)
        return rows.filter(**{f"{relation.through_source}__pk": target.pk}).values_list(
            f"{relation.through_target}__pk", flat=True
        )

    def _mappings_of(self, target: ObjectId) -> tuple[KeyMapping, ...]:
        family = [target.model, *parents(target.model), *children(target.model)]
        return tuple(self.mappings([ObjectId(model, target.pk) for model in family]))

    def mappings(self, targets: Sequence[ObjectId]) -> Iterator[KeyMapping]:
        """Give the mappings that point to any of these objects."""
        for start in range(0, len(targets), _AT_ONCE):
            yield from self._mappings_at_once(targets[start : start + _AT_ONCE])

    def _mappings_at_once(self, targets: Iterable[ObjectId]) -> Iterator[KeyMapping]:
        pks: dict[type[Model], list[object]] = {}
        for target in targets:
            pks.setdefault(target.model, []).append(target.pk)
        query = Q()
        models = {}
        for model, keys in pks.items():
            # Tables between many-to-many relations go along too, and have no content type as a rule.
            if content_type := self.identities.known_content_type(model):
                models[content_type] = model
                query |= Q(content_type=content_type, object_id__in=[str(key) for key in keys])
        if not models:
            return
        rows = ExternalKeyMapping._base_manager.using(self.using).filter(query).order_by("pk")
        for system, content_type, key, object_id in rows.values_list(
            "external_system_id", "content_type_id", "external_key", "object_id"
        ):
            model = models[content_type]
            target = ObjectId(model, model._meta.pk.to_python(object_id))
            yield KeyMapping(self.identities.system_name(system), model, key, target)

    def _cascade_of(self, target: ObjectId) -> Cascade:
        removed, emptied, refusal = collect(target, self.using)
        if refusal:
            return Cascade((), (), refusal)
        return Cascade(removed, tuple(self.mappings(removed)), emptied=emptied)


def _equal(name: str, value: object) -> Condition:
    return Condition(name, "exact", value, is_exact_text=False, column="")


def pk_of(model: type[Model], object_id: str) -> object:
    """Give the primary key that a mapping holds as text; None, which no object has, if its type is another now."""
    try:
        return model._meta.pk.to_python(object_id)
    except ValidationError:
        return None


def _text_of(instance: Model, name: str) -> str | None:
    """Give what a property's getter says, as text; None if it says nothing or cannot be read."""
    try:
        value = getattr(instance, name)
        return None if value is None else str(value)
    except AttributeError:  # a setter without a getter
        return None
    except Exception as error:  # the model's own code
        message = f"the getter of {name} fails: {type(error).__name__}: {error}"
        raise RowError(Problem("refused", message, name)) from error


def parents(model: type[Model]) -> list[type[Model]]:
    """Give the models that this one extends by multi-table inheritance."""
    return list(model._meta.get_parent_list())
