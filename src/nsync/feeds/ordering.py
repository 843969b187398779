"""In which order feeds run: what others refer to comes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import Model

from nsync.feeds.feed import Feed
from nsync.fields import concrete_model
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
    ordered: dict[str, Feed] = {}
    while len(ordered) < len(feeds):  # there is no cycle left among the needs
        ready = (feed for feed in feeds if feed.name not in ordered and ordered.keys() >= set(needs[feed.name]))
        feed = next(ready)
        ordered[feed.name] = feed
    return list(ordered.values())


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
        named = set(_relations_named(feed))
        for name, related, is_own in _relations(models[feed.name]):
            is_named = name in named
            if is_named or (is_own and _may_hold_others(feed)):
                yield from (
                    _Need(feed.name, other, is_named)
                    for other, model in models.items()
                    if other != feed.name and _is_kin(model, related) and not _is_kin(model, models[feed.name])
                )


def _relations(model: type[Model]) -> Iterator[tuple[str, type[Model], bool]]:
    """Give the relations that a column can name, what they refer to, and whether they are fields of the model's own."""
    for field in model._meta.get_fields():
        related: Any = field.related_model
        if isinstance(related, type):
            yield field.name, concrete_model(related), field.concrete
            if hasattr(field, "get_accessor_name"):
                yield str(field.get_accessor_name()), concrete_model(related), False


def _relations_named(feed: Feed) -> Iterator[str]:
    """Give the first names of what the columns of a feed are: relations, if the model has such."""
    options = feed.options
    for name in (*(target for _, target in options.map), *(target for target, _ in options.set), *options.header):
        yield name.partition("=>")[0].strip().removesuffix("_id")


def _may_hold_others(feed: Feed) -> bool:
    """Whether a file may have columns that the feed does not name."""
    return feed.options.contract != "exact" and not feed.options.only_columns and not feed.options.header


def _is_kin(model: type[Model], related: type[Model]) -> bool:
    return issubclass(model, related) or issubclass(related, model)
