"""Together: answers the questions of many rows in a few queries; what it cannot group it leaves to the resolver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.core.exceptions import FieldError
from django.db.models import Model, Q

from nsync.actions import Relation
from nsync.changes import KeyMapping, ObjectId
from nsync.errors import RowError
from nsync.fields import attnames, children, concrete_model, held_field, is_text
from nsync.models import ExternalKeyMapping
from nsync.plan.cascade import emptied_by, takers
from nsync.plan.paths import final_field
from nsync.plan.queries import condition_query
from nsync.plan.resolve import Answers, Resolver, parents, pk_of
from nsync.plan.simple import Shape, alternatives, canonical, lookups_in, path_of, shape_of
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
from nsync.rowsin import RowsIn, can_hold, slices

T = TypeVar("T")
Values = tuple[object, ...]


class Together:
    """
    Answers questions of many rows at once.

    Args:
        resolver: Answers what remains, one by one; knows the database.

    Queries, for any number of questions (up to what a statement can take): two for all keys of one model (the
    mappings, their objects); one for each shape of match, and one for each set of reference columns; one for each
    relation whose present objects are asked for; one for the mappings of objects; one for each foreign key that
    points to a model whose objects are deleted.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._identities = resolver.identities
        self.using = resolver.using

    def answer(self, questions: Iterable[Question], answers: Answers) -> None:
        """Add what can be answered together to what is known."""
        kinds: dict[type, list[Any]] = {}
        for question in questions:
            if question not in answers:
                kinds.setdefault(type(question), []).append(question)
        ways: tuple[tuple[type, Callable[[list[Any], Answers], None]], ...] = (
            (Linked, self._linked),
            (Matched, self._matched),
            (Found, self._found),
            (Stored, self._stored),
            (Related, self._related),
            (MappingsOf, self._mappings_of),
            (CascadeOf, self._cascade_of),
        )
        for kind, way in ways:
            if kind in kinds:
                # A value that no database can be asked for: whose it is shows when they are asked one by one.
                try:
                    way(kinds[kind], answers)
                except (FieldError, OverflowError, ValueError, RowError):
                    continue

    def _linked(self, questions: list[Linked], answers: Answers) -> None:
        for (system, model), group in _grouped(questions, lambda asked: (asked.system, asked.model)):
            wanted = {question.key: question for question in group}
            rows = self._mapping_rows(system, [model], list(wanted))
            found = {key: pk_of(model, object_id) for _, key, object_id in rows if key in wanted}
            self._load(model, found.values(), answers)
            for key, question in wanted.items():
                answers[question] = None
                if key in found:
                    target = ObjectId(model, found[key])
                    is_there = answers.get(Stored(target)) is not None
                    answers[question] = KeyMapping(system, model, key, target if is_there else None)

    def _mapping_rows(
        self, system: str, models: Sequence[type[Model]], keys: Sequence[str]
    ) -> Iterator[tuple[type[Model], str, str]]:
        """Give the mappings of keys of one system: model, key, object id."""
        by_type = {self._identities.content_type(model): model for model in models}
        rows = ExternalKeyMapping._base_manager.using(self.using).filter(
            external_system_id=self._identities.system(system), content_type_id__in=list(by_type)
        )
        field = ExternalKeyMapping._meta.get_field("external_key")
        for part in slices([keys], [field], self.using):
            names = ("content_type_id", "external_key", "object_id")
            for content_type, key, object_id in rows.filter(RowsIn(["external_key"], [field], part)).values_list(
                *names
            ):
                yield by_type[content_type], key, object_id

    def _load(self, model: type[Model], pks: Iterable[object], answers: Answers) -> None:
        """See to it that Stored is known of these objects."""
        wanted = [pk for pk in dict.fromkeys(pks) if Stored(ObjectId(model, pk)) not in answers]
        asked = [pk for pk in wanted if pk is not None]
        if path_of(model, "pk") is None or self._folds(model._meta.pk):
            self._load_each(model, asked, answers)
        else:
            for _ in self._ask(model, ("pk",), [(pk,) for pk in asked], answers):
                pass
        for pk in wanted:
            answers.setdefault(Stored(ObjectId(model, pk)), None)

    def _load_each(self, model: type[Model], pks: Iterable[object], answers: Answers) -> None:
        for pk in pks:
            self._resolver.answer(Stored(ObjectId(model, pk)), answers)

    def _ask(
        self,
        model: type[Model],
        paths: Sequence[str],
        rows: Sequence[Values],
        answers: Answers,
        condition: Q | None = None,
    ) -> Iterator[tuple[Values, ObjectId]]:
        """Give the objects in which columns hold one of these combinations of values; Stored is known of them then."""
        names = attnames(model)
        own = {name: position for position, name in enumerate(names)}
        columns = [path_of(model, path) for path in paths]
        extra = [path for path, steps in zip(paths, columns, strict=True) if steps and len(steps) > 1]
        places = [
            own[steps[0].attname] if steps and len(steps) == 1 else len(names) + extra.index(path)
            for path, steps in zip(paths, columns, strict=True)
        ]
        fields = [held_field(final_field(model, path)) for path in paths]
        pk_place = own[model._meta.pk.attname]
        holdable = [
            row
            for row in rows
            if all(can_hold(field, value, self.using) for field, value in zip(fields, row, strict=True))
        ]
        for part in slices(list(zip(*holdable, strict=True)), fields, self.using):
            query = self._resolver.objects(model).filter(RowsIn(paths, fields, part))
            if condition is not None:
                query = query.filter(condition)
            found = list(query.values_list(*names, *extra))
            targets = [ObjectId(model, row[pk_place]) for row in found]
            for target, stored in zip(targets, self._with_properties(model, names, found), strict=True):
                answers.setdefault(Stored(target), stored)
            for target, row in zip(targets, found, strict=True):
                yield tuple(canonical(row[place]) for place in places), target

    def _folds(self, field: Any) -> bool:
        """Whether the database finds more by this column than Python would: then it is asked for each object."""
        return self._resolver.folds_text and is_text(held_field(field))

    def _with_properties(
        self, model: type[Model], names: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> Iterable[Mapping[str, object]]:
        width = len(names)
        found = [dict(zip(names, row[:width], strict=True)) for row in rows]
        return self._resolver.with_properties(model, found)

    def _matched(self, questions: list[Matched], answers: Answers) -> None:
        wanted: dict[Matched, list[tuple[Shape, Values]]] = {}
        mapped = [Found(lookup) for question in questions for lookup in lookups_in(question.match)]
        self._found([question for question in dict.fromkeys(mapped) if question not in answers], answers)
        for question in questions:
            groups = alternatives(question.match, lambda lookup: answers.get(Found(lookup)))
            if groups is None:
                continue
            shaped = [shape_of(concrete_model(question.model), conditions) for conditions in groups]
            known = [shape for shape in shaped if shape is not None and shape[0].paths]
            if len(known) == len(groups):
                wanted[question] = known
        found = self._objects_by([pair for pairs in wanted.values() for pair in pairs], answers)
        for question, pairs in wanted.items():
            answers[question] = _two(found[pair] for pair in pairs)

    def _found(self, questions: list[Found], answers: Answers) -> None:
        asked = [question for question in questions if not question.without]
        self._found_by_key([question for question in asked if question.lookup.key], answers)
        wanted = {}
        for question in asked:
            lookup = question.lookup
            pair = None if lookup.key else shape_of(concrete_model(lookup.model), lookup.conditions)
            if pair is not None and pair[0].paths:
                wanted[question] = pair
        found = self._objects_by(wanted.values(), answers)
        for question, pair in wanted.items():
            answers[question] = _two([found[pair]])

    def _objects_by(
        self, pairs: Iterable[tuple[Shape, Values]], answers: Answers
    ) -> dict[tuple[Shape, Values], dict[ObjectId, None]]:
        found: dict[tuple[Shape, Values], dict[ObjectId, None]] = {pair: {} for pair in pairs}
        for shape, group in _grouped(found, lambda pair: pair[0]):
            rows = [values for _, values in group]
            condition = None
            for empty in shape.empties:
                query = condition_query(empty, shape.model, self.using)
                condition = query if condition is None else condition & query
            for values, target in self._ask(shape.model, shape.paths, rows, answers, condition):
                if (shape, values) in found:  # else this database folds what Python tells apart (rule I3)
                    found[shape, values][target] = None
        return found

    def _found_by_key(self, questions: list[Found], answers: Answers) -> None:
        """Rule R2, for references that name nothing but a key."""
        plain = [question for question in questions if not question.lookup.conditions]
        by_model = _grouped(plain, lambda asked: (asked.lookup.system, concrete_model(asked.lookup.model)))
        for (system, model), group in by_model:
            wanted: dict[str, dict[object, None]] = {question.lookup.key: {} for question in group}
            for _, key, object_id in self._mapping_rows(system, [model, *children(model)], list(wanted)):
                if key in wanted:
                    wanted[key][pk_of(model, object_id)] = None
            self._load(model, [pk for pks in wanted.values() for pk in pks], answers)
            for question in group:
                targets = (ObjectId(model, pk) for pk in wanted[question.lookup.key])
                answers[question] = _two([[target for target in targets if answers.get(Stored(target)) is not None]])

    def _stored(self, questions: list[Stored], answers: Answers) -> None:
        for model, group in _grouped(questions, lambda asked: asked.target.model):
            self._load(model, [question.target.pk for question in group], answers)

    def _related(self, questions: list[Related], answers: Answers) -> None:
        for relation, group in _grouped(questions, lambda asked: asked.relation):
            if relation.kind == "many":
                if not self._folds(relation.model._meta.pk):
                    self._through(relation, group, answers)
            elif path_of(relation.related_model, relation.attname) and not self._folds(relation.field):
                self._reverse(relation, group, answers)

    def _reverse(self, relation: Relation, questions: list[Related], answers: Answers) -> None:
        related = concrete_model(relation.related_model)
        held = {}
        for question in questions:
            stored = answers.get(Stored(question.target))
            if stored is not None:
                held[question] = stored[relation.target_attname]
        known = {question: stored for question in held if (stored := question) in answers}
        wanted: dict[object, set[ObjectId]] = {canonical(value): set() for value in held.values() if value is not None}
        fresh: Answers = {}
        for (value,), target in self._ask(related, (relation.attname,), [(value,) for value in wanted], fresh):
            if value in wanted:
                wanted[value].add(target)
        for stored_question, values in fresh.items():
            answers.setdefault(stored_question, values)
        for question, value in held.items():
            if question not in known:
                answers[question] = frozenset(wanted.get(canonical(value), ()))

    def _through(self, relation: Relation, questions: list[Related], answers: Answers) -> None:
        assert relation.through is not None  # every many-to-many relation has one
        related = concrete_model(relation.related_model)
        wanted: dict[object, set[ObjectId]] = {question.target.pk: set() for question in questions}
        source, target = f"{relation.through_source}__pk", f"{relation.through_target}__pk"
        field = held_field(questions[0].target.model._meta.pk)
        for part in slices([list(wanted)], [field], self.using):
            rows = relation.through._base_manager.using(self.using).filter(RowsIn([source], [field], part))
            for own, other in rows.values_list(source, target):
                wanted[own].add(ObjectId(related, other))
        for question in questions:
            answers[question] = frozenset(wanted[question.target.pk])

    def _mappings_of(self, questions: list[MappingsOf], answers: Answers) -> None:
        for model, group in _grouped(questions, lambda asked: asked.target.model):
            family = [model, *parents(model), *children(model)]
            found: dict[str, list[KeyMapping]] = {str(question.target.pk): [] for question in group}
            targets = [ObjectId(other, question.target.pk) for question in group for other in family]
            for mapping in self._resolver.mappings(targets):
                assert mapping.target is not None  # these point to something
                if (known := found.get(str(mapping.target.pk))) is not None:  # MariaDB takes "a " for "a"
                    known.append(mapping)
            for question in group:
                answers[question] = tuple(found[str(question.target.pk)])

    def _cascade_of(self, questions: list[CascadeOf], answers: Answers) -> None:
        """Those objects go alone to which nothing refers; of the others Django's collector must say what goes."""
        for model, group in _grouped(questions, lambda asked: asked.target.model):
            foreign_keys = takers(model)
            if foreign_keys is None or any(map(self._folds, foreign_keys)):
                continue
            self._load(model, [question.target.pk for question in group], answers)
            alone = {question.target: question for question in group if answers.get(Stored(question.target))}
            for field in foreign_keys:
                self._drop_held(field, alone, answers)
            mappings: dict[str, list[KeyMapping]] = {str(target.pk): [] for target in alone}
            for mapping in self._resolver.mappings(list(alone)):
                assert mapping.target is not None  # these point to something
                if (known := mappings.get(str(mapping.target.pk))) is not None:
                    known.append(mapping)
            for target, question in alone.items():
                emptied = tuple(emptied_by(model, [answers[Stored(target)]]))
                answers[question] = Cascade((target,), tuple(mappings[str(target.pk)]), emptied=emptied)

    def _drop_held(self, field: Any, alone: dict[ObjectId, CascadeOf], answers: Answers) -> None:
        """Take out the objects that a foreign key points to."""
        target_field = held_field(field)
        held: dict[object, ObjectId] = {}
        for target in alone:
            value = answers[Stored(target)][field.target_field.attname]
            if value is not None:
                held[value] = target
        for part in slices([list(held)], [target_field], self.using):
            rows = field.model._base_manager.using(self.using).filter(RowsIn([field.attname], [target_field], part))
            for value in rows.values_list(field.attname, flat=True).distinct():
                alone.pop(held[value], None)


def _grouped(items: Iterable[T], key: Callable[[T], Any]) -> list[tuple[Any, list[T]]]:
    groups: dict[Any, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())


def _two(parts: Iterable[Iterable[ObjectId]]) -> tuple[ObjectId, ...]:
    """Give the objects of all parts, once each; two stand for two or more."""
    found = dict.fromkeys(target for part in parts for target in part)
    return tuple(found)[:2]
