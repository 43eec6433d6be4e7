"""What a ledger answers: rows, as it sees pipelines, batches, attempts, events and files.

All times are engine seconds.
"""

from dataclasses import dataclass

from millstream.core.lifecycle import State
from millstream.core.model import CutReason, FileRef, Kind, Ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRow:
    """A pipeline and how far its intake is."""

    name: str
    kind: Kind
    next_seq: int = 1
    accepted_records: int = 0
    accepted_bytes: int = 0
    main_end: int = 0
    runs_end: int = 0
    spilled_to: int = 0
    accepted_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """How far a source was read."""

    pipeline: str
    source: str
    position: str
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A batch as the ledger sees it; `records` counts records of a minibatch, files of a bucket.

    `seq` is the order in which batches came into the ledger.
    """

    id: str
    pipeline: str
    kind: Kind
    state: State
    key: str | None
    cut: CutReason | None
    records: int
    size_bytes: int
    opened_at: float
    closes_at: float | None
    closed_at: float | None
    last_at: float | None
    attempts: int
    failures: int
    fence: int
    not_before: float | None
    claimed_at: float | None
    started_at: float | None
    finished_at: float | None
    owner: str | None
    paused: bool
    cancelled: bool
    oversize: bool
    cost_s: float
    error: str | None
    log: str
    start: int
    ranges: Ranges
    checksum: int
    spilled_records: int = 0
    alone: bool = False
    seq: int = 0
    files: tuple[FileRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt: `outcome` is done, retry, discard, lost, released or evicted."""

    batch_id: str
    attempt: int
    claimed_at: float
    ended_at: float | None
    outcome: str
    seconds: float | None
    error: str | None
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something that happened to a batch."""

    at: float
    batch_id: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A version of a file: `state` is planned, done, discarded, dead or superseded (then without a batch)."""

    pipeline: str
    path: str
    version: str
    size_bytes: int
    state: str
    batch_id: str
    sha256: str | None
    seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """What a bucket cost: for fitting the cost model."""

    size_bytes: int
    files: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalRow:
    """Number, records and bytes of the batches of one pipeline in one state."""

    pipeline: str
    state: State
    batches: int
    records: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRow:
    """From which position on a spool log is needed by batches that are dead, or that are not."""

    log: str
    dead: bool
    first: int
