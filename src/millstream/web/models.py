"""The documents that the API answers with, as its OpenAPI document describes them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from millstream.core.ingestion import Status
from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.core.splitting import Format, Policy
from millstream.web.documents import links_of
from millstream.web.naming import BATCH_ID, CURSOR, MESSAGE_ID

EXAMPLE_ID = "0197a3c4d5e6f0a1b2c3d4e5f6071829"

Whole = Annotated[int, Field(ge=0)]
MessageId = Annotated[str, Field(json_schema_extra={"pattern": MESSAGE_ID}, examples=[EXAMPLE_ID])]
Cursor = Annotated[str, Field(json_schema_extra={"pattern": CURSOR})]


class Event(BaseModel):
    """Something that happened to a job."""

    id: Whole
    message_id: MessageId
    at: datetime
    what: str
    detail: str


class Links(BaseModel):
    """Where to go on from a job."""

    track: str
    chunks: str
    rejects: str
    events: str
    cancel: str
    pause: str
    resume: str
    retry: str


class Accepted(BaseModel):
    """The file was taken on, durably."""

    message_id: MessageId
    status: Literal["accepted"]
    links: Links


class ChunkCounts(BaseModel):
    """Chunks of a job by state: each is in one; `planned` are those that nobody works on yet, or again."""

    planned: Whole
    running: Whole
    done: Whole
    failed: Whole


class Job(BaseModel):
    """A job: one version of one file on its way out as records."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message_id": EXAMPLE_ID,
                    "status": "running",
                    "file_name": "data.csv",
                    "file_container": "test",
                    "size_bytes": 104_857_600,
                    "bytes_done": 41_943_040,
                    "records_published": 600_000,
                    "records_rejected": 0,
                    "chunks": {"planned": 13, "running": 2, "done": 10, "failed": 0},
                    "rate_records_per_s": 250_000.0,
                    "eta_s": 3.6,
                    "error": None,
                    "waits_for": None,
                    "successor": None,
                    "format": "csv",
                    "policy": "strict",
                    "chunk_bytes": 4_000_000,
                    "created_at": "2025-07-20T12:00:00.000Z",
                    "updated_at": "2025-07-20T12:00:02.400Z",
                    "started_at": "2025-07-20T12:00:00.050Z",
                    "ended_at": None,
                    "links": {**links_of(EXAMPLE_ID)},
                }
            ]
        }
    )

    message_id: MessageId
    status: Status
    file_name: str
    file_container: str
    size_bytes: Annotated[Whole | None, Field(description="Of the file as it is stored: compressed, if it is.")]
    bytes_done: Annotated[Whole, Field(description="Of these; of a compressed file in proportion to what is done.")]
    records_published: Whole
    records_rejected: Whole
    chunks: ChunkCounts
    rate_records_per_s: Annotated[float, Field(ge=0)] | None
    eta_s: Annotated[float, Field(ge=0)] | None
    error: str | None
    waits_for: Annotated[str | None, Field(description="Why nothing goes on just now: a broker or a store is down.")]
    successor: Annotated[str | None, Field(description="The job that took its place when the file changed.")]
    format: Format
    policy: Policy
    chunk_bytes: Whole
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: Links


class Jobs(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next_cursor: Cursor | None


class Chunk(BaseModel):
    """A chunk: the bytes `[start, end)` of the file, or of its unpacked copy if it is compressed."""

    seq: Whole
    batch_id: str
    state: Literal["planned", "running", "done", "failed"]
    start: Whole
    end: Whole
    first_record: Whole
    records: Whole
    records_published: Whole
    records_rejected: Whole
    attempts: Whole
    error: str | None
    worker: str | None
    claimed_at: datetime | None
    finished_at: datetime | None
    next_attempt_at: datetime | None


class Chunks(BaseModel):
    """A page of chunks, in order."""

    chunks: list[Chunk]
    next_cursor: Cursor | None


class Reject(BaseModel):
    """A malformed record: its number, the bytes `[start, end)` that it is, and what is wrong with it."""

    record: Whole
    chunk: Whole
    start: Whole
    end: Whole
    reason: str


class Rejects(BaseModel):
    """A page of malformed records, in order; of each chunk the first 1,000 are kept."""

    rejects: list[Reject]
    next_cursor: Cursor | None


class Batch(BaseModel):
    """A batch of any pipeline; `key` is the message id of plan steps and chunks."""

    id: Annotated[str, Field(json_schema_extra={"pattern": BATCH_ID})]
    pipeline: str
    kind: Kind
    state: State
    key: str | None
    records: Whole
    size_bytes: Whole
    attempts: Whole
    error: str | None
    worker: str | None
    paused: bool
    claimed_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    next_attempt_at: datetime | None


class Batches(BaseModel):
    """A page of batches, oldest first."""

    batches: list[Batch]
    next_cursor: Cursor | None


class Pipeline(BaseModel):
    """A pipeline: how many batches are in each state, and what it took in."""

    name: str
    kind: Kind
    states: dict[str, Whole]
    records_accepted: Whole
    bytes_accepted: Whole
    oldest_waiting_s: Annotated[float, Field(ge=0)] | None


class Pool(BaseModel):
    """The workers of this process."""

    workers: Whole
    busy: Whole
    processes: Whole


class Pipelines(BaseModel):
    """The engine: its pipelines, workers, and what runs (at most 100 batches)."""

    pipelines: list[Pipeline]
    pool: Pool | None
    paused: bool
    running: list[Batch]
    now: datetime


class Retried(BaseModel):
    """Batches that are ready again."""

    batch_id: str
    retried: Whole


class Containers(BaseModel):
    """What can be named as `file_container`."""

    containers: list[str]


class PartOfReady(BaseModel):
    """Something that is needed; `problem` is told to callers with a key only."""

    name: str
    ok: bool
    required: bool
    problem: str | None


class Ready(BaseModel):
    """Whether requests are taken on and worked just now."""

    status: Literal["ready", "degraded", "unavailable"]
    parts: list[PartOfReady]


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"]


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    detail: str


class Problem(BaseModel):
    """A problem as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
