"""What the history knows of runs before this one."""

from __future__ import annotations

import re
from typing import Final

from django.db.models import Q

from nsync.feeds.feed import Feed
from nsync.history import clean
from nsync.models import Run
from nsync.opening import choose_database, find_model
from nsync.singer.versions import name_of

_NOTHING: Final = (Run.Status.ROLLED_BACK, Run.Status.STOPPED)  # which leave nothing
_VERSION: Final = re.compile(r"-?[0-9]+", re.ASCII)


def was_begun(stream: str, version: int, feed: Feed, before: int | None) -> bool | None:
    """
    Whether an earlier run may have committed records of a version of a stream.

    A history without such a run proves nothing: it may have been pruned. But versions only increase, and the oldest
    runs go first: where a run of an older version is left, all after it are, too.

    Args:
        stream: Its name.
        version: Of it.
        feed: Of it; its system and its model count.
        before: The number of a run, of which and after which none counts; None: all count.

    Returns:
        None if nobody knows.

    Queries: one.
    """
    model = find_model(feed.model)
    runs = Run._base_manager.using(choose_database([model], feed.options))
    stream = clean(stream)
    start = name_of(stream, "")
    named = Q(sources__0__name=stream) | Q(sources__0__name__startswith=start)
    found = runs.filter(named, system=feed.system, model=model._meta.label).exclude(status__in=_NOTHING)
    found = found if before is None else found.filter(pk__lt=before)
    for sources in found.order_by("-pk").values_list("sources", flat=True).iterator():
        name = sources[0]["name"]
        if name == stream:  # its records may have had any version
            return None
        last = name.removeprefix(start)
        if _VERSION.fullmatch(last):  # else it is of another stream
            return True if int(last) == version else False if int(last) < version else None
    return None
