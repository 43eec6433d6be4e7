"""A ledger that is away at the start: it refuses everything until it is there, and is that ledger from then on.

Theory of operation: a service that listens before its database answers must say why it cannot take anything on. Those
who ask get the same LedgerUnreachableError as when the database goes away later, so nobody has to know the two
apart.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from millstream.core.operations import Operation
from millstream.core.queries import Query
from millstream.errors import LedgerUnreachableError
from millstream.ports import Ledger

Answer = TypeVar("Answer")


class AwaitedLedger:
    """Implements ports.Ledger; used in one event loop. Whoever opens the ledger closes it."""

    def __init__(self) -> None:
        self._ledger: Ledger | None = None
        self._address, self._reason = "the database", "it was not reached yet"

    @property
    def is_there(self) -> bool:
        """Whether it arrived."""
        return self._ledger is not None

    def away(self, error: LedgerUnreachableError) -> None:
        """It was looked for, and is away for this reason."""
        self._address, self._reason = error.address, error.reason

    def arrive(self, ledger: Ledger) -> None:
        """It is there; from now on everything goes to it."""
        self._ledger = ledger

    async def apply(self, operations: Sequence[Operation[object]]) -> list[object]:
        """See ports.Ledger; raises LedgerUnreachableError before it is there."""
        return await self._there().apply(operations)

    async def do(self, operation: Operation[Answer]) -> Answer:
        """See ports.Ledger; raises LedgerUnreachableError before it is there."""
        return await self._there().do(operation)

    async def read(self, query: Query[Answer]) -> Answer:
        """See ports.Ledger; raises LedgerUnreachableError before it is there."""
        return await self._there().read(query)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See ports.Ledger; raises LedgerUnreachableError before it is there."""
        return self._there().listen(callback)

    async def close(self) -> None:
        """See ports.Ledger."""
        if self._ledger is not None:
            await self._ledger.close()

    def _there(self) -> Ledger:
        if self._ledger is None:
            raise LedgerUnreachableError(
                address=self._address,
                waited_s=0,
                reason=self._reason,
                hint="start the database or mend its address; it is waited for",
            )
        return self._ledger
