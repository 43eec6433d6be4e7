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

WINDOW = 64
"""Activities of an ingestion that are open at once, waiting ones included."""

GROUP = 8
"""Batches that one activity works, one after the other, at most."""


@dataclass(frozen=True)
class IngestOrder:
    """An ingestion to be followed: what is ready of it, and what is due at a time (seconds since the Unix epoch).

    `slots` are those of the workers that were heard of, by name.
    """

    message_id: str
    pipeline: str
    ready: list[str] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    many: int = MANY
    window: int = WINDOW
    group: int = GROUP


@dataclass(frozen=True)
class WorkOrder:
    """Batches to be worked one after the other; without any, what of the ingestion is ready is asked for."""

    batch_ids: list[str]
    pipeline: str
    message_id: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of batches: see `ports.bell.Worked`.

    `waits` says of those that are to be retried how long until that is due; `ready` are batches that may be worked now.
    `worker` is who did it, with its number of slots.
    """

    waits: dict[str, float] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    is_over: bool = False
    worker: str = ""
    slots: int = 1
