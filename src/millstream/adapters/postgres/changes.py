"""How each operation changes the tables: sent first, its result read when all were sent.

An operation is at most three statements, none of which needs the answer of another, so that whole groups of them
travel at once; only files that leave their bucket are another matter (`evictions.py`).
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import fields
from functools import singledispatch
from typing import Any

from millstream.adapters.postgres.session import (
    Cursor,
    Session,
    first,
    rows,
    value,
    with_key_escaped,
    with_key_restored,
)
from millstream.core import operations as op
from millstream.core.lifecycle import State, Step
from millstream.core.model import Discard, Done, Job, Kind, Retry
from millstream.core.rows import PipelineRow
from millstream.errors import InvalidValueError

Reply = Callable[[], Awaitable[object]]
"""Reads the result of what was sent."""

QUIET = (
    op.DeclarePipeline,
    op.OpenBatch,
    op.GrowBatch,
    op.Accept,
    op.Claim,
    op.Start,
    op.Renew,
    op.CopiedOut,
    op.Prune,
)
"""What gives nobody else anything to do."""


def values_of(operation: Any) -> dict[str, Any]:
    """The fields of an operation as parameters of a statement, which takes those that it names."""
    values = {each.name: getattr(operation, each.name) for each in fields(operation)}
    if "ranges" in values:
        values["ranges"] = json.dumps(values["ranges"])
    return values


@singledispatch
async def change(operation: object, session: Session) -> Reply:
    """Send what an operation does; returns how its result is read."""
    raise TypeError(f"no such operation: {operation!r} in {session!r}")


def _nothing(*cursors: Cursor) -> Reply:
    del cursors

    async def read() -> object:
        return None

    return read


def _once(cursor: Cursor) -> Reply:
    """Whether the one row was changed."""

    async def read() -> object:
        return cursor.rowcount == 1

    return read


def _number(*cursors: Cursor) -> Reply:
    """How many rows were changed."""

    async def read() -> object:
        return sum(cursor.rowcount for cursor in cursors)

    return read


@change.register
async def _(operation: op.DeclarePipeline, session: Session) -> Reply:
    await session.send_advances()
    await session.send("declare_pipeline", **values_of(operation))
    cursor = await session.send("read_pipelines", name=operation.name)

    async def read() -> object:
        return (await rows(cursor, kind=PipelineRow))[0]

    return read


@change.register
async def _(operation: op.OpenBatch, session: Session) -> Reply:
    values = values_of(operation) | {"key": with_key_escaped(operation.key)}
    opened = await session.send("open_batch", kind=Kind.MINIBATCH, **values)
    session.advance(operation.pipeline, seq=operation.seq)

    async def read() -> object:
        if opened.rowcount != 1:
            raise InvalidValueError(name="batch", expected="an id that no batch has", found=operation.batch_id)
        return None

    return read


@change.register
async def _(operation: op.GrowBatch, session: Session) -> Reply:
    return _once(await session.send("grow_batch", **values_of(operation)))


@change.register
async def _(operation: op.CloseBatch, session: Session) -> Reply:
    return _once(await session.send("close_batch", **values_of(operation)))


@change.register
async def _(operation: op.Accept, session: Session) -> Reply:
    values = values_of(operation)
    return _nothing(await session.send("accept", **values), await session.send("set_position", **values))


@change.register
async def _(operation: op.PlanBucket, session: Session) -> Reply:
    await plan(operation, session, state=State.READY)
    return _nothing()


async def plan(
    bucket: op.PlanBucket,
    session: Session,
    *,
    state: State,
    not_before: float | None = None,
    error: str | None = None,
) -> None:
    """Plan a bucket in some state, unless there is one of that id."""
    listed = [
        {each.name: getattr(file, each.name) for each in fields(file)} | {"version": file.version}
        for file in bucket.files
    ]
    values = values_of(bucket) | {"state": state, "not_before": not_before, "error": error}
    values |= {"files": json.dumps(listed), "file_state": "dead" if state is State.DEAD else "planned"}
    await session.send("plan_bucket", records=len(bucket.files), **values)


@change.register
async def _(operation: op.Claim, session: Session) -> Reply:
    await session.send("ripen", pipeline=operation.pipeline, at=operation.at)
    values = values_of(operation) | {"owner": f"{operation.owner}/{operation.epoch}"}
    cursor = await session.send("claim", **values)

    async def read() -> object:
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
        claimed = [row for row in found if row["id"] is not None]
        if claimed and found[0]["locked"] > len(claimed):
            session.is_loud = True  # whoever claimed meanwhile did not see what was locked, and is left over
        return tuple(with_key_restored(value(row, kind=Job)) for row in claimed)

    return read


@change.register
async def _(operation: op.Start, session: Session) -> Reply:
    return _once(await session.send("start", **values_of(operation)))


@change.register
async def _(operation: op.Finish, session: Session) -> Reply:
    result = operation.result
    text: str | None
    file_state: str | None
    match result.outcome:
        case Done(detail=detail):
            step, outcome, text, file_state = Step.DONE, "done", detail or None, "done"
        case Discard(reason=reason):
            step, outcome, text, file_state = Step.DISCARD, "discard", reason or None, "discarded"
        case Retry(error=error):
            step, outcome = (Step.BURY if operation.bury else Step.RETRY), ("lost" if result.lost else "retry")
            text, file_state = error, "dead" if operation.bury else None
    cursor = await session.send(
        "end_attempt",
        f"finish_{step}",
        batch_id=operation.batch_id,
        fence=operation.fence,
        at=operation.at,
        ended_at=operation.at,
        not_before=operation.not_before,
        charged=int(result.charged and isinstance(result.outcome, Retry)),
        alone=result.alone,
        error=None if step is Step.DONE else text,
        detail=text,
        outcome=outcome,
        seconds=result.seconds,
        file_state=file_state,
        checksums=json.dumps(dict(result.checksums)) if result.checksums else None,
    )
    target = {Step.DONE: State.DONE, Step.DISCARD: State.DISCARDED, Step.BURY: State.DEAD}.get(step, State.WAITING)

    async def read() -> object:
        return target if await first(cursor) == 1 else False

    return read


@change.register
async def _(operation: op.Release, session: Session) -> Reply:
    return await release(operation, session, outcome="released", reason=operation.reason)


async def release(operation: op.Release | op.Evict, session: Session, *, outcome: str, reason: str) -> Reply:
    """Give a claimed batch back."""
    cursor = await session.send(
        "end_attempt",
        "release",
        batch_id=operation.batch_id,
        fence=operation.fence,
        ended_at=operation.at,
        detail=reason,
        outcome=outcome,
        seconds=0.0,
        file_state=None,
        checksums=None,
    )

    async def read() -> object:
        return await first(cursor) == 1

    return read


@change.register
async def _(operation: op.Renew, session: Session) -> Reply:
    return _once(await session.send("renew", **values_of(operation)))


@change.register
async def _(operation: op.TakeOver, session: Session) -> Reply:
    detail = "the engine ended while it was worked"
    lost = await session.send("end_lost", "lose_embedded", ended_at=operation.at, detail=detail)
    epoch = await session.send("next_epoch")

    async def read() -> object:
        return await first(epoch), await first(lost)

    return read


@change.register
async def _(operation: op.ExpireLeases, session: Session) -> Reply:
    detail = "the worker did not renew its lease in time"
    lost = await session.send("end_lost", "lose_expired", at=operation.at, ended_at=operation.at, detail=detail)
    return lambda: first(lost)


@change.register
async def _(operation: op.Revive, session: Session) -> Reply:
    values = {"detail": "retry asked for by an operator", "file_state": "planned", **values_of(operation)}
    return _counted(await session.send("note_changed", "revive", what="revived", **values))


@change.register
async def _(operation: op.Cancel, session: Session) -> Reply:
    values = {"what": "cancelled", "detail": "cancelled by an operator", **values_of(operation)}
    ended = await session.send("note_changed", "cancel", file_state="discarded", **values)
    still_open = await session.send("note_changed", "cancel_open", file_state=None, **values)
    return _counted(ended, still_open)


def _counted(*cursors: Cursor) -> Reply:
    async def read() -> object:
        return sum([await first(cursor) for cursor in cursors])

    return read


@change.register
async def _(operation: op.SetPaused, session: Session) -> Reply:
    what = "paused" if operation.paused else "resumed"
    note: dict[str, Any] = {"at": operation.at, "what": what, "detail": f"{what} by an operator"}
    if operation.batch_id is None:
        changed = await session.send("set_meta", key="paused", value=str(int(operation.paused)))
    else:
        changed = await session.send("pause_batch", batch_id=operation.batch_id, paused=operation.paused)
    await session.send("note", batch_id=operation.batch_id or "", **note)
    return _number(changed)


@change.register
async def _(operation: op.Prune, session: Session) -> Reply:
    await session.send("prune_attempts", before=operation.before)
    await session.send("prune_events", before=operation.before)
    return _number(await session.send("prune_batches", before=operation.before))


@change.register
async def _(operation: op.CopiedOut, session: Session) -> Reply:
    return _once(await session.send("copied_out", **values_of(operation)))


@change.register
async def _(operation: op.SetMeta, session: Session) -> Reply:
    return _nothing(await session.send("set_meta", key=operation.key, value=operation.value))
