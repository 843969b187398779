"""ActionFactory: actions from something other than a file (rule P2). Part of the conductor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from nsync.actions import Action, Flags, Place
from nsync.changes import OutcomeKind
from nsync.decode.compiling import compile_layout
from nsync.decode.decoder import Decoder
from nsync.errors import ConfigError
from nsync.executor import Executor
from nsync.fields import concrete_model
from nsync.identities import Identities
from nsync.models import ExternalSystem
from nsync.opening import find_model
from nsync.options import SyncOptions
from nsync.record.details import Entry
from nsync.rows import Row
from nsync.settling import settle
from nsync.walking import ExecutableAction

_CONTROLS = ("action_flags", "match_on", "external_key")


class ActionFactory:
    """
    Builds actions that a policy can execute.

    Args:
        model: The model, or its ``app.Model``.
        external_system: An `ExternalSystem` that exists; without one, rows cannot have keys.
        options: As for a run. Options about reading and about errors mean nothing here: a row error is recorded.

    Each call of `build` is one row; `counts` and `details` tell what became of the rows.
    """

    def __init__(
        self,
        model: type[Model] | str,
        external_system: ExternalSystem | None = None,
        options: SyncOptions | None = None,
    ) -> None:
        self.model: type[Model] = find_model(model)
        self.options = replace(options or SyncOptions(), on_error="skip", max_errors=None)
        self.using = self.options.database or DEFAULT_DB_ALIAS
        self._system = external_system.name if external_system is not None else ""
        self._properties: dict[type[Model], tuple[str, ...]] = {}
        self._executor = Executor(Identities(self.using), self.options, self._properties)
        self._decoders: dict[tuple[str, ...], Decoder] = {}
        self._built = 0

    def build(
        self,
        sync_actions: Flags,
        match_on: str | Iterable[str],
        external_system_key: str | None,
        fields: Mapping[str, object],
    ) -> list[ExecutableAction]:
        """
        Build the actions of one row.

        Args:
            sync_actions: What is asked for, as ``SyncActions(create=True, update=True)``.
            match_on: Names of fields, or a match expression.
            external_system_key: The system's key of the object; None or "" if it has none.
            fields: Field, property or ``relation=>field`` → value, as text or typed.

        Returns:
            None, one, or two actions (create, then update).

        Raises:
            ConfigError: A name is wrong, or there is a key and no system.
            RowError: A value does not convert.
        """
        if external_system_key and not self._system:
            raise ConfigError("a key needs a system: ActionFactory(model, external_system)")
        match = match_on if isinstance(match_on, str) else " ".join(match_on)
        header = (*_CONTROLS, *fields)
        row = Row(self._built + 1, header, (_letters(sync_actions), match, external_system_key or "", *fields.values()))
        place = Place(0, self._built, row.number)
        self._built += 1
        return [self._executable(action) for action in self._decode(row, place)]

    def _executable(self, action: Action) -> ExecutableAction:
        return ExecutableAction(action, self._executor, self.using, self._settle)

    def _decode(self, row: Row, place: Place) -> Sequence[Action]:
        return self._decoder(row.header).decode(row, place)

    def _decoder(self, header: tuple[str, ...]) -> Decoder:
        if header not in self._decoders:
            systems = ExternalSystem._base_manager.using(self.using).values_list("name", flat=True)
            layout = compile_layout(self.model, header, self._system, list(systems), self.options)
            names = {column.name for column in layout.properties}
            known = self._properties.get(concrete_model(self.model), ())
            self._properties[concrete_model(self.model)] = tuple(sorted(names.union(known)))
            self._decoders[header] = Decoder(layout)
        return self._decoders[header]

    def _settle(self) -> None:
        settle(self._executor, self._decode)

    @property
    def counts(self) -> dict[OutcomeKind, int]:
        """Outcome → number of rows."""
        return self._executor.accounts.ledger.counts()

    def details(self) -> Iterator[Entry]:
        """Give the rows that are not plain success; the line of a row is its number, counted by `build`."""
        return self._executor.accounts.details.entries()


def _letters(flags: Flags) -> str:
    return "".join(letter for letter, is_set in zip("cud*", flags, strict=True) if is_set)
