"""What jobs, chunks, rejected records, events and batches look like as JSON; the keys are what clients rely on."""

from datetime import UTC, datetime

from millstream.core.ingestion import ChunkRow, IngestionEvent, IngestionRow, RejectRow, progress_document
from millstream.core.lifecycle import State
from millstream.core.rows import BatchRow
from millstream.web.progress import Pace

PLANNED = "planned"
CHUNK_STATES: dict[str, tuple[State, ...]] = {
    PLANNED: (State.OPEN, State.READY, State.WAITING),
    "running": (State.RUNNING,),
    "done": (State.DONE,),
    "failed": (State.DEAD, State.DISCARDED),
}
"""The states of chunks as a client knows them, and as the ledger does."""

_SHOWN = {state: shown for shown, states in CHUNK_STATES.items() for state in states}


def iso(at_s: float | None) -> str | None:
    """Engine seconds as ISO 8601 in UTC, to the millisecond."""
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def links_of(message_id: str) -> dict[str, str]:
    """Where to go on from a job."""
    return {
        "track": f"/track?message_id={message_id}",
        "chunks": f"/track/chunks?message_id={message_id}",
        "rejects": f"/track/rejects?message_id={message_id}",
        "events": f"/track/events?message_id={message_id}",
        "cancel": f"/jobs/{message_id}/cancel",
        "pause": f"/jobs/{message_id}/pause",
        "resume": f"/jobs/{message_id}/resume",
        "retry": f"/jobs/{message_id}/retry",
    }


def job_document(row: IngestionRow, *, pace: Pace) -> dict[str, object]:
    """A job."""
    return {
        "message_id": row.spec.message_id,
        "status": row.status,
        "file_name": row.spec.name,
        "file_container": row.spec.container,
        **progress_document(row),
        "rate_records_per_s": _rounded(pace.records_per_s),
        "eta_s": _rounded(pace.eta_s),
        "error": row.error or None,
        "waits_for": row.waits_for or None,
        "successor": row.successor or None,
        "format": row.spec.dialect.format,
        "policy": row.spec.policy,
        "chunk_bytes": row.spec.chunk_bytes,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
        "links": links_of(row.spec.message_id),
    }


def chunk_document(row: ChunkRow) -> dict[str, object]:
    """A chunk: a byte range of the file (of its unpacked copy, if it is compressed) and its records."""
    return {
        "seq": row.chunk.seq,
        "batch_id": row.batch_id,
        "state": _SHOWN[row.state],
        "start": row.chunk.start,
        "end": row.chunk.end,
        "first_record": row.chunk.first_record,
        "records": row.chunk.records,
        "records_published": row.published,
        "records_rejected": row.rejected,
        "attempts": row.attempts,
        "error": row.error or None,
        "worker": row.owner or None,
        "claimed_at": iso(row.claimed_at),
        "finished_at": iso(row.finished_at),
        "next_attempt_at": iso(row.not_before) if row.state is State.WAITING else None,
    }


def reject_document(row: RejectRow) -> dict[str, object]:
    """A malformed record with its byte range."""
    return {"record": row.record, "chunk": row.seq, "start": row.start, "end": row.end, "reason": row.reason}


def event_document(event: IngestionEvent) -> dict[str, object]:
    """Something that happened to a job."""
    return {
        "id": event.id,
        "message_id": event.message_id,
        "at": iso(event.at),
        "what": event.what,
        "detail": event.detail,
    }


def batch_document(row: BatchRow) -> dict[str, object]:
    """A batch of any pipeline."""
    return {
        "id": row.id,
        "pipeline": row.pipeline,
        "kind": row.kind,
        "state": row.state,
        "key": row.key,
        "records": row.records,
        "size_bytes": row.size_bytes,
        "attempts": row.attempts,
        "error": row.error or None,
        "worker": row.owner or None,
        "paused": row.paused,
        "claimed_at": iso(row.claimed_at),
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "next_attempt_at": iso(row.not_before) if row.state is State.WAITING else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
