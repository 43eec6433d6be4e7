"""Who gets which batch."""

from collections.abc import Sequence

from millstream.adapters.postgres.replies import Reply, known, values_of
from millstream.adapters.postgres.session import Session, value, with_key_restored
from millstream.adapters.postgres.stepping import answers, carry_out
from millstream.adapters.sql import ingesting
from millstream.adapters.sql.steps import ask
from millstream.core.ingestion import ClaimBatch
from millstream.core.model import Job
from millstream.core.operations import Claim


async def claim(operation: Claim, session: Session) -> Reply:
    """See core.operations.Claim."""
    await session.send("ripen", pipeline=operation.pipeline, at=operation.at)
    values = values_of(operation) | {"owner": f"{operation.owner}/{operation.epoch}"}
    cursor = await session.send("claim", **values)

    async def read() -> object:
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
        claimed = [row for row in found if row["id"] is not None]
        if claimed and found[0]["locked"] > len(claimed):
            session.is_loud = True  # whoever claimed meanwhile did not see what was locked, and is left over
        jobs = [with_key_restored(value(row, kind=Job)) for row in claimed]
        return await _complete(jobs, session, at=operation.at)

    return read


async def claim_batch(operation: ClaimBatch, session: Session) -> Reply:
    """See core.ingestion.ClaimBatch."""
    batch_id, at = operation.batch_id, operation.at
    ready = [ask("ripen_batch", batch_id=batch_id, at=at), ask("find_ready_batch", batch_id=batch_id)]
    if not (await answers(ready, session))[1]:
        return known(None)
    claimed, files = await answers(
        [ask("claim_batch", **values_of(operation)), ask("files_of_batch", batch_id=batch_id)], session
    )
    job = with_key_restored(value(dict(claimed[0]) | {"files": files}, kind=Job))
    return known((await _complete([job], session, at=at))[0])


async def _complete(jobs: Sequence[Job], session: Session, *, at: float) -> tuple[Job, ...]:
    """Claimed batches with all that is needed to work them."""
    ours = tuple(job for job in jobs if job.kind in ingesting.KINDS)
    tasked = {job.id: job for job in await carry_out(ingesting.start(ours, at=at), session)} if ours else {}
    return tuple(tasked.get(job.id, job) for job in jobs)
