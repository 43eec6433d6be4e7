"""Ingestions and their chunks as tables and as JSON; the keys are what scripts rely on.

Times are engine seconds, None where something has not happened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.cli.output import local_time, make_table, printable, styled
from millstream.cli.styles import STATE_STYLES
from millstream.core.ingestion import ChunkRow, IngestionRow, ReadChunks, ReadIngestion, Status, progress_document
from millstream.core.model import Kind
from millstream.core.rows import BatchRow
from millstream.core.units import format_size
from millstream.ports import Ledger

if TYPE_CHECKING:
    from rich.table import Table

KINDS = (Kind.CHUNK, Kind.PLAN)
"""The batches of ingestions."""

GOING = (Status.ACCEPTED, Status.QUEUED, Status.RUNNING, Status.PAUSED)
"""The statuses of what has not ended."""

STYLES: Mapping[str, str] = {
    Status.ACCEPTED: "blue",
    Status.QUEUED: "blue",
    Status.RUNNING: "yellow",
    Status.PAUSED: "magenta",
    Status.SUCCEEDED: "green",
    Status.CANCELLED: "dim",
    Status.PARTIAL: "bold red",
    Status.FAILED: "bold red",
}


def file_of(row: IngestionRow) -> str:
    """The file of an ingestion, with its container; without one it is a path of this machine."""
    return f"{row.spec.container}/{row.spec.name}" if row.spec.container else row.spec.name


async def files_of(rows: Iterable[BatchRow], *, ledger: Ledger) -> dict[str, str]:
    """The file of each ingestion that these batches belong to, by its message id."""
    keys = {row.key: None for row in rows if row.kind in KINDS and row.key is not None}
    found = [await ledger.read(ReadIngestion(message_id=key)) for key in keys]
    return {row.spec.message_id: file_of(row) for row in found if row is not None}


async def chunk_of(batch: BatchRow, *, ledger: Ledger) -> ChunkRow | None:
    """What the batch of a chunk is to publish."""
    number = batch.id.rpartition("-")[2]
    if batch.kind is not Kind.CHUNK or batch.key is None or not number.isdecimal():
        return None
    rows = await ledger.read(ReadChunks(message_id=batch.key, after=int(number) - 1, limit=1))
    return next((row for row in rows if row.batch_id == batch.id), None)


def with_files(rows: Sequence[BatchRow], *, files: Mapping[str, str]) -> list[BatchRow]:
    """The batches as a table shows them: of an ingestion with the file, since the id has the message id in it."""
    return [replace(row, key=files.get(row.key or "", row.key)) if row.kind in KINDS else row for row in rows]


# --- JSON -------------------------------------------------------------------------------------------------------------


def ingestion_document(row: IngestionRow) -> dict[str, object]:
    """An ingestion; bytes, records and chunks are counted as the HTTP API does."""
    return {
        "message_id": row.spec.message_id,
        "status": row.status,
        "file_name": row.spec.name,
        "file_container": row.spec.container,
        "to": row.spec.sink,
        **progress_document(row),
        "error": row.error or None,
        "waits_for": row.waits_for or None,
        "successor": row.successor or None,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def chunk_document(row: ChunkRow) -> dict[str, object]:
    """A chunk: bytes from `start` up to `end`, records from number `first_record` on."""
    return {
        "chunk": row.chunk.seq,
        "batch": row.batch_id,
        "state": row.state,
        "start": row.chunk.start,
        "end": row.chunk.end,
        "first_record": row.chunk.first_record,
        "records": row.chunk.records,
        "published": row.published,
        "rejected": row.rejected,
        "attempts": row.attempts,
        "next_attempt_at": row.not_before,
        "owner": row.owner,
        "error": row.error,
    }


# --- terminal ---------------------------------------------------------------------------------------------------------


def ingestion_table(rows: Iterable[IngestionRow], *, now_s: float) -> "Table":
    """One row for each ingestion."""
    table = make_table(
        "ingestion", "status", "chunks", "records", "size", "since", "file", "says", numbers=("records", "size")
    )
    for row in rows:
        table.add_row(
            row.spec.message_id,
            styled(row.status, STYLES[row.status]),
            chunks_of(row),
            f"{row.records_published:,}",
            "" if row.file_bytes is None else format_size(row.file_bytes),
            local_time(row.created_at, now_s=now_s),
            printable(file_of(row)),
            printable(row.error or row.waits_for),
        )
    return table


def chunks_of(row: IngestionRow) -> str:
    """How many chunks are done, of how many that are known so far: `3 of 8+, 1 failed`."""
    more = "" if row.planned_all or row.status not in GOING else "+"
    failed = f", {row.chunks_failed:,} failed" if row.chunks_failed else ""
    return f"{row.chunks_done:,} of {row.chunks_planned:,}{more}{failed}"


def chunk_table(rows: Iterable[ChunkRow], *, now_s: float) -> "Table":
    """One row for each chunk."""
    numbers = ("chunk", "records", "attempts")
    table = make_table("chunk", "state", "bytes", "records", "attempts", "when", "error", numbers=numbers)
    for row in rows:
        at_s = row.not_before or row.finished_at or row.claimed_at
        table.add_row(
            f"{row.chunk.seq:,}",
            styled(row.state, STATE_STYLES[row.state]),
            f"{row.chunk.start:,} to {row.chunk.end:,}",
            f"{row.chunk.records:,}",
            str(row.attempts),
            "" if at_s is None else local_time(at_s, now_s=now_s),
            printable(row.error or ""),
        )
    return table
