"""What can be asked about ingestions."""

from dataclasses import dataclass

from millstream.core.ingestion.rows import ChunkRow, IngestionEvent, IngestionRow, ReadyRow, RejectRow, UnjoinedRow
from millstream.core.lifecycle import State
from millstream.core.queries import Query
from millstream.core.tasks import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadIngestion(Query[IngestionRow | None]):
    """One ingestion."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadIngestions(Query[tuple[IngestionRow, ...]]):
    """Newest first; of one principal (None: of all), in some statuses (empty: all), older than the cursor `before`."""

    principal: str | None = None
    statuses: tuple[Status, ...] = ()
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChunks(Query[tuple[ChunkRow, ...]]):
    """The chunks of an ingestion in order, numbers above `after` only."""

    message_id: str
    states: tuple[State, ...] = ()
    after: int = -1
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRejects(Query[tuple[RejectRow, ...]]):
    """Its malformed records that were kept, in order, record numbers above `after` only."""

    message_id: str
    after: int = -1
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadIngestionEvents(Query[tuple[IngestionEvent, ...]]):
    """What happened to an ingestion (None: to any), oldest first, ids above `after` only."""

    message_id: str | None
    after: int = 0
    limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUnjoined(Query[tuple[UnjoinedRow, ...]]):
    """What the joiner may do next, for all ingestions whose sink is a folder: in order, oldest ingestion first.

    Of each ingestion the done chunks that no unfinished chunk stands before and that were not joined yet; dead and
    discarded ones are passed over. At most `limit`.
    """

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReady(Query[tuple[ReadyRow, ...]]):
    """Batches that are ready and not paused, in the order of the queue: of a pipeline, or of one ingestion.

    For those who ring bells; `limit` of them. With `at` those that wait for a retry which is due by then as well.
    """

    pipeline: str | None = None
    message_id: str | None = None
    at: float | None = None
    limit: int = 1000
