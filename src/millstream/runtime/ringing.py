"""Rings for what the ledger says is ready."""

from collections.abc import Iterable

from millstream.core.ingestion import PIPELINE, ReadyRow, plan_id
from millstream.core.model import Job
from millstream.ports.bell import Ring


def rings_of(rows: Iterable[ReadyRow]) -> tuple[Ring, ...]:
    """One for each row, in order."""
    return tuple(
        Ring(batch_id=row.batch_id, pipeline=row.pipeline, message_id=_message_id(row.pipeline, row.key))
        for row in rows
    )


def ring_of(job: Job) -> Ring:
    """One for a batch that was claimed."""
    return Ring(batch_id=job.id, pipeline=job.pipeline, message_id=_message_id(job.pipeline, job.key))


def is_plan_step(row: ReadyRow) -> bool:
    """Whether it plans an ingestion."""
    return row.pipeline == PIPELINE and row.batch_id.startswith(plan_id(row.key or "", seq=0)[: -len("000000")])


def _message_id(pipeline: str, key: str | None) -> str | None:
    """The key of a minibatch is something else: what all its records share."""
    return key if pipeline == PIPELINE else None
