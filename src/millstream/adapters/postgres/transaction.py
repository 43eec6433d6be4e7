"""One transaction of many calls, and what becomes of it when the connection breaks.

Theory of operation: all statements of a group of calls are sent in one pipeline, their answers are read, and only then
is the commit sent. So whatever breaks before it has not happened, and can be done again. When it breaks while the
commit is on its way, nobody knows: therefore each transaction leaves its number in a row that belongs to this writer,
and once the server is back, that row tells whether it took place; then its calls are answered with the results that
were read, or it is done again. So no change is lost or made twice, although a counter, or a claim, may not be.

(The server's own number of the transaction would not do: when it crashed before that transaction reached the disk, it
gives the same number to another one.)
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import psycopg
from psycopg import errors, pq

from millstream.adapters.postgres.answers import ask
from millstream.adapters.postgres.changes import QUIET, change
from millstream.adapters.postgres.evictions import evict
from millstream.adapters.postgres.replies import Reply
from millstream.adapters.postgres.session import Connection, Session
from millstream.adapters.sql.ingesting import may_concern
from millstream.core.ingestion import Act, Explain, Joined, Queue, Redo
from millstream.core.operations import Cancel, Evict, Finish, Operation, Revive
from millstream.core.queries import Query

Work = Sequence[Operation[object]] | Query[object]
Results = list[list[object]]

TROUBLE = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction, OSError)
"""What the database, or the way to it, is to blame for; a standby that was not promoted yet takes no changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A commit that was sent and not answered: the transaction's number, and what its calls are to be told."""

    number: int
    results: Results


class InDoubtError(Exception):
    """The connection broke while a commit was on its way."""

    def __init__(self, doubt: Doubt) -> None:
        self.doubt = doubt
        super().__init__("the connection broke while a commit was on its way")


class RefusedError(Exception):
    """A call is at fault, not the database; nothing of the group took place."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Conduct(Protocol):
    """What is done with a connection."""

    async def begin(self, connection: Connection) -> None:
        """Called once for each connection, before anything else."""
        ...

    async def carry_out(self, connection: Connection, works: Sequence[Work]) -> Results:
        """Do the work of all calls, in order, in one transaction; returns what each is to be told.

        Raises RefusedError, InDoubtError, or one of TROUBLE; then nothing took place.
        """
        ...

    async def took_place(self, connection: Connection, doubt: Doubt) -> bool:
        """Whether a transaction in doubt was committed; waits for its session if that has not ended yet."""
        ...

    async def end(self, connection: Connection) -> None:
        """Called when all is done."""
        ...


class Writing:
    """Carries out operations; others that listen on `channel` are told the `author`, if they may have to act now."""

    def __init__(self, *, channel: str, author: str) -> None:
        self._channel = channel
        self._author = author
        self._numbers = count(1)

    async def begin(self, connection: Connection) -> None:
        """See Conduct: the writer's row must be there before the first transaction that may come into doubt."""
        await Session(connection).send("introduce", author=self._author)

    async def carry_out(self, connection: Connection, works: Sequence[Work]) -> Results:
        """See Conduct; what returns is durable."""
        session, number = Session(connection), next(self._numbers)
        try:
            async with connection.pipeline():
                await session.send_text("BEGIN")
                await session.send("mark", author=self._author, number=number)
                await _hold(works, session)
                replies = [[await _send(each, session) for each in _operations(work)] for work in works]
                await session.send_advances()
            results = [[await reply() for reply in each] for each in replies]
        except Exception as error:
            await _give_up(connection, error)
            raise
        is_loud = session.is_loud or _is_loud(works, results)
        call = (self._channel, self._author) if is_loud else None
        await _commit(session, Doubt(number=number, results=results), call=call)
        return results

    async def took_place(self, connection: Connection, doubt: Doubt) -> bool:
        """See Conduct."""
        row = await (await Session(connection).send("find_mark", author=self._author)).fetchone()
        return row is not None and row[0] == doubt.number

    async def end(self, connection: Connection) -> None:
        """See Conduct: nothing is in doubt any more."""
        await Session(connection).send("forget_marks", author=self._author)


class Reading:
    """Answers queries from what is committed, all of a group from the same moment."""

    async def begin(self, connection: Connection) -> None:
        """See Conduct."""

    async def carry_out(self, connection: Connection, works: Sequence[Work]) -> Results:
        """See Conduct."""
        session = Session(connection)
        try:
            async with connection.pipeline():
                await session.send_text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                replies = [await ask(work, session) for work in works]
                await session.send_text("COMMIT")
            return [[await reply()] for reply in replies]
        except Exception as error:
            await _give_up(connection, error)
            raise

    async def took_place(self, connection: Connection, doubt: Doubt) -> bool:
        """See Conduct: nothing is ever in doubt."""
        raise NotImplementedError(f"{doubt} on {connection}")

    async def end(self, connection: Connection) -> None:
        """See Conduct."""


def _operations(work: Work) -> Sequence[Operation[object]]:
    if not isinstance(work, Sequence):
        raise TypeError(f"no such operations: {work!r}")
    return work


async def _hold(works: Sequence[Work], session: Session) -> None:
    """Lock the ingestions that will be changed in the order of their ids, if that can be more than one."""
    message_ids, batch_ids = set[str](), set[str]()
    for operation in (each for work in works for each in _operations(work)):
        match operation:
            case Finish() if may_concern(operation):
                batch_ids.add(operation.batch_id)
            case Revive(batch_id=str(batch_id)) | Cancel(batch_id=str(batch_id)):
                batch_ids.add(batch_id)
            case Queue() | Act() | Explain() | Joined() | Redo():
                message_ids.add(operation.message_id)
            case _:
                pass
    if len(message_ids) + len(batch_ids) > 1:
        ids = {"message_ids": json.dumps(sorted(message_ids)), "batch_ids": json.dumps(sorted(batch_ids))}
        await session.send("lock_ingestions", **ids)


async def _send(operation: Operation[object], session: Session) -> Reply:
    if isinstance(operation, Evict):
        return await evict(operation, session)
    return await change(operation, session)


def _is_loud(works: Sequence[Work], results: Results) -> bool:
    """Whether a call changed what others may wait for."""
    return any(
        not isinstance(operation, QUIET) and (result is None or bool(result))
        for work, told in zip(works, results, strict=True)
        for operation, result in zip(_operations(work), told, strict=True)
    )


async def _give_up(connection: Connection, error: Exception) -> None:
    """Roll back; raises RefusedError unless the database, or the way to it, is the trouble."""
    if not connection.closed and connection.info.transaction_status is not pq.TransactionStatus.IDLE:
        await connection.execute("ROLLBACK")
    if not isinstance(error, TROUBLE):
        raise RefusedError(error) from error


async def _commit(session: Session, doubt: Doubt, *, call: tuple[str, str] | None) -> None:
    connection = session.connection
    try:
        async with connection.pipeline():
            await session.send_notes()
            if call is not None:
                await connection.execute("SELECT pg_notify($1, $2)", call)
            await connection.execute("COMMIT")
    except psycopg.Error as error:
        if connection.closed or isinstance(error, TROUBLE):  # a dying server may say so before it hangs up
            raise InDoubtError(doubt) from error
        await _give_up(connection, error)
        raise
