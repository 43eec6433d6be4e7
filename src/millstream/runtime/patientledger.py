"""A ledger for those who can do nothing without it: they wait for as long as it is away."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from millstream.core.operations import Operation
from millstream.core.queries import Query
from millstream.errors import LedgerUnreachableError
from millstream.ports import Ledger

T = TypeVar("T")

log = logging.getLogger("millstream")


class PatientLedger:
    """Asks `ledger` again and again; the ledger itself waits a while each time, so this does not spin.

    An operation whose first try was in doubt may be done twice, so it must be one that a fence or a state guards.
    After `give_up` all raise LedgerUnreachableError like the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._is_given_up = False

    def give_up(self) -> None:
        """Wait no longer than the ledger does."""
        self._is_given_up = True

    async def do(self, operation: Operation[T]) -> T:
        """Have it done."""
        return await self._patiently(lambda: self._ledger.do(operation))

    async def read(self, query: Query[T]) -> T:
        """Have it answered."""
        return await self._patiently(lambda: self._ledger.read(query))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await call()
            except LedgerUnreachableError as error:
                if self._is_given_up:
                    raise
                log.warning("%s; trying again", error)
