"""How each operation changes the tables; called inside of one transaction."""

import sqlite3
from dataclasses import asdict
from functools import singledispatch
from typing import Any

from millstream.adapters.sql import ingesting
from millstream.adapters.sqlite import going
from millstream.adapters.sqlite.claims import claim, claim_batch
from millstream.adapters.sqlite.operating import cancel, prune, revive, set_paused
from millstream.adapters.sqlite.rows import carry_out, fetch, run, values_of
from millstream.core import ingestion
from millstream.core import operations as op
from millstream.core.identity import bucket_id
from millstream.core.lifecycle import State, Step
from millstream.core.model import AttemptResult, Discard, Done, Eviction, Kind, Retry
from millstream.core.rows import PipelineRow
from millstream.errors import InvalidValueError


@singledispatch
def change(operation: object, db: sqlite3.Connection) -> object:
    """Carry out one operation and return its result."""
    if isinstance(operation, ingesting.OPERATIONS):
        return carry_out(ingesting.steps_of(operation), db)
    raise TypeError(f"no such operation: {operation!r} on {db!r}")


@change.register
def _(operation: op.DeclarePipeline, db: sqlite3.Connection) -> object:
    run(db, "declare_pipeline", **values_of(operation))
    return fetch(run(db, "read_pipelines", name=operation.name), kind=PipelineRow)[0]


@change.register
def _(operation: op.OpenBatch, db: sqlite3.Connection) -> object:
    opened = run(db, "open_batch", kind=Kind.MINIBATCH, **values_of(operation))
    if opened.rowcount != 1:
        raise InvalidValueError(name="batch", expected="an id that no batch has", found=operation.batch_id)
    run(db, "advance_seq", pipeline=operation.pipeline, seq=operation.seq)
    return None


@change.register
def _(operation: op.GrowBatch, db: sqlite3.Connection) -> object:
    return run(db, "grow_batch", **values_of(operation)).rowcount == 1


@change.register
def _(operation: op.CloseBatch, db: sqlite3.Connection) -> object:
    return run(db, "close_batch", **values_of(operation)).rowcount == 1


@change.register
def _(operation: op.Accept, db: sqlite3.Connection) -> object:
    values = values_of(operation)
    run(db, "accept", **values)
    run(db, "set_position", **values)
    return None


@change.register
def _(operation: op.PlanBucket, db: sqlite3.Connection) -> object:
    _plan(db, operation, state=State.READY)
    return None


def _plan(
    db: sqlite3.Connection,
    bucket: op.PlanBucket,
    *,
    state: State,
    not_before: float | None = None,
    error: str | None = None,
) -> None:
    values = values_of(bucket) | {"state": state, "not_before": not_before, "error": error}
    planned = run(db, "plan_bucket", records=len(bucket.files), **values)
    if planned.rowcount != 1:
        return
    file_state = "dead" if state is State.DEAD else "planned"
    for file in bucket.files:
        run(db, "plan_file", **(values | asdict(file) | {"version": file.version, "state": file_state}))


@change.register
def _(operation: op.Claim, db: sqlite3.Connection) -> object:
    return claim(operation, db)


@change.register
def _(operation: ingestion.Accept, db: sqlite3.Connection) -> object:
    if operation.limit is not None:
        going.keep_up(db)
    return carry_out(ingesting.steps_of(operation), db)


@change.register
def _(operation: ingestion.ClaimBatch, db: sqlite3.Connection) -> object:
    return claim_batch(operation, db)


@change.register
def _(operation: op.Start, db: sqlite3.Connection) -> object:
    return run(db, "start", **values_of(operation)).rowcount == 1


@change.register
def _(operation: op.Finish, db: sqlite3.Connection) -> object:
    if ingesting.may_concern(operation):
        state = carry_out(ingesting.finish(operation), db)
        if state is not None:
            return state
    return _finish(operation, db)


def _finish(operation: op.Finish, db: sqlite3.Connection) -> State | bool:
    result = operation.result
    match result.outcome:
        case Done(detail=detail):
            step, name, text, file_state = Step.DONE, "done", detail or None, "done"
        case Discard(reason=reason):
            step, name, text, file_state = Step.DISCARD, "discard", reason or None, "discarded"
        case Retry(error=error):
            step, name = (Step.BURY if operation.bury else Step.RETRY), ("lost" if result.lost else "retry")
            text, file_state = error, "dead" if operation.bury else ""
    values: dict[str, object] = {
        "batch_id": operation.batch_id,
        "fence": operation.fence,
        "charged": int(result.charged and isinstance(result.outcome, Retry)),
        "alone": int(result.alone),
        "error": None if step is Step.DONE else text,
    }
    values |= {"not_before": operation.not_before} if step is Step.RETRY else {"at": operation.at}
    row = run(db, f"finish_{step}", **values).fetchone()
    if row is None:
        return False
    if step is Step.DONE and row[3] in ingesting.KINDS:
        raise InvalidValueError(name="report", expected=f"one of a {row[3]} that is done", found=None)
    _record_attempt(db, operation.batch_id, row, at=operation.at, outcome=name, seconds=result.seconds, error=text)
    if file_state:
        run(db, "finish_files", batch_id=operation.batch_id, state=file_state)
    for path, sha256 in result.checksums.items():
        run(db, "seal_file", batch_id=operation.batch_id, path=path, sha256=sha256)
    return {Step.DONE: State.DONE, Step.DISCARD: State.DISCARDED, Step.BURY: State.DEAD}.get(step, State.WAITING)


