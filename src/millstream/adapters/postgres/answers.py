"""How each query is answered from the tables: sent first, read when all were sent."""

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import singledispatch
from typing import TypeVar

from millstream.adapters.postgres.session import Cursor, Session, first, number, rows, with_key_restored
from millstream.adapters.postgres.stepping import ask_once
from millstream.adapters.sql import ingesting, statement
from millstream.core import queries
from millstream.core.rows import (
    AttemptRow,
    BatchRow,
    CostRow,
    EventRow,
    FileRow,
    PinRow,
    PipelineRow,
    SourceRow,
    TotalRow,
)

T = TypeVar("T")
Reply = Callable[[], Awaitable[object]]
"""Reads the answer to what was sent."""


@singledispatch
async def ask(query: object, session: Session) -> Reply:
    """Send what a query needs; returns how its answer is read."""
    if isinstance(query, ingesting.QUERIES):
        return await ask_once(ingesting.answer_of(query), session)
    raise TypeError(f"no such query: {query!r} in {session!r}")


def _all(cursor: Cursor, *, kind: type[T]) -> Reply:
    return lambda: rows(cursor, kind=kind)


@ask.register
async def _(query: queries.ReadBatches, session: Session) -> Reply:
    if query.batch_id is not None:
        cursors = [await session.send("with_files", "read_batch", batch_id=query.batch_id)]
    elif not query.states:
        cursors = [await session.send("with_files", "read_batches", pipeline=query.pipeline, limit=query.limit)]
    else:
        cursors = [await _in_state(query, state, session) for state in query.states]

    async def read() -> object:
        found = await _batches(cursors)
        wanted = [row for row in found if not query.states or row.state in query.states]
        return tuple(sorted(wanted, key=lambda row: row.seq)[: query.limit])

    return read


async def _in_state(query: queries.ReadBatches, state: str, session: Session) -> Cursor:
    inner = statement("read_batches_in").replace("{state}", state)
    text, names = number(statement("with_files", "postgres").replace("{inner}", inner))
    values = {"pipeline": query.pipeline, "limit": query.limit}
    return await session.send_text(text, *(values[name] for name in names))


async def _batches(cursors: Sequence[Cursor]) -> list[BatchRow]:
    return [with_key_restored(row) for cursor in cursors for row in await rows(cursor, kind=BatchRow)]


@ask.register
async def _(query: queries.ReadNewestBatches, session: Session) -> Reply:
    states = json.dumps(query.states) if query.states else None
    cursor = await session.send("with_files", "read_newest_batches", states=states, limit=query.limit)

    async def read() -> object:
        return tuple(sorted(await _batches([cursor]), key=lambda row: -row.seq))

    return read


@ask.register
async def _(query: queries.ReadQueuePosition, session: Session) -> Reply:
    cursor = await session.send("read_queue_position", batch_id=query.batch_id)
    return lambda: first(cursor)


@ask.register
async def _(query: queries.ReadPipelines, session: Session) -> Reply:
    del query
    return _all(await session.send("read_pipelines", name=None), kind=PipelineRow)


@ask.register
async def _(query: queries.ReadSource, session: Session) -> Reply:
    cursor = await session.send("read_source", pipeline=query.pipeline, source=query.source)

    async def read() -> object:
        return next(iter(await rows(cursor, kind=SourceRow)), None)

    return read


@ask.register
async def _(query: queries.ReadAttempts, session: Session) -> Reply:
    return _all(await session.send("read_attempts", batch_id=query.batch_id), kind=AttemptRow)


@ask.register
async def _(query: queries.ReadEvents, session: Session) -> Reply:
    return _all(await session.send("read_events", batch_id=query.batch_id, limit=query.limit), kind=EventRow)


@ask.register
async def _(query: queries.ReadFiles, session: Session) -> Reply:
    cursor = await session.send("read_files", path=query.path, pipeline=query.pipeline, batch_id=query.batch_id)
    return _all(cursor, kind=FileRow)


@ask.register
async def _(query: queries.ReadKnownVersions, session: Session) -> Reply:
    wanted = json.dumps([(file.path, file.version) for file in query.files])
    cursor = await session.send("read_known_versions", pipeline=query.pipeline, wanted=wanted)

    async def read() -> object:
        return frozenset(await cursor.fetchall())

    return read


@ask.register
async def _(query: queries.ReadCosts, session: Session) -> Reply:
    return _all(await session.send("read_costs", pipeline=query.pipeline, limit=query.limit), kind=CostRow)


@ask.register
async def _(query: queries.ReadTotals, session: Session) -> Reply:
    return _all(await session.send("read_totals", pipeline=query.pipeline), kind=TotalRow)


@ask.register
async def _(query: queries.ReadUnfinished, session: Session) -> Reply:
    del query
    return _all(await session.send("read_unfinished"), kind=TotalRow)


@ask.register
async def _(query: queries.ReadPins, session: Session) -> Reply:
    return _all(await session.send("read_pins", pipeline=query.pipeline), kind=PinRow)


@ask.register
async def _(query: queries.ReadNextDue, session: Session) -> Reply:
    cursor = await session.send("read_next_due", pipeline=query.pipeline)
    return lambda: first(cursor)


@ask.register
async def _(query: queries.ReadMeta, session: Session) -> Reply:
    cursor = await session.send("read_meta", key=query.key)
    return lambda: first(cursor)


@ask.register
async def _(query: queries.ReadTime, session: Session) -> Reply:
    del query
    cursor = await session.send("read_time")
    return lambda: first(cursor)
