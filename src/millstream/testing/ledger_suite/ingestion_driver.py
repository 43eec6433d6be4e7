"""How the suite speaks of ingestions, in few words.

Files here have chunks of ten bytes with two records each, so everything about a chunk follows from its number.
"""

from collections.abc import Sequence
from typing import Any

from millstream.core.ingestion import (
    PIPELINE,
    Accept,
    ChunkReport,
    ChunkRow,
    FileSpec,
    FileState,
    IngestionEvent,
    IngestionRow,
    Joined,
    PlanReport,
    ReadChunks,
    ReadIngestion,
    ReadIngestionEvents,
    ReadIngestions,
    ReadRejects,
    ReadUnjoined,
    Report,
)
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Discard, Done, Job, Kind, Outcome, Retry
from millstream.core.operations import Claim, Finish
from millstream.core.queries import ReadAttempts, ReadBatches
from millstream.core.splitting import Chunk, Head, Position, Rejected
from millstream.testing.ledger_suite.driver import DUE, NOON, Driver, claim

CHUNK_BYTES = 10
RECORDS = 2
ALL = 1_000_000
FOUND = FileState(version="1", size_bytes=1000, head=Head(names=("a", "b"), start=0, fingerprint="f" * 32))


def spec(message_id: str = "m", **options: Any) -> FileSpec:
    """A file that is written to a folder, unless another `sink` is named."""
    return FileSpec(**({"container": "in", "name": "data.csv", "sink": "out", "message_id": message_id} | options))


def accept(
    message_id: str = "m",
    *,
    principal: str = "",
    is_queued: bool = True,
    idempotency_key: str | None = None,
    fingerprint: str = "",
    limit: int | None = None,
    at: float = NOON,
    **options: Any,
) -> Accept:
    """A file is taken on."""
    return Accept(
        spec=spec(message_id, **options),
        principal=principal,
        at=at,
        is_queued=is_queued,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
        limit=limit,
    )


def a_chunk(seq: int) -> Chunk:
    """A chunk of a file, by its number."""
    start = seq * CHUNK_BYTES
    return Chunk(seq=seq, start=start, end=start + CHUNK_BYTES, first_record=seq * RECORDS, records=RECORDS)


def border(seq: int) -> Position:
    """Where a chunk begins."""
    return a_chunk(seq).before


def planned(chunks: int, *, first: int = 0, is_last: bool = True) -> PlanReport:
    """A plan step found so many chunks."""
    found = tuple(a_chunk(seq) for seq in range(first, first + chunks))
    return PlanReport(found=FOUND, chunks=found, at=border(first + chunks), is_last=is_last)


def published(*, records: int = RECORDS, rejected: int = 0, rejects: tuple[Rejected, ...] = ()) -> ChunkReport:
    """A chunk was published."""
    return ChunkReport(published=records, rejected=rejected, rejects=rejects, receipt="r", out_bytes=7)


def report(
    job: Job,
    what: Report | None,
    *,
    outcome: Outcome | None = None,
    bury: bool = False,
    at: float = NOON,
    fence: int | None = None,
) -> Finish:
    """An attempt ends with a report."""
    return Finish(
        batch_id=job.id,
        fence=job.fence if fence is None else fence,
        at=at,
        result=AttemptResult(outcome=Done() if outcome is None else outcome, seconds=0.5, report=what),
        not_before=DUE,
        bury=bury,
    )


def bury(job: Job, *, at: float = NOON) -> Finish:
    """The last attempt failed."""
    return report(job, None, outcome=Retry(error="it broke"), bury=True, at=at)


def discard(job: Job) -> Finish:
    """The handler gives up."""
    return report(job, None, outcome=Discard("not wanted"))


def claim_ours(*, limit: int = 1000, at: float = NOON, lease_until: float | None = None) -> Claim:
    """Claim plan steps and chunks."""
    return claim(pipeline=PIPELINE, limit=limit, at=at, lease_until=lease_until)


class Ingestions:
    """A driver that knows ingestions."""

    def __init__(self, ledger: Driver) -> None:
        self.ledger = ledger

    def start(self, message_id: str = "m", *, chunks: int = 3, is_last: bool = True, **options: Any) -> list[Job]:
        """Take a file on, plan its first chunks, and claim those; nothing else may be ready."""
        self.ledger.do(accept(message_id, **options))
        (plan,) = self.ledger.do(claim_ours())
        assert self.ledger.do(report(plan, planned(chunks, is_last=is_last))) is State.DONE  # noqa: S101
        jobs = self.ledger.do(claim_ours())
        return [job for job in jobs if job.kind is Kind.CHUNK]

    def finish(self, *jobs: Job, at: float = NOON) -> None:
        """Chunks were published."""
        for job in jobs:
            assert self.ledger.do(report(job, published(), at=at)) is State.DONE  # noqa: S101

    def row(self, message_id: str = "m") -> IngestionRow:
        """Where an ingestion stands."""
        row = self.ledger.read(ReadIngestion(message_id=message_id))
        assert row is not None  # noqa: S101
        return row

    def chunks(self, message_id: str = "m") -> tuple[ChunkRow, ...]:
        """Its chunks."""
        return self.ledger.read(ReadChunks(message_id=message_id, limit=ALL))

    def events(self, message_id: str | None = "m") -> tuple[IngestionEvent, ...]:
        """What happened to it."""
        return self.ledger.read(ReadIngestionEvents(message_id=message_id, limit=ALL))

    def happened(self, message_id: str = "m") -> list[str]:
        """What happened to it, in words."""
        return [event.what for event in self.events(message_id)]

    def states(self, message_id: str = "m") -> list[State]:
        """The states of its chunks, in order."""
        return [row.state for row in self.chunks(message_id)]

    def join(self, *, message_id: str = "m", at: float = NOON) -> bool:
        """Join what may be joined."""
        rows = [row for row in self.ledger.read(ReadUnjoined(limit=ALL)) if row.message_id == message_id]
        if not rows:
            return False
        size_bytes = sum(row.size_bytes for row in rows)
        return self.ledger.do(
            join(message_id, [row.seq for row in rows], start=rows[0].out_bytes, size=size_bytes, at=at)
        )

    def everything(self) -> tuple[object, ...]:
        """All that can be read, to see whether anything changed."""
        ledger, rows = self.ledger, self.ledger.read(ReadIngestions(limit=ALL))
        batches = ledger.read(ReadBatches())
        return (
            rows,
            batches,
            tuple(self.chunks(row.spec.message_id) for row in rows),
            tuple(ledger.read(ReadRejects(message_id=row.spec.message_id)) for row in rows),
            tuple(ledger.read(ReadAttempts(batch_id=row.id)) for row in batches),
            tuple(self.events(row.spec.message_id) for row in rows),
        )


def join(message_id: str, seqs: Sequence[int], *, start: int, size: int, at: float = NOON) -> Joined:
    """Chunks were appended to the one file."""
    return Joined(message_id=message_id, seqs=tuple(seqs), from_bytes=start, out_bytes=start + size, at=at)
