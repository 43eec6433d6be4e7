"""What changes the ledger of ingestions; the ends of attempts are `Finish`, whose result carries the report."""

from dataclasses import dataclass
from enum import StrEnum

from millstream.core.model import Job
from millstream.core.operations import Operation
from millstream.core.tasks import Action, FileSpec, Status


class Answered(StrEnum):
    """What an Accept came to."""

    NEW = "new"
    SAME = "same"
    CONFLICT = "conflict"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """`message_id` is that of the ingestion which has the idempotency key, whoever made it."""

    answered: Answered
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(Operation[Acceptance]):
    """Take on a file.

    `principal` is whose it is ("" without keys). With an `idempotency_key` that the principal used before, nothing
    happens: the result is `same` if the `fingerprint` of the request is the same too, else `conflict`. With `limit` and
    so many unfinished ingestions of the principal it is `full`, and the message id "". With `is_queued` the first plan
    step is ready at once, else `Queue` makes it. Accepting the same message id again is `same`, or `conflict`, too.
    """

    spec: FileSpec
    principal: str
    at: float
    is_queued: bool
    idempotency_key: str | None = None
    fingerprint: str = ""
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(Operation[bool]):
    """Make the first plan step of an accepted ingestion; again changes nothing. Result: whether it is known."""

    message_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Operation[Status | None]):
    """Cancel, pause, resume or retry an ingestion with all its batches.

    `retry` makes what is dead ready again, plan steps included; an ingestion that was cancelled or has nothing dead
    stays what it is. Result: the status after it, None if there is no such ingestion.
    """

    message_id: str
    action: Action
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain(Operation[bool]):
    """Say what an ingestion waits for (a broker or store that is down), or "" when it does not any more."""

    message_id: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Operation[bool]):
    """The records of these chunks, by number, are durable in the one file of the ingestion, which has `out_bytes` now.

    Changes nothing, with the result False, unless the file had `from_bytes` before.
    """

    message_id: str
    seqs: tuple[int, ...]
    from_bytes: int
    out_bytes: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Redo(Operation[bool]):
    """The part of a done chunk is lost or damaged before it was joined: the chunk is worked again.

    Its records count as not published until then. Changes nothing, with the result False, unless the chunk is done and
    not joined, and the ingestion has not ended.
    """

    message_id: str
    seq: int
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimBatch(Operation[Job | None]):
    """Claim one batch with a lease, for a worker that was rung for it; None when it is not ready (any more).

    One that waits for its retry is ready when that is due.
    """

    batch_id: str
    at: float
    owner: str
    lease_until: float
