"""EndRequest: asks a run to end when the batch that is under way is committed, as a signal does."""

from __future__ import annotations

from nsync.errors import NsyncError


class Ended(NsyncError):
    """Somebody asked the run to end. The batches that were committed stay."""


class EndRequest:
    """
    Asks a run for its end; one that commits batch by batch finishes the batch that is under way.

    Args:
        reason: Who or what asks, for the report: "ended by SIGTERM".
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.is_asked = False
        self.is_in_batch = False  # the run says so: there is something to finish, which is committed then

    def ask(self) -> bool:
        """
        Ask for the end.

        Returns:
            Whether the run ends by itself, soon; if not, there is no batch to finish, or this was the second time.
        """
        ends_soon = self.is_in_batch and not self.is_asked
        self.is_asked = True
        return ends_soon

    def check(self) -> None:
        """Raise Ended if the end was asked for."""
        if self.is_asked:
            raise Ended(self.reason)
