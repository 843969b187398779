"""Standing: which rows mean an object that the database has, asked of some thousand at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from django.db.models import Model

from nsync.actions import Action
from nsync.errors import RowError
from nsync.fields import concrete_model
from nsync.plan.resolve import Answers, Resolver
from nsync.plan.state import Linked, Matched, Question
from nsync.plan.together import Together
from nsync.profiling.repeats import operands_of


class Stand(NamedTuple):
    """What the database has of a row."""

    is_mapped: bool = False  # its key; the object may be gone
    is_linked: bool = False  # the object of its key is there
    is_there: bool = False  # an object of its key or its match is


class Standing:
    """
    Looks up the objects that rows mean.

    Queries: as a run has for the keys and matches of its rows; nothing is written.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._together = Together(resolver)
        self._mapped: dict[type[Model], bool] = {}

    def of(self, actions: Sequence[Action]) -> list[Stand]:
        """Say of each action what there is."""
        answers: Answers = {}
        asked = [list(self._questions(action)) for action in actions]
        self._together.answer([question for some in asked for question in some], answers)
        return [_stand(some, self._answered(some, answers)) for some in asked]

    def _questions(self, action: Action) -> Iterator[Question]:
        if action.key and self.has_mappings(action.model):
            yield Linked(action.system, concrete_model(action.model), action.key)
        if action.match is not None and all(
            self.has_mappings(lookup.model) for _, lookup in operands_of(action.match) if lookup is not None
        ):
            yield Matched(action.model, action.match)

    def _answered(self, questions: Sequence[Question], answers: Answers) -> Answers:
        for question in questions:
            if question not in answers:
                with suppress(RowError):  # no database can be asked so
                    self._resolver.answer(question, answers)
        return answers

    def has_mappings(self, model: type[Model]) -> bool:
        """Whether there can be mappings: without a content type there is none, and to ask for one would make it."""
        if model not in self._mapped:  # Django remembers only content types that there are
            self._mapped[model] = bool(self._resolver.identities.known_content_type(model))
        return self._mapped[model]


def _stand(questions: Sequence[Question], answers: Answers) -> Stand:
    mapping = next((answers.get(one) for one in questions if isinstance(one, Linked)), None)
    is_matched = any(answers.get(one) for one in questions if isinstance(one, Matched))
    is_linked = mapping is not None and mapping.target is not None
    return Stand(mapping is not None, is_linked, is_linked or is_matched)
