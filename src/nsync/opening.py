"""Opening: what a run needs is found, opened and checked before anything is written. Part of the conductor."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, cast

from django.apps import apps
from django.db import connections, router
from django.db.models import Model

from nsync.decode.compiling import check_model, compile_layout
from nsync.decode.contract import check_names
from nsync.decode.decoder import Decoder
from nsync.errors import ConfigError, HeaderError
from nsync.fields import concrete_model
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.options import SyncOptions
from nsync.places import file_name, query_of, storage_of
from nsync.read.base import Source, is_source, open_source, source_of
from nsync.read.formats import format_of
from nsync.read.streams import check_read_once, content_name
from nsync.run import Task


class Input(NamedTuple):
    """One source, and what it is synced to."""

    # A path, a URL or another place, "-" for standard input, an open file, or a source that code has made, which is
    # closed by the run.
    source: str | Path | BinaryIO | TextIO | Source
    model: type[Model] | str  # a model, or its "app.Model"
    system: str  # name of the external system


def find_model(given: type[Model] | str) -> type[Model]:
    """
    Give a model that exists and whose objects can be written (rule C6).

    Raises:
        ConfigError: There is none of this name, or it cannot be written.
    """
    if not isinstance(given, str):
        check_model(given)
        return given
    label, _, name = given.partition(".")
    try:
        config = apps.get_app_config(label)
    except LookupError:
        labels = ", ".join(sorted(config.label for config in apps.get_app_configs()))
        raise ConfigError(f"there is no app {label!r}; there are {labels}") from None
    try:
        model = config.get_model(name)
    except LookupError:
        names = ", ".join(sorted(model.__name__ for model in config.get_models())) or "none"
        raise ConfigError(f"app {label!r} has no model {name!r}; there are {names}") from None
    check_model(model)
    return model


def check_systems(inputs: Sequence[Input], options: SyncOptions, identities: Identities) -> None:
    """Rule C6: raise ConfigError for an unknown system, if it is not to be created."""
    length = ExternalSystem._meta.get_field("name").max_length or 0
    for given in inputs:
        if not given.system.strip() or len(given.system) > length:
            raise ConfigError(f"the name of an external system has 1 to {length} characters: {given.system!r}")
        if not options.create_external_system and not identities.system(given.system):
            names = ", ".join(system_names(identities.using)) or "none"
            raise ConfigError(
                f"there is no external system {given.system!r}; there are {names}. "
                "Create it in the admin, or leave out --no-create-external-system"
            )


def system_names(using: str) -> list[str]:
    """Name the external systems that there are."""
    return list(ExternalSystem._base_manager.using(using).order_by("name").values_list("name", flat=True))


def open_tasks(
    inputs: Sequence[Input], models: Sequence[type[Model]], options: SyncOptions, using: str, stack: ExitStack
) -> list[Task]:
    """Open every source and compile every header before anything is written."""
    check_read_once(_place(given) for given in inputs if not is_source(given.source))
    sources: list[Source] = []
    for given in inputs:
        source = open_input(given, options)
        stack.callback(source.close)
        sources.append(source)
    try:
        check_names(options, [source.header for source in sources])
    except ConfigError as error:
        raise HeaderError(str(error)) from None
    systems = {*system_names(using), *(given.system for given in inputs)}
    tasks = []
    for number, (given, model, source) in enumerate(zip(inputs, models, sources, strict=True)):
        try:
            layout = compile_layout(model, source.header, given.system, systems, options)
        except ConfigError as error:
            raise HeaderError(" ".join([f"{source.name}: {error}", *map("({})".format, source.notes)])) from None
        tasks.append(Task(number, source, model, given.system, Decoder(layout)))
    return tasks


def input_name(given: Input) -> str:
    """Give the name under which a source is spoken of, which need not be open."""
    return given.source.name if is_source(given.source) else content_name(_place(given))


def open_input(given: Input, options: SyncOptions) -> Source:
    """Open a source, wherever it is; errors as those of `nsync.read.base.open_source`."""
    if is_source(given.source):
        return given.source
    place = _place(given)
    if storage := storage_of(place):
        from nsync.storages import open_storage  # few runs read from one

        name = file_name(storage.rest)
        format_of(name, options.format)  # refuses an unknown one before anything is fetched
        return source_of(open_storage(storage), name, options)
    if query := query_of(place):
        from nsync.querying import open_query  # few runs ask another database

        return open_query(query, options)
    return open_source(place, options)


def _place(given: Input) -> str | Path | BinaryIO | TextIO:
    """Give what is to be opened."""
    return cast("str | Path | BinaryIO | TextIO", given.source)


def choose_database(models: Sequence[type[Model]], options: SyncOptions) -> str:
    """Rule T9: one alias for target models and mappings."""
    using = options.database or router.db_for_write(ExternalKeyMapping)
    if using not in connections:
        raise ConfigError(f"--database: there is no {using!r}; there are {', '.join(connections)}")
    for model in models:
        chosen = router.db_for_write(model)
        if not options.database and chosen != using:
            raise ConfigError(
                f"the router sends {model._meta.label} to {chosen!r} and the mappings to {using!r}; "
                "both must be in one database: say which with --database"
            )
        for needed in (model, ExternalKeyMapping):
            if not router.allow_migrate_model(using, needed):
                raise ConfigError(f"{needed._meta.label} is not in database {using!r}; choose another --database")
    return using


def property_columns(tasks: Sequence[Task]) -> dict[type[Model], tuple[str, ...]]:
    """Give the property columns of a run by model."""
    found: dict[type[Model], dict[str, None]] = {}
    for task in tasks:
        names = found.setdefault(concrete_model(task.model), {})
        names.update((column.name, None) for column in task.decoder.layout.properties)
    return {model: tuple(names) for model, names in found.items() if names}
