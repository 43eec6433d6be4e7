"""One connection and everybody who waits for it.

Theory of operation: callers put their work into a queue and wait for a future. One task takes everything that waits,
has it done in one transaction, and answers all. A call that is at fault is found by halving the group, so that it
spoils no other. When the database cannot be reached, the task tries again and again, callers simply wait longer, and
only those whose patience is over get an error. A server that has stopped to answer at all is left by closing the socket
under it, because it would not even answer to being asked to cancel.
"""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors

from millstream.adapters.postgres.connection import Database, one_line
from millstream.adapters.postgres.patience import Outage, Patience
from millstream.adapters.postgres.transaction import (
    TROUBLE,
    Conduct,
    Doubt,
    InDoubtError,
    RefusedError,
    Results,
    Work,
)
from millstream.errors import LedgerUnreachableError, LedgerUnusableError

if TYPE_CHECKING:
    from millstream.adapters.postgres.session import Connection

GROUP = 1000
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0)
CONFLICTS = (errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    work: Work
    future: "asyncio.Future[list[object]]"
    since: float

    def answer(self, result: list[object] | Exception) -> None:
        if self.future.done():  # whoever waited has gone
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Lane:
    """Carries out calls through one connection, in order."""

    def __init__(self, database: Database, *, conduct: Conduct, patience: Patience, outage: Outage) -> None:
        self._database = database
        self._conduct = conduct
        self._patience = patience
        self._outage = outage
        self._connection: Connection | None = None
        self._doubt: Doubt | None = None
        self._waiting: deque[_Call] = deque()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def call(self, work: Work) -> "asyncio.Future[list[object]]":
        """Queue work; the future has its results once they are durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[object]] = loop.create_future()
        if self._closing.is_set():
            future.set_exception(LedgerUnusableError(path=self._database.address, reason="it was closed"))
            return future
        self._waiting.append(_Call(work=work, future=future, since=loop.time()))
        self._wake.set()
        if self._task is None:
            # Started late, so that worker processes can be forked before.
            self._task = loop.create_task(self._serve(), name="ledger")
        return future

    async def close(self) -> None:
        """Finish what waits, or tell it that the database is away, and let go; idempotent."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await self._conduct.end(self._connection)
        await self._let_go()

    async def _serve(self) -> None:
        while True:
            await self._wake.wait()
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
                await self._settle(group)
            if self._closing.is_set():
                return
            self._wake.clear()

    async def _settle(self, group: list[_Call]) -> None:
        """Have a group done, and answer it; by halves, when a call of it is at fault."""
        try:
            for call, result in zip(group, await self._patiently(group), strict=True):
                call.answer(result)
        except RefusedError as error:
            if len(group) == 1:
                group[0].answer(self._reason(error.reason))
                return
            half = len(group) // 2
            await self._settle(group[:half])
            await self._settle(group[half:])
        except Exception as error:  # noqa: BLE001 - one of the borders: the callers get it, the others go on
            await self._let_go()
            for call in group:
                call.answer(self._reason(error))

    def _reason(self, error: Exception) -> Exception:
        if isinstance(error, psycopg.Error):
            return LedgerUnusableError(path=self._database.address, reason=one_line(error))
        return error

    async def _patiently(self, group: list[_Call]) -> Results:
        """Have a group done, however often the database goes away meanwhile, for as long as it has patience."""
        self._doubt = None
        loop, attempt = asyncio.get_running_loop(), 0
        while True:
            try:
                results = await self._watched(self._attempt(group))
            except CONFLICTS:
                continue
            except InDoubtError as error:
                self._doubt, reason = error.doubt, str(error)
            except TROUBLE as error:
                reason = one_line(error)
            else:
                self._outage.back()
                return results
            await self._let_go()
            waited_s = loop.time() - group[0].since
            if self._patience.is_over(waited_s) or self._closing.is_set():
                raise LedgerUnreachableError(
                    address=self._database.address,
                    waited_s=min(waited_s, self._patience.away_s),
                    reason=reason,
                    in_doubt=self._doubt is not None,
                )
            self._outage.away(reason)
            await self._pause(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1

    async def _attempt(self, group: list[_Call]) -> Results:
        if self._connection is None:
            connection = await self._database.connect()
            self._connection = connection
            await self._database.prepare(connection)
            await self._conduct.begin(connection)
        if self._doubt is not None:
            doubt, took_place = self._doubt, await self._conduct.took_place(self._connection, self._doubt)
            self._doubt = None
            if took_place:
                return doubt.results
        return await self._conduct.carry_out(self._connection, [call.work for call in group])

    async def _watched(self, work: Awaitable[Results]) -> Results:
        """Wait for an answer for so long, then break the connection, which ends the wait."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait([task], timeout=self._patience.answer_s)
        if not done:
            self._break()
        return await task

    def _break(self) -> None:
        if self._connection is not None and not self._connection.closed:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _let_go(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()
