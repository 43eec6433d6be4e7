"""Files that leave their bucket: a change of several steps, each of which needs the answer of the one before."""

from millstream.adapters.postgres.changes import change, plan, release
from millstream.adapters.postgres.replies import Reply
from millstream.adapters.postgres.session import Session, first
from millstream.core import operations as op
from millstream.core.identity import bucket_id
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Discard, Eviction


async def evict(operation: op.Evict, session: Session) -> Reply:
    """Carry an eviction out, up to its last step; returns how its result is read."""
    claimed = await session.send("find_claimed", batch_id=operation.batch_id, fence=operation.fence)
    pipeline = await first(claimed)
    if pipeline is None:
        return _refused
    for eviction in operation.evictions:
        await _evict(operation, session, pipeline=pipeline, eviction=eviction)
    if await first(await session.send("shrink_bucket", batch_id=operation.batch_id)):
        return await release(operation, session, outcome="evicted", reason="files left the bucket")
    emptied = op.Finish(
        batch_id=operation.batch_id,
        fence=operation.fence,
        at=operation.at,
        result=AttemptResult(outcome=Discard("every file of it changed or disappeared")),
    )
    return await change(emptied, session)


async def _refused() -> object:
    return False


async def _evict(operation: op.Evict, session: Session, *, pipeline: str, eviction: Eviction) -> None:
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
        await plan(successor, session, state=State.DEAD, error=detail)
    else:
        detail = f"{listed.path} changed before it was worked ({listed.version} -> {current.version})"
        await session.send("supersede_file", pipeline=pipeline, path=listed.path, version=listed.version)
        known = await session.send("find_file", pipeline=pipeline, path=current.path, version=current.version)
        found = await first(known)
        if found is None:
            await plan(successor, session, state=State.WAITING, not_before=operation.not_before)
        else:
            home = found
    for batch_id in (operation.batch_id, home):
        await session.send("note", at=operation.at, batch_id=batch_id, what="evicted", detail=detail)
