"""What a ledger answers about ingestions. All times are engine seconds."""

from dataclasses import dataclass

from millstream.core.lifecycle import State
from millstream.core.splitting import Chunk, Position
from millstream.core.tasks import FileSpec, FileState, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestionRow:
    """An ingestion; `seq` is the order in which they were accepted.

    `chunks_failed` are dead or discarded; `out_bytes` is the length of the one file that chunks are joined into.
    `waits_for` is why nothing goes on just now, "" if there is no reason. `successor` is the id of the ingestion that
    took its place when the file changed.
    """

    spec: FileSpec
    seq: int
    principal: str
    status: Status
    found: FileState | None
    planned_to: Position
    planned_all: bool
    chunks_planned: int
    chunks_running: int
    chunks_done: int
    chunks_failed: int
    bytes_done: int
    records_published: int
    records_rejected: int
    out_bytes: int
    waits_for: str
    error: str
    successor: str
    created_at: float
    updated_at: float
    started_at: float | None
    ended_at: float | None

    @property
    def file_bytes(self) -> int | None:
        """The size of the file as it is stored; None until it was looked at."""
        if self.found is None or self.found.stored_bytes is None:
            return None if self.found is None else self.found.size_bytes
        return self.found.stored_bytes

    @property
    def bytes_passed(self) -> int:
        """The bytes of chunks that are done, and what stands before the first: at the end, `file_bytes`.

        Of a file that is cut in a plain copy, the same part of the file itself.
        """
        if self.found is None or not (self.chunks_done or self.status is Status.SUCCEEDED):
            return 0
        passed, stored_bytes = self.found.head.start + self.bytes_done, self.found.stored_bytes
        if stored_bytes is None:
            return passed
        return passed * stored_bytes // self.found.size_bytes if self.found.size_bytes else stored_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """A chunk and its batch."""

    batch_id: str
    chunk: Chunk
    state: State
    attempts: int
    published: int
    rejected: int
    error: str | None
    claimed_at: float | None
    finished_at: float | None
    not_before: float | None
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectRow:
    """A malformed record: its number, byte range `[start, end)` and what is wrong with it."""

    record: int
    seq: int
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestionEvent:
    """Something that happened to an ingestion.

    `what`: accepted, queued, running, planned, chunk, paused, resumed, retried, cancelled, waiting, joined, ended;
    `detail` says more, for people (`chunk`: "3 done, 4,000 records"; `ended`: the status).
    """

    id: int
    message_id: str
    at: float
    what: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnjoinedRow:
    """A done chunk whose records are next in the file of its ingestion, which has `out_bytes` so far."""

    message_id: str
    sink: str
    seq: int
    receipt: str
    size_bytes: int
    out_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyRow:
    """A ready batch; `key` is the message id of plan steps and chunks."""

    batch_id: str
    pipeline: str
    key: str | None
    attempts: int
