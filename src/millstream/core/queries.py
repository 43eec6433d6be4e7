"""What can be asked of a ledger without changing it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from millstream.core.lifecycle import State
from millstream.core.model import FileRef
from millstream.core.rows import (
    AttemptRow,
    BatchRow,
    CostRow,
    EventRow,
    FileRow,
    PinRow,
    PipelineRow,
    SourceRow,
    TotalRow,
)

Result_co = TypeVar("Result_co", covariant=True)

PAUSED = "paused"
"""The `ReadMeta` key under which "1" says that all work is held back."""


class Query(Generic[Result_co]):
    """A question to the ledger that is answered by a `Result_co`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatches(Query[tuple[BatchRow, ...]]):
    """Batches by state, pipeline or id, oldest first. Result: tuple of BatchRow."""

    states: tuple[State, ...] = ()
    pipeline: str | None = None
    batch_id: str | None = None
    limit: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNewestBatches(Query[tuple[BatchRow, ...]]):
    """The batches that were made last, newest first. Result: tuple of BatchRow."""

    states: tuple[State, ...] = ()
    limit: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQueuePosition(Query[int]):
    """How many ready batches of its pipeline are claimed before this one. Result: number."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPipelines(Query[tuple[PipelineRow, ...]]):
    """All pipelines. Result: tuple of PipelineRow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSource(Query[SourceRow | None]):
    """Where reading a source stands. Result: SourceRow or None."""

    pipeline: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAttempts(Query[tuple[AttemptRow, ...]]):
    """The attempts of a batch, oldest first. Result: tuple of AttemptRow."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvents(Query[tuple[EventRow, ...]]):
    """The events of a batch (or the newest of all), oldest first. Result: tuple of EventRow."""

    batch_id: str | None = None
    limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFiles(Query[tuple[FileRow, ...]]):
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
class ReadCosts(Query[tuple[CostRow, ...]]):
    """Successful attempts on buckets, newest first. Result: tuple of CostRow."""

    pipeline: str
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTotals(Query[tuple[TotalRow, ...]]):
    """How many batches are in each state. Result: tuple of TotalRow."""

    pipeline: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUnfinished(Query[tuple[TotalRow, ...]]):
    """How many batches are open, ready, running or waiting; cheap however many are finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPins(Query[tuple[PinRow, ...]]):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTime(Query[float]):
    """The time by the ledger's own clock, in seconds since the Unix epoch: what all machines can agree on."""
