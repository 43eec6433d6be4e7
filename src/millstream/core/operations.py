"""What can be asked of a ledger: operations that change it, queries that read it, and their results.

Theory of operation: an operation is a frozen value that says what happened, not how it is stored; each is one SQL
statement (or a few) in an adapter. All times are engine seconds. Operations on a claimed batch carry its fence;
one with an old fence changes nothing and its result is False.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, CutReason, Eviction, FileRef, Job, Kind

Ranges = tuple[tuple[int, int], ...]

PAUSED = "paused"
"""The `ReadMeta` key under which "1" says that all work is held back."""

Result_co = TypeVar("Result_co", covariant=True)


class Operation(Generic[Result_co]):
    """A change of the ledger whose result is a `Result_co`."""

    __slots__ = ()


class Query(Generic[Result_co]):
    """A question to the ledger that is answered by a `Result_co`."""

    __slots__ = ()


# --- pipelines and intake -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarePipeline(Operation["PipelineRow"]):
    """Make sure that a pipeline is known; result: PipelineRow."""

    name: str
    kind: Kind
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch(Operation[None]):
    """A minibatch was opened by its first record; `start` is that record's position in the spool's main log."""

    batch_id: str
    pipeline: str
    key: str | None
    seq: int
    opened_at: float
    closes_at: float | None
    start: int
    log: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowBatch(Operation[bool]):
    """What an open minibatch holds by now: absolute values, so applying it twice does no harm.

    `ranges` and `checksum` cover the records that lie in its log: all of a minibatch without a key, the first
    `spilled_records` of one with a key, whose newer records are still in the main log only.
    """

    batch_id: str
    records: int
    size_bytes: int
    checksum: int
    last_at: float
    ranges: Ranges
    spilled_records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseBatch(Operation[bool]):
    """A minibatch was cut. `closed_at` is the time it was due (its deadline) or happened (a limit, a drain)."""

    batch_id: str
    cut: CutReason
    closed_at: float
    at: float
    records: int
    size_bytes: int
    checksum: int
    ranges: Ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(Operation[None]):
    """Records became durable: move the pipeline's counters, spool ends and the position of its source."""

    pipeline: str
    source: str
    position: str
    records: int
    size_bytes: int
    main_end: int
    runs_end: int = 0
    spilled_to: int = 0
    finished: bool = False
    at: float = 0.0


# --- files ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanBucket(Operation[None]):
    """A bucket of files is ready to be worked; `cost_s` orders the dispatch. A bucket that exists is left alone."""

    batch_id: str
    pipeline: str
    files: tuple[FileRef, ...]
    size_bytes: int
    cost_s: float
    oversize: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict(Operation[State | bool]):
    """Take files that changed or disappeared out of a claimed bucket and give the rest back, uncharged.

    A changed file becomes a bucket of its own in its new version, a missing one a dead batch of its own.
    """

    batch_id: str
    fence: int
    evictions: tuple[Eviction, ...]
    at: float
    not_before: float


