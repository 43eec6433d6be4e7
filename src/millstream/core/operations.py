"""What changes a ledger.

Theory of operation: an operation is a frozen value that says what happened, not how it is stored; each is one SQL
statement (or a few) in an adapter. All times are engine seconds. Operations on a claimed batch carry its fence;
one with an old fence changes nothing and its result is False.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, CutReason, Eviction, FileRef, Job, Kind, Ranges
from millstream.core.rows import PipelineRow

Result_co = TypeVar("Result_co", covariant=True)


class Operation(Generic[Result_co]):
    """A change of the ledger whose result is a `Result_co`."""

    __slots__ = ()


# --- pipelines and intake ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarePipeline(Operation[PipelineRow]):
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


# --- files ---------------------------------------------------------------------------------------------------------


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


# --- work ----------------------------------------------------------------------------------------------------------


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


# --- operators -----------------------------------------------------------------------------------------------------


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
