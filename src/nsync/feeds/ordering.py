"""In which order feeds run: what others refer to comes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import Model

from nsync.feeds.feed import Feed
from nsync.fields import are_kin, concrete_model
from nsync.opening import find_model


class FeedOrder(NamedTuple):
    """The order of some feeds, and why it is so."""

    feeds: list[Feed]
    needs: dict[str, list[str]]  # name → names of the feeds that come before it because it refers to their models
    cycles: list[list[str]]  # names of feeds that refer to each other by their columns, each needing the next


class _Need(NamedTuple):
    feed: str
    needed: str
    is_named: bool  # by a column of the feed; else its model has such a relation, and its file may have such a column


class _Relation(NamedTuple):
    name: str
    model: type[Model]  # that it refers to
    is_own: bool  # a field of the model's own, by its own name


def in_order(feeds: Sequence[Feed]) -> FeedOrder:
    """
    Put feeds in order: those whose models others refer to first, and else as they are given.

    Relations that columns of a feed name count more than those that a file may name by itself. Of feeds that refer to
    each other, those that are given first come first.
    """
    needs: dict[str, list[str]] = {feed.name: [] for feed in feeds}
    cycles = []
    for need in sorted(dict.fromkeys(_needs(feeds)), key=lambda need: not need.is_named):
        way = _way(needs, need.needed, need.feed)
        if not way and need.needed not in needs[need.feed]:
            needs[need.feed].append(need.needed)
        elif way and need.is_named:
            cycles.append([need.feed, *way])
    return FeedOrder(_sorted(feeds, needs), needs, cycles)


def _sorted(feeds: Sequence[Feed], needs: dict[str, list[str]]) -> list[Feed]:
    """Put feeds in the order given, right before each those that it needs and that are not there yet."""
    ordered: dict[str, None] = {}

    def put(name: str) -> None:
        if name not in ordered:
            for needed in needs[name]:  # there is no cycle left among these
                put(needed)
            ordered[name] = None

    by_name = {feed.name: feed for feed in feeds}
    for name in by_name:
        put(name)
    return [by_name[name] for name in ordered]


def _way(needs: dict[str, list[str]], start: str, end: str) -> list[str]:
    """Give the names from one feed to another, each needing the next; nothing if there is no way."""
    if start == end:
        return [end]
    for needed in needs[start]:
        if way := _way(needs, needed, end):
            return [start, *way]
    return []


def _needs(feeds: Sequence[Feed]) -> Iterator[_Need]:
    models = {feed.name: concrete_model(find_model(feed.model)) for feed in feeds}
    for feed in feeds:
        own = models[feed.name]
        needed = [(related, True) for name in _names(feed) for related in _models_of(own, name)]
        if _may_hold_others(feed):
            needed += [(relation.model, False) for relation in _relations(own) if relation.is_own]
        for related, is_named in needed:
            yield from (
                _Need(feed.name, other, is_named)
                for other, model in models.items()
                if other != feed.name and are_kin(model, related) and not are_kin(model, own)
            )


def _relations(model: type[Model]) -> Iterator[_Relation]:
    """Give the relations that a column can name."""
    for field in model._meta.get_fields():
        related: Any = field.related_model
        if isinstance(related, type):
            # A many-to-many field has no column, and Django 6.1 does not call it concrete.
            is_own = field.concrete or (bool(field.many_to_many) and not field.auto_created)
            yield _Relation(field.name, concrete_model(related), is_own)
            if hasattr(field, "get_accessor_name"):
                yield _Relation(str(field.get_accessor_name()), concrete_model(related), False)
            elif field.concrete and hasattr(field, "attname"):
                yield _Relation(field.attname, concrete_model(related), False)


def _names(feed: Feed) -> Iterator[str]:
    """Give what the columns of a feed are, as far as it says so."""
    options = feed.options
    mapped = {header.strip() for header, _ in options.map}
    yield from (target for _, target in options.map)
    yield from (target for target, _ in options.set)
    yield from (name for name in (*options.header, *options.only_columns) if name.strip() not in mapped)
    yield from (options.match_on or "").split()


def _models_of(model: type[Model], name: str) -> Iterator[type[Model]]:
    """Give the models that a column refers to: that of its relation, and those on the way that it takes from there."""
    relation, _, path = name.partition("=>")
    steps = [*relation.strip().split("__"), *path.strip().lstrip("+-=").strip().split("__")]
    for step in steps:
        related = next((one.model for one in _relations(model) if one.name == step), None)
        if related is None:
            return
        yield related
        model = related


def _may_hold_others(feed: Feed) -> bool:
    """Whether a file may have columns that the feed does not name."""
    return feed.options.contract != "exact" and not feed.options.only_columns and not feed.options.header
