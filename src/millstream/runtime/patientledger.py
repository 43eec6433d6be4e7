"""A ledger for those who can do nothing without it: they wait for as long as it is away."""

import logging
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
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def do(self, operation: Operation[T]) -> T:
        """Have it done."""
        while True:
            try:
                return await self._ledger.do(operation)
            except LedgerUnreachableError as error:
                log.warning("%s; trying again", error)

    async def read(self, query: Query[T]) -> T:
        """Have it answered."""
        while True:
            try:
                return await self._ledger.read(query)
            except LedgerUnreachableError as error:
                log.warning("%s; trying again", error)
