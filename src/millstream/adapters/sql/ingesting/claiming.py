"""What a claimed plan step or chunk is told to do."""

from dataclasses import replace

import msgspec

from millstream.adapters.sql.ingesting.coding import found_of, spec_of
from millstream.adapters.sql.steps import Ask, Row, Steps, ask
from millstream.core.model import Job, Kind
from millstream.core.splitting import Chunk, Position
from millstream.core.tasks import ChunkTask, PlanTask
from millstream.errors import InvalidValueError


def find_task(job: Job) -> Ask:
    """Asks what `task_of` needs."""
    return ask("read_task", batch_id=job.id)


def task_of(row: Row) -> PlanTask | ChunkTask:
    """What is to be done for a batch."""
    spec, found = spec_of(row["spec"]), found_of(row["found"])
    if row["kind"] == Kind.PLAN:
        at = Position(offset=row["plan_offset"], record=row["plan_record"], seq=row["plan_seq"])
        return PlanTask(spec=spec, found=found, at=at, exact=row["exact_from"] is not None)
    if found is None or row["seq"] is None:
        raise InvalidValueError(name="chunk", expected="one that was planned", found=row["id"])
    return ChunkTask(spec=spec, found=found, chunk=chunk_of(row))


def chunk_of(row: Row) -> Chunk:
    """A chunk, as it was planned."""
    values = dict(row) | {"start": row["first_byte"], "end": row["end_byte"]}
    return msgspec.convert({name: values[name] for name in Chunk.__dataclass_fields__}, Chunk, strict=False)


def with_task(job: Job, task: PlanTask | ChunkTask) -> Job:
    """A claimed batch, complete."""
    return replace(job, plan=task) if isinstance(task, PlanTask) else replace(job, chunk=task)


def start(jobs: tuple[Job, ...], *, at: float) -> Steps[tuple[Job, ...]]:
    """Complete claimed batches of ingestions; those that were never worked before are running now."""
    found = yield [find_task(job) for job in jobs]
    rows = [each[0] for each in found]
    fresh = list(dict.fromkeys(row["message_id"] for row in rows if row["started_at"] is None))
    if fresh:
        yield from _run(fresh, at=at)
    return tuple(with_task(job, task_of(row)) for job, row in zip(jobs, rows, strict=True))


def _run(message_ids: list[str], *, at: float) -> Steps[None]:
    begun = yield [ask("start_ingestion", message_id=message_id, at=at) for message_id in message_ids]
    notes = [
        ask("note", at=at, batch_id=message_id, what="running", detail="")
        for message_id, rows in zip(message_ids, begun, strict=True)
        if rows
    ]
    if notes:
        yield notes
