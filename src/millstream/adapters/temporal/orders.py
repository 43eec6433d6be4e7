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

TURN_S = 2.0
"""Real seconds for which an activity goes on with what is ready of its ingestion. What an activity costs, some 25 ms of
processors, is little beside it; and ingestions that wait for their turn wait no longer than that."""

STAY_S = 3.0
"""Real seconds beyond its turn that an activity waits for what it has begun."""

AT_ONCE = 4
"""Activities of ingestions that a worker has at once. Each of them uses all slots that are free, so more would only
cost more; with fewer, slots are idle while those plan."""

PLAN = "-plan-"
"""In the id of a plan step: others wait for what it finds."""


@dataclass(frozen=True)
class IngestOrder:
    """An ingestion to be followed: what is ready of it, and what is due at a time (seconds since the Unix epoch).

    `slots` says how many activities the workers that were heard of take at once, by name. With `turn_s` activities go
    on for so long, and no more of them are open than those workers take, and one for whoever was not heard of yet.
    With `crews` an activity uses all slots of its worker, and finds by itself what it was not told of.
    """

    message_id: str
    pipeline: str
    ready: list[str] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    many: int = MANY
    window: int = WINDOW
    group: int = GROUP
    turn_s: float = 0.0
    crews: bool = False


@dataclass(frozen=True)
class WorkOrder:
    """Batches to be worked one after the other; without any, what of the ingestion is ready is asked for.

    For `turn_s` seconds the worker goes on with what else is ready of the ingestion.
    """

    batch_ids: list[str]
    pipeline: str
    message_id: str | None = None
    turn_s: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of batches: see `ports.bell.Worked`.

    `waits` says of those that are to be retried how long until that is due; `ready` are batches that may be worked now.
    `worker` is who did it, and takes so many activities at once as `slots` says. `others` are batches that were worked
    without being ordered. `has_looked` says that the last question what is ready was answered with nothing.
    """

    waits: dict[str, float] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    is_over: bool = False
    worker: str = ""
    slots: int = 1
    others: list[str] = field(default_factory=list)
    has_looked: bool = False
