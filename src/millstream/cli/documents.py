"""What batches, attempts, events and files look like as JSON; the keys are what scripts rely on.

Times are engine seconds, None where something has not happened.
"""

from millstream.core.rows import AttemptRow, BatchRow, EventRow, FileRow


def batch_document(row: BatchRow) -> dict[str, object]:
    """A batch; `records` counts records of a minibatch and files of a bucket."""
    return {
        "id": row.id,
        "kind": row.kind,
        "pipeline": row.pipeline,
        "state": row.state,
        "cut": row.cut,
        "key": row.key,
        "records": row.records,
        "bytes": row.size_bytes,
        "opened_at": row.opened_at,
        "closes_at": row.closes_at,
        "closed_at": row.closed_at,
        "next_attempt_at": row.not_before,
        "claimed_at": row.claimed_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "attempts": row.attempts,
        "failures": row.failures,
        "owner": row.owner,
        "error": row.error,
        "paused": row.paused,
        "cancelled": row.cancelled,
        "oversize": row.oversize,
        "alone": row.alone,
    }


def attempt_document(row: AttemptRow) -> dict[str, object]:
    """An attempt that ended; `seconds` is how long its handler took in real time."""
    return {
        "attempt": row.attempt,
        "outcome": row.outcome,
        "claimed_at": row.claimed_at,
        "ended_at": row.ended_at,
        "seconds": row.seconds,
        "owner": row.owner,
        "error": row.error,
    }


def event_document(row: EventRow) -> dict[str, object]:
    """Something that happened to a batch besides its attempts."""
    return {"at": row.at, "what": row.what, "detail": row.detail}


def file_document(row: FileRow) -> dict[str, object]:
    """A version of a file; `batch` is empty when it was superseded."""
    return {
        "pipeline": row.pipeline,
        "path": row.path,
        "version": row.version,
        "bytes": row.size_bytes,
        "state": row.state,
        "batch": row.batch_id,
        "sha256": row.sha256,
        "seen_at": row.seen_at,
    }
