"""Who gets which batch."""

import sqlite3
from collections.abc import Sequence

from millstream.adapters.sql import ingesting
from millstream.adapters.sqlite.rows import carry_out, fetch, run, values_of, with_files
from millstream.core.ingestion import ClaimBatch
from millstream.core.model import Job
from millstream.core.operations import Claim


def claim(operation: Claim, db: sqlite3.Connection) -> tuple[Job, ...]:
    """See core.operations.Claim."""
    run(db, "ripen", pipeline=operation.pipeline, at=operation.at)
    chosen: list[str] = []
    room = operation.max_bytes
    for batch_id, size_bytes in run(db, "find_ready", pipeline=operation.pipeline, limit=operation.limit).fetchall():
        if size_bytes > room and (chosen or not operation.at_least_one):
            break
        chosen.append(batch_id)
        room -= size_bytes
    values = values_of(operation) | {"owner": f"{operation.owner}/{operation.epoch}"}
    jobs = [fetch(run(db, "claim_batch", batch_id=batch_id, **values), kind=Job)[0] for batch_id in chosen]
    return _complete(jobs, db, at=operation.at)


def claim_batch(operation: ClaimBatch, db: sqlite3.Connection) -> Job | None:
    """See core.ingestion.ClaimBatch."""
    run(db, "ripen_batch", batch_id=operation.batch_id, at=operation.at)
    if run(db, "find_ready_batch", batch_id=operation.batch_id).fetchone() is None:
        return None
    return _complete(fetch(run(db, "claim_batch", **values_of(operation)), kind=Job), db, at=operation.at)[0]


def _complete(jobs: Sequence[Job], db: sqlite3.Connection, *, at: float) -> tuple[Job, ...]:
    """Claimed batches with all that is needed to work them."""
    ours = tuple(job for job in jobs if job.kind in ingesting.KINDS)
    tasked = {job.id: job for job in carry_out(ingesting.start(ours, at=at), db)} if ours else {}
    return tuple(tasked.get(job.id) or with_files(db, job) for job in jobs)
