"""Checking feeds against the models, as far as that can be done without their files and without the database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path

from django.apps import apps
from django.db.models import Model

from nsync.beforehand import (
    check_columns,
    check_constant,
    check_database,
    check_reading,
    check_snapshot,
    check_target,
    check_zone,
)
from nsync.errors import ConfigError
from nsync.feeds.feed import Feed
from nsync.feeds.files import root_of
from nsync.feeds.reading import FeedFile, FeedProblem
from nsync.opening import find_model
from nsync.options import contradiction
from nsync.places import is_place, pattern_sign
from nsync.policies import load_policy

_AS_OPTION = "--"


def problems_of(file: FeedFile, name: str = "") -> list[FeedProblem]:
    """
    Give all that is wrong in a file of feeds, in the order of its lines.

    Args:
        file: It.
        name: Of the one feed that is looked at, beside the file as a whole; "": all.
    """
    found = [*file.problems, *_check_apart(file)]
    for feed in file.feeds.values():
        if not name or feed.name == name:
            found += check_feed(file, feed)
    found = [problem for problem in found if not name or problem.feed in ("", name)]
    return sorted(found, key=lambda problem: problem.line)


def check_feed(file: FeedFile, feed: Feed) -> Iterator[FeedProblem]:
    """Give what is wrong with a feed of a file."""
    options = feed.options
    for message in (_refusal(check_reading, options), _refusal(check_zone, options), contradiction(options)):
        if message:
            yield file.problem(feed.name, message, "", _key_in(message))
    if message := _refusal(load_policy, feed.policy) if feed.policy else "":
        yield file.problem(feed.name, message, "", "policy")
    if feed.all_files and not feed.files:
        yield file.problem(feed.name, "all_files without files", "Say which files are meant.", "all_files")
    yield from _check_folders(file, feed)
    if sign := pattern_sign(feed.files or ""):
        message = f"files: {sign} stands for no other signs here: the source is fetched by its name"
        yield file.problem(feed.name, message, "Write the whole name; patterns are for local files.", "files")
    try:
        model = find_model(feed.model)
    except ConfigError as error:
        yield file.problem(feed.name, str(error), _similar_model(feed.model), "model")
        return
    if message := _refusal(check_database, model, options):
        yield file.problem(feed.name, message, "", "database")
    if not contradiction(options) and (message := _refusal(check_snapshot, model, options, feed.system)):
        yield file.problem(feed.name, message, "", "snapshot_action")
    wrong = list(_check_columns(file, feed, model))
    yield from wrong
    if not wrong and (message := _refusal(check_columns, model, options, feed.system)):
        yield file.problem(feed.name, message, "", _key_in(message))


def _check_apart(file: FeedFile) -> Iterator[FeedProblem]:
    """Find feeds of which one would move the files of another."""
    seen: dict[str, list[Feed]] = {}
    for feed in file.feeds.values():
        if feed.files and not is_place(feed.files):
            others = seen.setdefault(os.path.normpath(feed.files), [])
            if other := next((one for one in others if one.archive or feed.archive), None):
                message = f"files: [feeds.{other.name}] has the same, and who is first moves them"
                yield file.problem(feed.name, message, "Let each feed name its own.", "files")
            others.append(feed)


def _check_folders(file: FeedFile, feed: Feed) -> Iterator[FeedProblem]:
    """Find folders for files that are done which hold all that a feed could find."""
    if not feed.files or is_place(feed.files):
        return
    inbox = root_of(feed.files)
    for key, folder in (("archive", feed.archive), ("failed", feed.failed)):
        if folder is not None and inbox.is_relative_to(Path(folder).resolve()):
            message = f"{key}: {folder} holds the files of the feed too, so that none would ever fit"
            yield file.problem(feed.name, message, "Choose another folder.", key)


def _check_columns(file: FeedFile, feed: Feed, model: type[Model]) -> Iterator[FeedProblem]:
    """Check each column by itself, so that each mistake has its line."""
    options, system = feed.options, feed.system
    for header, target in options.map:
        if target.strip() and (message := _refusal(check_target, model, header, target, options, system)):
            yield file.problem(feed.name, message, "", "columns", header)
    for target, value in options.set:
        if message := _refusal(check_constant, model, target, value, options, system):
            yield file.problem(feed.name, message, "", "set", target)


def _refusal(check: Callable[..., object], *arguments: object) -> str:
    """Give why a check refuses; "" if it does not."""
    try:
        check(*arguments)
    except ConfigError as error:
        return str(error)
    return ""


def _key_in(message: str) -> str:
    """Give the key that a message names as an option of a command."""
    word = message.split()[0].strip(":")
    if not word.startswith(_AS_OPTION):
        return "columns"
    key = word.removeprefix(_AS_OPTION).replace("-", "_")
    return {"map": "columns", "allow_column": "allow_columns"}.get(key, key)


def _similar_model(given: str) -> str:
    labels = {model._meta.label.lower(): model._meta.label for model in apps.get_models()}
    close = get_close_matches(given.lower(), labels, n=1)
    return f"Did you mean {labels[close[0]]!r}?" if close else ""
