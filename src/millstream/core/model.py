"""The values everything else speaks in.

Theory of operation: the engine's unit is a block of bytes with counts (`Lines`), never a record; a batch is
named by an id that never changes; a worker gets a `Job` and answers with an `AttemptResult`. All values are
frozen, so they can cross threads, processes and queues as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from millstream.core.tasks import ChunkTask, PlanTask, Report

Ranges = tuple[tuple[int, int], ...]
"""Half-open byte ranges of a spool log."""


class CutReason(StrEnum):
    """Why a minibatch was closed."""

    TIME = "time"
    COUNT = "count"
    BYTES = "bytes"
    IDLE = "idle"
    KEYS = "keys"
    DRAIN = "drain"
    END = "end"


class Kind(StrEnum):
    """What a batch was cut from."""

    MINIBATCH = "minibatch"
    BUCKET = "bucket"
    CHUNK = "chunk"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A block of whole records as it came from a source.

    `data` holds `count` records, each ending with one newline; `read_at` is the engine's time in seconds at which
    the block was read, which is the arrival time of every record in it. `position` is the source's own JSON text
    for "everything up to here was handed over"; it is stored in the transaction that accepts the records.
    """

    data: bytes
    count: int
    read_at: float
    position: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """One version of one file: the identity of work on files.

    `path` is absolute with symbolic links resolved; `size_bytes`, `mtime_ns` and `inode` together are the version.
    `root` is the listed folder it was found under; `name` is its path relative to that folder, with `/`.

    A file of an object store has its address (`s3://BUCKET/KEY`) as path, and in place of an inode a number made of
    its ETag. A handler gets it with `path` leading to a copy that is there during the attempt, and with the address as
    `origin`; everywhere else `origin` is "".
    """

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    root: str = ""
    name: str = ""
    origin: str = ""

    @property
    def version(self) -> str:
        """The version as one word, `size-mtime_ns-inode`."""
        return f"{self.size_bytes}-{self.mtime_ns}-{self.inode}"

    @property
    def where(self) -> str:
        """Where it really is: its path, or the address that it was fetched from."""
        return self.origin or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed batch, complete enough to be worked in another process.

    `attempt` counts from 1 and rises with every claim; `fence` must come back with the result. `ranges` are
    half-open byte ranges of the spool log `log`; `checksum` is the CRC-32 of those bytes in order. `files` is
    filled for buckets, `plan` for plan steps and `chunk` for chunks. Times are engine seconds.
    """

    id: str
    kind: Kind
    pipeline: str
    attempt: int
    fence: int
    failures: int = 0
    records: int = 0
    size_bytes: int = 0
    key: str | None = None
    cut: CutReason | None = None
    opened_at: float = 0.0
    closed_at: float = 0.0
    log: str = ""
    ranges: Ranges = ()
    checksum: int = 0
    files: tuple[FileRef, ...] = ()
    oversize: bool = False
    alone: bool = False
    plan: PlanTask | None = None
    chunk: ChunkTask | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The handler finished its batch."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """The handler wants the batch again, after `after_s` seconds or after the usual backoff."""

    after_s: float | None = None
    error: str = "the handler asked for a retry"


@dataclass(frozen=True, slots=True)
class Discard:
    """The handler gives the batch up for good; it is not a failure."""

    reason: str = ""


Outcome = Done | Retry | Discard
"""What a handler may say of its batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """A file that must leave its bucket, because it is not what was listed any more.

    `current` is the version found in its place, or None when the file is gone.
    """

    listed: FileRef
    current: FileRef | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """How one attempt ended.

    `charged` says whether a failure counts against the retries (a worker lost through a neighbour's crash does
    not). `alone` asks that the batch be worked alone next time, because it was among several suspects when a
    worker host died. `checksums` maps paths to SHA-256 hex digests. With `evictions` the handler was not called.
    `report` is what an attempt on a plan step or a chunk found. A retry that is neither charged nor lost waits for
    something outside (a store or broker that is down) and is tried again for as long as that takes; one that is
    `hopeless` would fail in the same way every time, so the batch is dead at once.
    """

    outcome: Outcome
    seconds: float = 0.0
    charged: bool = True
    hopeless: bool = False
    alone: bool = False
    lost: bool = False
    checksums: Mapping[str, str] = field(default_factory=dict)
    evictions: tuple[Eviction, ...] = ()
    report: Report | None = None
