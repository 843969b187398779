"""What every writer that goes row by row shares: reading again under a lock, mappings, keys of new objects."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django.db.models import Model

from nsync.apply.base import Changed, Written
from nsync.apply.deferred import check_deferred
from nsync.apply.fold import known
from nsync.apply.images import Image
from nsync.apply.inserting import new_instance
from nsync.apply.mappings import write_mappings
from nsync.apply.refusals import refusal
from nsync.apply.sequences import move_sequence
from nsync.changes import Change, ChangeKind, New, ObjectId
from nsync.equality import is_as_planned
from nsync.errors import NsyncError, Problem, RowError
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping
from nsync.options import SyncOptions
from nsync.recording import Recorder

logger = logging.getLogger(__name__)


class RowWriter(ABC):
    """
    Writes the changes of one row; subclasses say how objects are inserted, updated, deleted and related.

    Args:
        identities: Knows the database.
        options: Of the run.
        recorder: Is told what was written, if anybody is; that costs the queries of an `Image`.

    Queries: a savepoint, one to read each changed object again, and one or more per change.
    """

    name = ""

    def __init__(self, identities: Identities, options: SyncOptions, recorder: Recorder | None = None) -> None:
        self.using = identities.using
        self.options = options
        self._recorder = recorder
        self._identities = identities
        self._keys: dict[New, object] = {}
        self._instances: dict[ObjectId, Model] = {}
        self._made: list[Change] = []

    def write(self, changes: Sequence[Change], *, records: bool = True) -> Written:
        """Write the changes of one row, all of them or none; see `nsync.apply.base.Writer`."""
        self._keys, self._instances, self._made = {}, {}, []
        change = None
        recorder = self._recorder if records else None
        try:
            with transaction.atomic(using=self.using):
                image = None if recorder is None else Image(changes, self._identities)
                for change in changes:
                    self._write_one(change)
                check_deferred(changes, self.using)
                written = image.compare(self._keys) if image else ()
        except (NsyncError, Changed):
            raise
        except (DatabaseError, InterfaceError) as error:
            raise refusal(error, change, self._identities) from error
        except Exception as error:  # the model's own code: save(), a property, a receiver
            logger.debug("refused by the model's own code", exc_info=True)
            message = f"the model's own code refuses it: {type(error).__name__}: {error}"
            raise RowError(Problem("refused", message)) from error
        if recorder is not None:
            recorder.take(written)
        return Written(self._keys, tuple(self._made))

    def _write_one(self, change: Change) -> None:
        if change.kind is ChangeKind.INSERT:
            self._insert(change)
        elif change.kind is ChangeKind.UPDATE:
            self._update(change)
        elif change.kind is ChangeKind.DELETE:
            self._delete(change)
        elif change.kind is ChangeKind.MAP:
            self._map(change)
        elif change.kind is ChangeKind.UNMAP:
            self._unmap(change)
        else:
            self._relate(change)
            self._made.append(change)

    @abstractmethod
    def _insert(self, change: Change) -> None:
        """Insert a new object, and note it with `_inserted`."""

    @abstractmethod
    def _update(self, change: Change) -> None:
        """Change an object; note the change as it really was."""

    @abstractmethod
    def _delete(self, change: Change) -> None:
        """Delete an object and what goes along; note the change."""

    @abstractmethod
    def _relate(self, change: Change) -> None:
        """Add rows to a many-to-many relation, or take them away."""

    def _new_instance(self, change: Change) -> Model:
        """Make the object that an INSERT describes; not saved yet."""
        return new_instance(change.model, change.after, self._keys, self.using)

    def _inserted(self, change: Change, instance: Model) -> None:
        assert isinstance(change.target.pk, New)  # an INSERT's target is always new
        self._keys[change.target.pk] = instance.pk
        self._instances[change.target] = instance
        move_sequence(change, instance, self.using)
        self._made.append(change)

    def _known(self, value: object) -> object:
        return known(value, self._keys)

    def _pk(self, target: ObjectId) -> object:
        return self._known(target.pk)

    def _current(self, change: Change) -> Model:
        """
        Read the object again, locked where the database can, and make sure that it is as planned (rule T8).

        Raises:
            Changed: It is gone, or its columns differ.
        """
        if change.target in self._instances:
            return self._instances[change.target]
        rows: Any = change.model._base_manager.using(self.using).filter(pk=self._pk(change.target))
        if connections[self.using].features.has_select_for_update:
            # MariaDB has no FOR UPDATE OF; there is no other table in the query unless the model inherits one.
            of = ("self",) if connections[self.using].features.has_select_for_update_of else ()
            rows = rows.select_for_update(of=of)
        instance: Model | None = rows.first()
        if instance is None or not is_as_planned(change.target.model, change.stored, vars(instance)):
            raise Changed
        self._instances[change.target] = instance
        return instance

    def _validate(self, instance: Model) -> None:
        """Rule V5: ``full_clean()``, its messages as row errors."""
        if not self.options.validate:
            return
        try:
            # Django looks for unique values where its router reads; elsewhere the database itself must refuse them.
            instance.full_clean(validate_unique=router.db_for_read(type(instance)) == self.using)
        except ValidationError as error:
            raise RowError(
                *(
                    Problem("validation", message, "" if name == NON_FIELD_ERRORS else name)
                    for name, messages in error.message_dict.items()
                    for message in messages
                )
            ) from None

    def _mapping_rows(self, change: Change) -> Any:
        mapping = change.mapping
        assert mapping is not None  # every MAP and UNMAP carries one
        return ExternalKeyMapping._base_manager.using(self.using).filter(
            external_system_id=self._identities.system(mapping.system),
            content_type_id=self._identities.content_type(mapping.model),
            external_key=mapping.key,
        )

    def _map(self, change: Change) -> None:
        mapping = change.mapping
        assert mapping is not None  # every MAP and UNMAP carries one
        write_mappings([(mapping, self._pk(change.target))], self._identities)
        self._made.append(change)

    def _unmap(self, change: Change) -> None:
        self._mapping_rows(change).delete()
        self._made.append(change)
