"""What the history knows of runs before this one."""

from __future__ import annotations

from nsync.feeds.feed import Feed
from nsync.models import Run
from nsync.opening import choose_database, find_model

_NOTHING = (Run.Status.ROLLED_BACK, Run.Status.STOPPED)  # which leave nothing


def was_begun(name: str, feed: Feed, before: int | None) -> bool:
    """
    Whether a run of a feed had a source of a name, and may have committed something of it.

    Args:
        name: Of the source.
        feed: Its system and its model count.
        before: The number of a run, of which and after which none counts; None: all count.

    Queries: one.
    """
    model = find_model(feed.model)
    runs = Run._base_manager.using(choose_database([model], feed.options))
    found = runs.filter(system=feed.system, model=model._meta.label, sources__0__name=name)
    found = found.exclude(status__in=_NOTHING)
    return (found if before is None else found.filter(pk__lt=before)).exists()
