"""The ledger in a PostgreSQL database, for engines and workers on many machines.

Theory of operation: one connection writes, one reads, and one listens if somebody asks for it; each is opened when it
is first needed. Calls that wait at the same time share a transaction. Claims pass by what others have locked, so many
claimers do not wait for each other, and every change of a batch is guarded by its state and its fence, so it does not
matter who is first. Each transaction that others may have to act on ends with a NOTIFY, so nobody polls.

Claims of an embedded engine end with its epoch, and a new one takes back whatever was claimed so: only one of them may
work with a database. Everybody else claims with a lease.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import psycopg

from millstream.adapters.postgres.connection import Database, one_line
from millstream.adapters.postgres.lane import Lane
from millstream.adapters.postgres.listening import hear
from millstream.adapters.postgres.patience import Outage, Patience
from millstream.adapters.postgres.transaction import Reading, Writing
from millstream.core.operations import Operation
from millstream.core.queries import Query
from millstream.errors import LedgerUnreachableError, LedgerUnusableError

Answer = TypeVar("Answer")
SCHEMA = "millstream"
PATIENCE = Patience()


def _ignore(_message: str) -> None:
    """Nobody wants to know."""


class PostgresLedger:
    """Implements ports.Ledger in the schema `schema` of the database at `url`, which is created if need be.

    Nothing is connected before the first call. While the database is away calls wait, and go on by themselves;
    those that waited for as long as `patience` says get LedgerUnreachableError. `on_trouble` is called with a line for
    people when it goes away, now and then while it is, and when it is back. Raises InvalidValueError when `url` is
    none.

    It must be a connection to the server itself, or to a pooler that keeps sessions.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = SCHEMA,
        patience: Patience = PATIENCE,
        on_trouble: Callable[[str], None] = _ignore,
    ) -> None:
        self._database = Database(url, schema=schema)
        self._patience = patience
        self._author = uuid.uuid4().hex
        writing = Writing(channel=schema, author=self._author)
        outage = Outage(self._database.address, tell=on_trouble)
        self._writer = Lane(self._database, conduct=writing, patience=patience, outage=outage)
        self._reader = Lane(self._database, conduct=Reading(), patience=patience, outage=outage)
        self._hearing: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return self._database.address

    async def open(self) -> None:
        """Connect and look at the schema once, without patience: for a start that tells at once what is wrong.

        Raises LedgerUnreachableError, LedgerVersionError or LedgerUnusableError.
        """
        try:
            async with await self._database.connect() as connection:
                await self._database.prepare(connection)
        except (psycopg.OperationalError, OSError) as error:
            raise LedgerUnreachableError(address=self.address, waited_s=0, reason=one_line(error)) from error

    async def is_there(self) -> bool:
        """Connect once, without patience, and look whether there is a ledger; creates nothing.

        Raises LedgerUnreachableError or LedgerUnusableError.
        """
        try:
            async with await self._database.connect() as connection:
                return await self._database.has_ledger(connection)
        except (psycopg.OperationalError, OSError) as error:
            raise LedgerUnreachableError(
                address=self.address, waited_s=self._patience.away_s, reason=one_line(error)
            ) from error
        except psycopg.Error as error:
            raise LedgerUnusableError(path=self.address, reason=one_line(error)) from error

    async def apply(self, operations: Sequence[Operation[object]]) -> list[object]:
        """See ports.Ledger."""
        return await self._writer.call(operations)

    async def do(self, operation: Operation[Answer]) -> Answer:
        """See ports.Ledger."""
        return cast("Answer", (await self._writer.call([operation]))[0])

    async def read(self, query: Query[Answer]) -> Answer:
        """See ports.Ledger."""
        return cast("Answer", (await self._reader.call(query))[0])

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See ports.Ledger; it may be called without a reason, and is after every connecting."""
        task = asyncio.get_running_loop().create_task(
            hear(self._database, author=self._author, callback=callback), name="ledger listener"
        )
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)
        return lambda: _end(task)

    async def close(self) -> None:
        """See ports.Ledger."""
        hearing = list(self._hearing)
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)
        await self._writer.close()
        await self._reader.close()


def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
