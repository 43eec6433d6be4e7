"""What travels between workflows and activities: references only, never data.

These are kept in histories. A field may be added, at the end and with a default; none may be renamed or removed while
workflows that were begun before are open.
"""

from dataclasses import dataclass, field

INGEST_WORKFLOW = "millstream-ingest"
BATCH_WORKFLOW = "millstream-batch"
WORK_ACTIVITY = "millstream-work"
RUNG = "rung"

MANY = 300
"""Activities of one run, after which it continues as a new one: some 2,000 events."""

WINDOW = 32
"""Activities of an ingestion that are open at once, waiting ones included."""


@dataclass(frozen=True)
class IngestOrder:
    """An ingestion to be followed: what is ready of it, and what is due at a time (seconds since the Unix epoch)."""

    message_id: str
    pipeline: str
    ready: list[str] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    many: int = MANY
    window: int = WINDOW


@dataclass(frozen=True)
class WorkOrder:
    """One batch to be worked; without a `batch_id`, what of the ingestion is ready is asked for."""

    batch_id: str
    pipeline: str
    message_id: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: see `ports.bell.Worked`; `wait_s` is how long until a retry is due."""

    state: str | None = None
    wait_s: float | None = None
    ready: list[str] = field(default_factory=list)
    is_over: bool = False
