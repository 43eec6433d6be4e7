"""The documents of the API as its OpenAPI document describes them, and what a request may hold."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from millstream.core.ingestion import Compression, OnChange, Status
from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.core.splitting import Format, Policy
from millstream.web.naming import BATCH_ID, CONTAINER, CURSOR, FILE_NAME, MESSAGE_ID, wrong_container, wrong_file_name

SMALLEST_CHUNK = 1_000
LARGEST_CHUNK = 64_000_000
LARGEST = 2**63 - 1
EXAMPLE_ID = "0197a3c4d5e6f0a1b2c3d4e5f6071829"

ChunkBytes = Annotated[int, Field(ge=SMALLEST_CHUNK, le=LARGEST_CHUNK, strict=True)]
Whole = Annotated[int, Field(ge=0)]
MessageId = Annotated[str, Field(json_schema_extra={"pattern": MESSAGE_ID}, examples=[EXAMPLE_ID])]
Cursor = Annotated[str, Field(json_schema_extra={"pattern": CURSOR})]
Encoding = Literal[
    "utf-8", "ascii", "latin-1", "iso-8859-2", "iso-8859-5", "iso-8859-15",
    "cp437", "cp850", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257", "koi8-r", "koi8-u", "mac-roman",
]  # fmt: skip


def _whole(value: object) -> object:
    """JSON has one kind of number: 4000000.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class IngestRequest(BaseModel):
    """One file to be read and published; what is left out is guessed from its name, or as the server is configured."""

    model_config = ConfigDict(
        extra="forbid",
        strict=False,
        json_schema_extra={"examples": [{"file_name": "data.csv", "file_container": "test"}]},
    )

    file_name: Annotated[
        str,
        Field(
            description="The path of the file inside of its container, at most 1,024 bytes of UTF-8.",
            json_schema_extra={"pattern": FILE_NAME, "minLength": 1, "maxLength": 1024},
            examples=["data.csv"],
        ),
    ]
    file_container: Annotated[
        str,
        Field(
            description="The name of a container that the server is configured with.",
            json_schema_extra={"pattern": CONTAINER, "minLength": 1, "maxLength": 63},
            examples=["test"],
        ),
    ]
    format: Annotated[Format | None, Field(description="What a record is; null: by the file's name.")] = None
    chunk_bytes: Annotated[
        ChunkBytes | None, BeforeValidator(_whole), Field(description="How large the chunks are, about.")
    ] = None
    policy: Annotated[Policy | None, Field(description="What becomes of a malformed record.")] = None
    delimiter: Annotated[Literal[",", ";", "\t", "|", ":", " "] | None, Field(description="Between the fields.")] = None
    quote: Annotated[
        Literal['"', "'", ""] | None, Field(description='Around a field; "": quotes are ordinary characters.')
    ] = None
    header: Annotated[bool | None, Field(strict=True, description="Whether the first record holds the names.")] = None
    encoding: Annotated[Encoding | None, Field(description="How the text of the file is encoded.")] = None
    compression: Annotated[Compression | None, Field(description="How the file is compressed.")] = None
    on_change: Annotated[
        OnChange | None, Field(description="What becomes of the job if the file changes while it is read.")
    ] = None

    @field_validator("file_name")
    @classmethod
    def _check_file_name(cls, value: str) -> str:
        return _unless(wrong_file_name(value), value)

    @field_validator("file_container")
    @classmethod
    def _check_container(cls, value: str) -> str:
        return _unless(wrong_container(value), value)


def _unless(problem: str | None, value: str) -> str:
    if problem is not None:
        raise ValueError(problem)
    return value


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

    message_id: MessageId
    status: Status
    file_name: str
    file_container: str
    size_bytes: Whole | None
    bytes_done: Whole
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
