"""BatchState: what the database will say once the earlier rows of a batch are written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from nsync.actions import EMPTY, Combined, Condition, Lookup, Match, Relation
from nsync.changes import Change, ChangeKind, KeyMapping, New, ObjectId
from nsync.fields import concrete_model, family, relations_to
from nsync.plan.claims import Claims, must_stand_alone
from nsync.plan.simple import Path, Step, alternatives, first_columns, lookups_in, path_of, shape_of
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
    Unanswered,
)
from nsync.plan.touched import Barrier, Touched

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model


class BatchState(Mapping[Question, Any]):
    """
    The answers of the database, overlaid by what the earlier rows of a batch plan to write (rule T1).

    Each row is planned on a `State` of its own that stands on this one. Once its plan is accepted, `absorb` lets the
    rows after it see it.

    Args:
        answers: What the database said; nothing may have been written to it since. May grow.
        folds_text: The database takes text that differs in case or accents for the same, in unique columns and keys.
        knows_values: What is written is what was planned, in all columns; else other code may have its say in those
            by which no object is found.

    Getting an answer raises `Unanswered` if the database has to be asked, and `Barrier` if memory cannot tell what
    it would say.
    """

    def __init__(self, answers: Mapping[Question, Any], *, folds_text: bool = False, knows_values: bool = True) -> None:
        self._answers = answers
        self._knows_values = knows_values
        self._folds_text = folds_text
        self.is_pristine = True
        self._touched = Touched(self._ask)
        self._claims = Claims(folds_text=folds_text)
        self._linked: dict[Linked, KeyMapping | None] = {}
        self._mapped: dict[ObjectId, dict[Linked, KeyMapping]] = {}  # mappings that point to an object, planned ones
        # {(through, its column, primary key): {primary key on the other side: whether the pair will be there}}
        self._pairs: dict[tuple[type[Model], str, object], dict[object, bool]] = {}
        self._ways: dict[type, Callable[[Any], Any]] = {
            Linked: self._get_linked,
            Matched: self._get_matched,
            Found: self._get_found,
            Stored: self._get_stored,
            Related: self._get_related,
            MappingsOf: self._get_mappings_of,
            CascadeOf: self._get_cascade_of,
        }

    def __getitem__(self, question: Question) -> Any:
        if self.is_pristine:
            return self._ask(question)
        return self._ways[type(question)](question)

    def __iter__(self) -> Any:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def _ask(self, question: Question) -> Any:
        try:
            return self._answers[question]
        except KeyError:
            raise Unanswered(question) from None

    def stands_alone(self, changes: Sequence[Change], given: Collection[str]) -> bool:
        """
        Whether the changes of a row must be written by themselves.

        Args:
            changes: Of the row.
            given: Columns whose values the row gives, by attname.
        """
        if any(change.kind is ChangeKind.INSERT and self._revives(change, given) for change in changes):
            return True
        return must_stand_alone(changes, folds_text=self._folds_text)

    def _revives(self, change: Change, given: Collection[str]) -> bool:
        """Whether a row brings along a primary key that mappings name already: they come to life."""
        pk = change.target.model._meta.pk.attname
        if pk not in given or change.after.get(pk) is None:
            return False
        return bool(self._ask(MappingsOf(ObjectId(change.target.model, change.after[pk]))))

    def absorb(self, changes: Iterable[Change]) -> None:
        """
        Let later rows see the changes of a row.

        Raises:
            Barrier: They cannot be written together with those absorbed before. Nothing can be asked any more.
        """
        changes = tuple(changes)
        self._claims.note(changes)
        if changes:
            self.is_pristine = False
        for change in changes:
            if change.kind in (ChangeKind.INSERT, ChangeKind.UPDATE):
                self._check_foreign_keys(change)
                self._touched.absorb(change, change.stored)
            elif change.kind is ChangeKind.DELETE:
                self._check_foreign_keys(change)
                self._touched.absorb(change, change.stored, self._get_cascade_of(CascadeOf(change.target)).emptied)
            elif change.kind in (ChangeKind.MAP, ChangeKind.UNMAP):
                self._absorb_mapping(change)
            else:
                self._absorb_relation(change)

    def _check_foreign_keys(self, change: Change) -> None:
        """What the database refuses must not be hidden: an object removed earlier to which this one still points."""
        fields: tuple[Any, ...] = change.target.model._meta.concrete_fields
        for field in fields:
            if field.remote_field and field.attname in change.before:
                held = ObjectId(concrete_model(field.related_model), change.before[field.attname])
                if held in self._touched.removed:
                    raise Barrier

    def _absorb_mapping(self, change: Change) -> None:
        mapping = change.mapping
        assert mapping is not None  # every MAP and UNMAP carries one
        key = Linked(mapping.system, mapping.model, mapping.key)
        earlier = self._linked.get(key)
        if earlier is not None and earlier.target is not None:
            self._mapped[earlier.target].pop(key, None)
        is_kept = change.kind is ChangeKind.MAP
        self._linked[key] = mapping if is_kept else None
        if is_kept and mapping.target is not None:
            self._mapped.setdefault(mapping.target, {})[key] = mapping

    def _absorb_relation(self, change: Change) -> None:
        relation = change.relation
        assert relation is not None  # every RELATE and UNRELATE carries one
        assert relation.through is not None  # and it is many-to-many
        is_there = change.kind is ChangeKind.RELATE
        columns = (relation.through_source, relation.through_target)
        directions = [columns, columns[::-1]] if relation.field.remote_field.symmetrical else [columns]
        for source, target in directions:
            for other in change.others:
                pairs = self._pairs.setdefault((relation.through, source, change.target.pk), {})
                if pairs.get(other.pk, is_there) is not is_there and not relation.through._meta.auto_created:
                    raise Barrier  # a row that goes and comes back is another row
                pairs[other.pk] = is_there
                self._pairs.setdefault((relation.through, target, other.pk), {})[change.target.pk] = is_there

    def _guard(self, model: type[Model]) -> None:
        """An object whose rows in other tables were touched (inheritance) is known only to the database."""
        if self._touched.has_stirred_relatives(model):
            raise Barrier

    def _get_linked(self, question: Linked) -> KeyMapping | None:
        if question in self._linked:
            return self._linked[question]
        mapping: KeyMapping | None = self._ask(question)
        if mapping is not None and mapping.target in self._touched.removed:
            raise Barrier
        return mapping

    def _get_stored(self, question: Stored) -> Mapping[str, object] | None:
        target = question.target
        self._guard(target.model)
        if target in self._touched.removed:
            return None
        if self._touched.is_unknown(target):
            raise Barrier
        if target in self._touched.values:
            if not self._knows_values:
                raise Barrier
            return self._touched.values[target]
        values: Mapping[str, object] | None = self._ask(question)
        if values is None or not self._touched.emptied:
            return values
        emptied: dict[str, object] = {
            attname: None
            for (model, attname), held in self._touched.emptied.items()
            if target.model is model and values[attname] in held
        }
        return {**values, **emptied} if emptied else values

    def _get_matched(self, question: Matched) -> tuple[ObjectId, ...]:
        model = concrete_model(question.model)
        lookups = lookups_in(question.match)
        groups = alternatives(question.match, lambda lookup: self._get_found(Found(lookup)))
        if groups is None:
            found: tuple[ObjectId, ...] = self._undisturbed(
                question, model, None if lookups else _own_names(_conditions(question.match))
            )
            return found
        if any(map(self._is_mapped_anew, lookups)):
            return self._fitting_anew(model, groups)
        return self._fitting(question, model, groups)

    def _is_mapped_anew(self, lookup: Lookup) -> bool:
        model = concrete_model(lookup.model)
        return any(Linked(lookup.system, other, lookup.key) in self._linked for other in (model, *family(model)))

    def _fitting_anew(self, model: type[Model], groups: Sequence[tuple[Condition, ...]]) -> tuple[ObjectId, ...]:
        """Give what fits a key that an earlier row has mapped: to a new object only what the batch wrote can refer."""
        if not groups:
            return ()
        shape = shape_of(model, groups[0])
        is_new = any(isinstance(condition.value, New) for condition in groups[0])
        if len(groups) > 1 or shape is None or not is_new:
            raise Barrier
        return tuple(self._touched_fitting(model, groups[0], shape[1]))[:2]

    def _get_found(self, question: Found) -> tuple[ObjectId, ...]:
        lookup = question.lookup
        model = concrete_model(lookup.model)
        base = Found(lookup) if question.without else question
        if lookup.key:
            found = self._found_by_key(base, lookup, model)
        else:
            found = self._fitting(base, model, [lookup.conditions])
        kept = tuple(target for target in found if target not in question.without)
        if len(found) > 1 and len(kept) < 2:
            raise Barrier
        return kept

    def _found_by_key(self, question: Found, lookup: Lookup, model: type[Model]) -> tuple[ObjectId, ...]:
        """Rule R2."""
        self._guard(model)
        relatives = family(model)
        planned = [
            known
            for known in (Linked(lookup.system, other, lookup.key) for other in (model, *relatives))
            if known in self._linked
        ]
        if lookup.conditions or (planned and relatives):
            raise Barrier
        if planned:
            mapping = self._linked[planned[0]]
            return () if mapping is None or mapping.target is None else (mapping.target,)
        found: tuple[ObjectId, ...] = self._ask(question)
        if not self._touched.removed.isdisjoint(found):
            raise Barrier
        return found

    def _undisturbed(self, question: Matched | Found, model: type[Model], names: Iterable[str] | None) -> Any:
        """
        Give what the database says if nothing that the batch did can have a part in it.

        Args:
            question: One that memory cannot answer by itself.
            model: The model that it is about.
            names: The fields of the model that it compares; None: it looks into other tables.
        """
        if names is None or self._touched.concerns(model, names):
            raise Barrier
        self._guard(model)
        return self._ask(question)

    def _fitting(
        self, question: Matched | Found, model: type[Model], groups: Sequence[tuple[Condition, ...]]
    ) -> tuple[ObjectId, ...]:
        """Give the objects that fit one of several groups of comparisons; two stand for two or more."""
        if self._touched.is_still(model) and not any("__" in one.path for group in groups for one in group):
            still: tuple[ObjectId, ...] = self._ask(question)
            return still
        self._guard(model)
        shaped = [shape_of(model, conditions) for conditions in groups]
        if any(shape is None for shape in shaped):
            names = _own_names(chain(*groups))
            alone: tuple[ObjectId, ...] = self._undisturbed(question, model, names)
            return alone
        found: tuple[ObjectId, ...] = self._ask(question)
        fitting: dict[ObjectId, None] = {}
        columns: frozenset[str] = frozenset()
        for shape, conditions in zip(shaped, groups, strict=True):
            assert shape is not None  # see above
            columns |= first_columns(model, conditions)
            fitting.update(dict.fromkeys(self._touched_fitting(model, conditions, shape[1])))
        kept = [target for target in found if not self._touched.is_stale(target, columns)]
        result = tuple(dict.fromkeys([*kept, *fitting]))[:2]
        if len(found) > 1 and len(kept) < len(found) and len(result) < 2:
            raise Barrier  # there may be more than the two that are known
        return result

    def _touched_fitting(
        self, model: type[Model], conditions: Sequence[Condition], values: Sequence[object]
    ) -> Iterable[ObjectId]:
        paths, wanted, left = [], [], iter(values)
        for condition in conditions:
            path = path_of(model, condition.path)
            assert path is not None  # the comparison has a shape
            if self._touched.has_moved(path):
                raise Barrier
            paths.append(path)
            wanted.append(EMPTY if condition.value is EMPTY else self._touched.number(next(left)))
        if not self._touched.has_written(model):
            return ()
        return self._touched.holding(tuple(paths), tuple(wanted))

    def _get_related(self, question: Related) -> frozenset[ObjectId]:
        relation, target = question.relation, question.target
        related = concrete_model(relation.related_model)
        self._guard(related)
        before: frozenset[ObjectId] = frozenset() if isinstance(target.pk, New) else self._ask(question)
        if relation.kind == "many":
            assert relation.through is not None  # every many-to-many relation has one
            pairs = self._pairs.get((relation.through, relation.through_source, target.pk), {})
            added = {ObjectId(related, pk) for pk, is_there in pairs.items() if is_there}
            return frozenset(added | {other for other in before if pairs.get(other.pk, True)}) - self._touched.removed
        return self._reverse(relation, related, target, before)

    def _reverse(
        self, relation: Relation, related: type[Model], target: ObjectId, before: frozenset[ObjectId]
    ) -> frozenset[ObjectId]:
        columns = frozenset({relation.attname})
        if not self._touched.has_written(related):
            return before - self._touched.removed
        path: Path | None = path_of(related, relation.attname)
        if path is None:
            raise Barrier
        own = self._get_stored(Stored(target)) or {}
        value = self._touched.number(own.get(relation.target_attname) or target.pk)
        if self._folds_text and isinstance(value, str):
            raise Barrier
        kept = {other for other in before if not self._touched.is_stale(other, columns)}
        return frozenset(kept.union(self._touched.holding((path,), (value,))))

    def _get_mappings_of(self, question: MappingsOf) -> tuple[KeyMapping, ...]:
        target = question.target
        before: tuple[KeyMapping, ...] = () if isinstance(target.pk, New) else self._ask(question)
        relatives = [ObjectId(model, target.pk) for model in (target.model, *family(target.model))]
        return self._mappings_now(before, relatives)

    def _mappings_now(self, before: Iterable[KeyMapping], targets: Iterable[ObjectId]) -> tuple[KeyMapping, ...]:
        kept = [one for one in before if Linked(one.system, one.model, one.key) not in self._linked]
        planned = [mapping for target in targets for mapping in self._mapped.get(target, {}).values()]
        return (*kept, *planned)

    def _get_cascade_of(self, question: CascadeOf) -> Cascade:
        if isinstance(question.target.pk, New):
            raise Barrier
        cascade: Cascade = self._ask(question)
        if self.is_pristine:
            return cascade
        if cascade.refusal:
            raise Barrier  # what is in the way may be gone, or have changed
        removed = tuple(other for other in cascade.removed if other not in self._touched.removed)
        for other in removed:
            self._guard(other.model)
            self._check_untouched(other)
        return cascade._replace(removed=removed, mappings=self._mappings_now(cascade.mappings, removed))

    def _check_untouched(self, target: ObjectId) -> None:
        """An object that was written, or to which something written points, takes along other things than before."""
        if target in self._touched.values:
            raise Barrier
        for relation in relations_to(target.model):
            model = concrete_model(relation.related_model)
            field = relation.field
            if (model, field.name, target.pk) in self._pairs:
                raise Barrier
            if not self._touched.has_written(model):
                continue
            is_by_key = field.target_field.attname == target.model._meta.pk.attname
            is_by_key = is_by_key and not (self._folds_text and isinstance(target.pk, str))
            if not is_by_key or any(self._touched.holding(((Step(model, field.attname),),), (target.pk,))):
                raise Barrier


def _conditions(match: Match) -> Iterable[Condition]:
    """Give the comparisons of an expression."""
    if isinstance(match, Combined):
        return chain.from_iterable(map(_conditions, match.nodes))
    return (match.condition,)


def _own_names(conditions: Iterable[Condition]) -> list[str] | None:
    """Give the fields that comparisons name; None if other tables have a part in them."""
    names = [condition.path for condition in conditions]
    return None if any("__" in name for name in names) else names