# --- work -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Operation[tuple[Job, ...]]):
    """Claim ready batches, retries whose time has come included; result: tuple of Job.

    Up to `limit` batches of at most `max_bytes` together, costliest first, then oldest; with `at_least_one` the
    first is claimed whatever its size.
    `lease_until` is None for an embedded engine, whose claims end with its `epoch`.
    """

    pipeline: str
    at: float
    limit: int
    max_bytes: int
    owner: str
    epoch: int
    at_least_one: bool = True
    lease_until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Operation[bool]):
    """A claimed batch got its worker (for `explain`)."""

    batch_id: str
    fence: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Operation[State | bool]):
    """An attempt ended. Result: the State it led to, or False when the fence is old.

    A Retry outcome leads to `waiting` until `not_before`, or to `dead` when `bury` is set.
    """

    batch_id: str
    fence: int
    at: float
    result: AttemptResult
    not_before: float = 0.0
    bury: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Operation[bool]):
    """Give a claimed batch back without an attempt being charged (drain)."""

    batch_id: str
    fence: int
    at: float
    reason: str = "given back by a drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(Operation[bool]):
    """Extend a lease. Result: False when the fence is old."""

    batch_id: str
    fence: int
    lease_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver(Operation[tuple[int, int]]):
    """A new embedded engine starts: make ready what dead engines were working on. Result: (epoch, number)."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireLeases(Operation[int]):
    """Make ready what remote workers did not renew in time. Result: number."""

    at: float


# --- operators ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Revive(Operation[int]):
    """Make dead batches ready again with fresh retries: one, or all when `batch_id` is None. Result: number."""

    batch_id: str | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Operation[int]):
    """Discard a batch, or every unfinished one when `batch_id` is None; result: number.

    An open one is discarded when it closes.
    """

    batch_id: str | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPaused(Operation[int]):
    """Hold a batch (or all work, when `batch_id` is None) back from being claimed, or let it go. Result: number."""

    batch_id: str | None
    paused: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune(Operation[int]):
    """Remove done and discarded batches finished before `before`, with attempts and events. Result: number."""

    before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedOut(Operation[bool]):
    """The records of a dead batch were copied into the spool log `log`, so that it pins no segment."""

    batch_id: str
    log: str
    ranges: Ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMeta(Operation[None]):
    """Store a value of the engine itself, such as the anchor of its clock."""

    key: str
    value: str


# --- queries --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatches(Query[tuple["BatchRow", ...]]):
    """Batches by state, pipeline or id, oldest first. Result: tuple of BatchRow."""

    states: tuple[State, ...] = ()
    pipeline: str | None = None
    batch_id: str | None = None
    limit: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNewestBatches(Query[tuple["BatchRow", ...]]):
    """The batches that were made last, newest first. Result: tuple of BatchRow."""

    states: tuple[State, ...] = ()
    limit: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQueuePosition(Query[int]):
    """How many ready batches of its pipeline are claimed before this one. Result: number."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPipelines(Query[tuple["PipelineRow", ...]]):
    """All pipelines. Result: tuple of PipelineRow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSource(Query["SourceRow | None"]):
    """Where reading a source stands. Result: SourceRow or None."""

    pipeline: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAttempts(Query[tuple["AttemptRow", ...]]):
    """The attempts of a batch, oldest first. Result: tuple of AttemptRow."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvents(Query[tuple["EventRow", ...]]):
    """The events of a batch (or the newest of all), oldest first. Result: tuple of EventRow."""

    batch_id: str | None = None
    limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFiles(Query[tuple["FileRow", ...]]):
    """What the ledger knows of files: by exact path, of a pipeline, of a bucket. Result: tuple of FileRow."""

    path: str | None = None
    pipeline: str | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKnownVersions(Query[frozenset[tuple[str, str]]]):
    """Which of these files are known in exactly this version. Result: frozenset of (path, version)."""

    pipeline: str
    files: tuple[FileRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCosts(Query[tuple["CostRow", ...]]):
    """Successful attempts on buckets, newest first. Result: tuple of CostRow."""

    pipeline: str
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTotals(Query[tuple["TotalRow", ...]]):
    """How many batches are in each state. Result: tuple of TotalRow."""

    pipeline: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUnfinished(Query[tuple["TotalRow", ...]]):
    """How many batches are open, ready, running or waiting; cheap however many are finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPins(Query[tuple["PinRow", ...]]):
    """From where on the spool is still needed. Result: tuple of PinRow."""

    pipeline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNextDue(Query[float | None]):
    """When the next retry ripens or lease expires. Result: engine seconds or None."""

    pipeline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMeta(Query[str | None]):
    """A value stored by SetMeta. Result: str or None."""

    key: str


# --- rows -----------------------------------------------------------------------------------------------------


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