def _record_attempt(  # the row is what a guarded UPDATE returned: attempts, claimed_at, owner
    db: sqlite3.Connection,
    batch_id: str,
    row: tuple[Any, ...],
    *,
    at: float,
    outcome: str,
    seconds: float = 0.0,
    error: str | None,
) -> None:
    run(
        db,
        "record_attempt",
        batch_id=batch_id,
        attempt=row[0],
        claimed_at=row[1],
        ended_at=at,
        outcome=outcome,
        seconds=seconds,
        error=error,
        owner=row[2],
    )


@change.register
def _(operation: op.Release, db: sqlite3.Connection) -> object:
    return _release(db, operation, outcome="released", reason=operation.reason)


def _release(db: sqlite3.Connection, operation: op.Release | op.Evict, *, outcome: str, reason: str) -> bool:
    row = run(db, "release", batch_id=operation.batch_id, fence=operation.fence).fetchone()
    if row is None:
        return False
    _record_attempt(db, operation.batch_id, row, at=operation.at, outcome=outcome, error=reason)
    return True


@change.register
def _(operation: op.Evict, db: sqlite3.Connection) -> object:
    claimed = run(db, "find_claimed", batch_id=operation.batch_id, fence=operation.fence).fetchone()
    if claimed is None:
        return False
    for eviction in operation.evictions:
        _evict(db, operation, pipeline=claimed[0], eviction=eviction)
    if run(db, "shrink_bucket", batch_id=operation.batch_id).fetchone()[0]:
        return _release(db, operation, outcome="evicted", reason="files left the bucket")
    emptied = op.Finish(
        batch_id=operation.batch_id,
        fence=operation.fence,
        at=operation.at,
        result=AttemptResult(outcome=Discard("every file of it changed or disappeared")),
    )
    return change(emptied, db)


def _evict(db: sqlite3.Connection, operation: op.Evict, *, pipeline: str, eviction: Eviction) -> None:
    listed, current = eviction.listed, eviction.current
    subject = current or listed
    successor = op.PlanBucket(
        batch_id=bucket_id(pipeline, files=[subject], evicted_from=operation.batch_id),
        pipeline=pipeline,
        files=(subject,),
        size_bytes=subject.size_bytes,
        cost_s=0.0,
        oversize=False,
        at=operation.at,
    )
    home = successor.batch_id
    if current is None:
        detail = f"{listed.path} disappeared before it was worked"
        _plan(db, successor, state=State.DEAD, error=detail)
    else:
        detail = f"{listed.path} changed before it was worked ({listed.version} -> {current.version})"
        run(db, "supersede_file", pipeline=pipeline, path=listed.path, version=listed.version)
        known = run(db, "find_file", pipeline=pipeline, path=current.path, version=current.version).fetchone()
        if known is None:
            _plan(db, successor, state=State.WAITING, not_before=operation.not_before)
        else:
            home = known[0]
    for batch_id in (operation.batch_id, home):
        run(db, "note", at=operation.at, batch_id=batch_id, what="evicted", detail=detail)


@change.register
def _(operation: op.Renew, db: sqlite3.Connection) -> object:
    return run(db, "renew", **values_of(operation)).rowcount == 1


@change.register
def _(operation: op.TakeOver, db: sqlite3.Connection) -> object:
    lost = run(db, "lose_embedded").fetchall()
    _record_lost(db, lost, at=operation.at, error="the engine ended while it was worked")
    epoch: int = run(db, "next_epoch").fetchone()[0]
    return epoch, len(lost)


@change.register
def _(operation: op.ExpireLeases, db: sqlite3.Connection) -> object:
    lost = run(db, "lose_expired", at=operation.at).fetchall()
    _record_lost(db, lost, at=operation.at, error="the worker did not renew its lease in time")
    return len(lost)


def _record_lost(db: sqlite3.Connection, lost: list[tuple[str, int, float, str]], *, at: float, error: str) -> None:
    for batch_id, attempts, claimed_at, owner in lost:
        _record_attempt(db, batch_id, (attempts, claimed_at, owner), at=at, outcome="lost", error=error)


@change.register
def _(operation: op.Revive, db: sqlite3.Connection) -> object:
    return revive(operation, db)


@change.register
def _(operation: op.Cancel, db: sqlite3.Connection) -> object:
    return cancel(operation, db)


@change.register
def _(operation: op.SetPaused, db: sqlite3.Connection) -> object:
    return set_paused(operation, db)


@change.register
def _(operation: op.Prune, db: sqlite3.Connection) -> object:
    return prune(operation, db)


@change.register
def _(operation: op.CopiedOut, db: sqlite3.Connection) -> object:
    return run(db, "copied_out", **values_of(operation)).rowcount == 1


@change.register
def _(operation: op.SetMeta, db: sqlite3.Connection) -> object:
    run(db, "set_meta", key=operation.key, value=operation.value)
    return None
