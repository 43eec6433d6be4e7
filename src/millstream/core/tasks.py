"""The values of an ingestion: what a worker is told, and what it answers.

Theory of operation: planning is work like any other. A *plan step* is a batch whose attempt reads a stretch of the file
and answers with up to `chunks_of_a_step` chunks; the ledger makes batches of them in the transaction that finishes the
step. The next step is made as soon as fewer than `ENOUGH_CHUNKS` chunks are unfinished, so a file of any size has a
bounded number of batches ahead of it. A chunk's attempt reads its range of exactly the version that was planned,
publishes its records, and answers with what it published.
"""

from dataclasses import dataclass
from enum import StrEnum

from millstream.core.splitting import DEFAULT_CHUNK_BYTES, Chunk, Dialect, Head, Policy, Position, Rejected

PIPELINE = "ingest"
"""The pipeline that all plan steps and chunks belong to."""

BROKERS = ("amqp://", "amqps://", "kafka://")
"""How the addresses of sinks begin that take records one by one; any other one is a folder."""

CHUNKS_OF_A_STEP = 64
CHUNKS_OF_THE_FIRST_STEP = 8
"""Fewer, so that work on a large file begins soon."""
ENOUGH_CHUNKS = 32
MOST_VERSIONS = 5
"""So many versions of a file that changes while it is read are begun; then it counts as one that never stands still."""
REJECTS_KEPT = 1000
"""Malformed records of one chunk that are kept with range and reason; the others are only counted."""


class Status(StrEnum):
    """Where an ingestion is, as its owner sees it."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"


class Action(StrEnum):
    """What its owner can do to an ingestion."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"


class OnChange(StrEnum):
    """What becomes of an ingestion whose file changes while it is read; it is restarted up to MOST_VERSIONS."""

    FAIL = "fail"
    RESTART = "restart"


class Compression(StrEnum):
    """How a file is compressed; `auto` looks at its first bytes."""

    AUTO = "auto"
    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """What was asked for: one file and how to read it.

    `container` is the name of a configured one, `name` the file's name in it. `sink` is where records go, an address
    without credentials (`DIR`, `amqp://HOST/QUEUE`, `kafka://HOST:PORT/TOPIC`).
    """

    message_id: str
    container: str
    name: str
    sink: str
    dialect: Dialect = Dialect()
    policy: Policy = Policy.STRICT
    chunk_bytes: int = DEFAULT_CHUNK_BYTES
    compression: Compression = Compression.AUTO
    on_change: OnChange = OnChange.FAIL

    @property
    def is_joined(self) -> bool:
        """Whether records go into one file of a folder, which chunks are joined into, and not to a broker."""
        return not self.sink.startswith(BROKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """What the first plan step found: the version that every read must match, its head, and where its bytes are.

    `size_bytes` is the size of what is cut: of the file, or of its decompressed copy. `copy` is the name of that copy
    in the scratch store, "" when the file is read where it is; `version` is that of the file itself, `copy_version`
    that of the copy. `stored_bytes` is the size of the file itself, None when that is what is cut.
    """

    version: str
    size_bytes: int
    head: Head
    copy: str = ""
    copy_version: str = ""
    stored_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTask:
    """Plan on from `at`; `found` is None before the first step, which finds it. `exact` asks for the exact planner."""

    spec: FileSpec
    found: FileState | None
    at: Position
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkTask:
    """Publish the records of `chunk`."""

    spec: FileSpec
    found: FileState
    chunk: Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """What a plan step came to: the next chunks in order, and the border behind the last. `is_last`: the file ends."""

    found: FileState
    chunks: tuple[Chunk, ...]
    at: Position
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReport:
    """What a chunk came to.

    `receipt` is the sink's own note of what was published, `out_bytes` its size. `rejects` are the first
    `REJECTS_KEPT` of the `rejected` records.
    """

    published: int
    rejected: int
    rejects: tuple[Rejected, ...] = ()
    receipt: str = ""
    out_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """Why an ingestion cannot go on as it was planned, told by an attempt on one of its batches.

    With `replan_from` the chunk does not hold what was planned: nothing of it was published, and the rest is planned
    again, exactly, from there. With `changed` the file is not the version that was planned any more. With neither, the
    file cannot be read at all, however often it is tried.
    """

    reason: str
    changed: bool = False
    replan_from: Position | None = None


Report = PlanReport | ChunkReport | Spoiled


def chunk_id(message_id: str, *, seq: int) -> str:
    """The batch id of a chunk."""
    return f"{message_id}-{seq:06d}"


def plan_id(message_id: str, *, seq: int) -> str:
    """The batch id of the plan step that begins with chunk `seq`."""
    return f"{message_id}-plan-{seq:06d}"


def chunks_of_a_step(at: Position) -> int:
    """How many chunks the plan step has that begins there."""
    return CHUNKS_OF_A_STEP if at.seq else CHUNKS_OF_THE_FIRST_STEP
