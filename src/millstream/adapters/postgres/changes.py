"""How each operation changes the tables: sent first, its result read when all were sent.

An operation is at most three statements, none of which needs the answer of another, so that whole groups of them
travel at once; only files that leave their bucket (`evictions.py`) and what is told as steps, all that changes an
ingestion, are another matter.
"""

import json
from dataclasses import fields
from functools import singledispatch

from millstream.adapters.postgres.claims import claim, claim_batch
from millstream.adapters.postgres.operating import cancel, prune, revive, set_paused
from millstream.adapters.postgres.replies import Reply, known, nothing, once, values_of
from millstream.adapters.postgres.session import Session, first, rows, with_key_escaped
from millstream.adapters.postgres.stepping import carry_out
from millstream.adapters.sql import ingesting
from millstream.core import ingestion
from millstream.core import operations as op
from millstream.core.lifecycle import State, Step
from millstream.core.model import Discard, Done, Kind, Retry
from millstream.core.rows import PipelineRow
from millstream.errors import InvalidValueError

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
    ingestion.ClaimBatch,
)
"""What gives nobody else anything to do."""


@singledispatch
async def change(operation: object, session: Session) -> Reply:
    """Send what an operation does; returns how its result is read."""
    if isinstance(operation, ingesting.OPERATIONS):
        return known(await carry_out(ingesting.steps_of(operation), session))
    raise TypeError(f"no such operation: {operation!r} in {session!r}")


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
    return once(await session.send("grow_batch", **values_of(operation)))


@change.register
async def _(operation: op.CloseBatch, session: Session) -> Reply:
    return once(await session.send("close_batch", **values_of(operation)))


@change.register
async def _(operation: op.Accept, session: Session) -> Reply:
    values = values_of(operation)
    return nothing(await session.send("accept", **values), await session.send("set_position", **values))


@change.register
async def _(operation: op.PlanBucket, session: Session) -> Reply:
    await plan(operation, session, state=State.READY)
    return nothing()


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
    return await claim(operation, session)


@change.register
async def _(operation: ingestion.ClaimBatch, session: Session) -> Reply:
    return await claim_batch(operation, session)


@change.register
async def _(operation: op.Start, session: Session) -> Reply:
    return once(await session.send("start", **values_of(operation)))


@change.register
async def _(operation: op.Finish, session: Session) -> Reply:
    if ingesting.may_concern(operation):
        state = await carry_out(ingesting.finish(operation), session)
        if state is not None:
            return known(state)
    return await _finish(operation, session)


async def _finish(operation: op.Finish, session: Session) -> Reply:
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
        ended, kind = await cursor.fetchone() or (0, None)
        if step is Step.DONE and kind in ingesting.KINDS:
            raise InvalidValueError(name="report", expected=f"one of a {kind} that is done", found=None)
        return target if ended == 1 else False

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
    return once(await session.send("renew", **values_of(operation)))


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
    return await revive(operation, session)


@change.register
async def _(operation: op.Cancel, session: Session) -> Reply:
    return await cancel(operation, session)


@change.register
async def _(operation: op.SetPaused, session: Session) -> Reply:
    return await set_paused(operation, session)


@change.register
async def _(operation: op.Prune, session: Session) -> Reply:
    return await prune(operation, session)


@change.register
async def _(operation: op.CopiedOut, session: Session) -> Reply:
    return once(await session.send("copied_out", **values_of(operation)))


@change.register
async def _(operation: op.SetMeta, session: Session) -> Reply:
    return nothing(await session.send("set_meta", key=operation.key, value=operation.value))
