"""What the engine tells the world, and its safe fan-out.

Theory of operation: the engine emits typed, frozen events; logs, progress, metrics and summaries are listeners. A
listener cannot slow the engine down by failing: what it raises is logged once per event and goes no further.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from millstream.core.lifecycle import State
from millstream.core.model import CutReason

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """A new engine started and made ready what `batches` a dead one had been working on."""

    epoch: int
    batches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsAccepted:
    """Records became durable at engine time `at`."""

    pipeline: str
    at: float
    records: int
    size_bytes: int
    open_batches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchClosed:
    """A minibatch was closed and the ledger knows; `late_s` is how many real seconds after it was due.

    None where nothing was due: count, bytes, keys, drain and end happen when they happen.
    """

    pipeline: str
    batch_id: str
    cut: CutReason
    records: int
    late_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesListed:
    """A look at the folders is over; `new` files are in versions that the ledger did not know."""

    pipeline: str
    listed: int
    new: int
    unsettled: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    ignored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPlanned:
    """New files were packed into buckets and these are durable."""

    pipeline: str
    files: int
    buckets: int
    size_bytes: int
    lower_bound: int
    optimal: bool
    strategy: str
    est_makespan_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """A scheduled pipeline waits until `at` (engine seconds)."""

    pipeline: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchClaimed:
    """A batch was claimed from the ledger and waits for a worker or has one."""

    pipeline: str
    batch_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """An attempt ended and the ledger knows; `state` is where its batch is now, None when the result was refused."""

    pipeline: str
    batch_id: str
    attempt: int
    state: State | None
    records: int
    size_bytes: int
    seconds: float
    error: str | None
    evicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted:
    """Files left a bucket, because they changed or disappeared before they were worked."""

    pipeline: str
    batch_id: str
    changed: int
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeHeld:
    """Intake waits: the disk is full, or the spool holds as much as it may. Nothing accepted is lost."""

    pipeline: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeGoesOn:
    """What held intake up is over."""

    pipeline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """An engine, what ingests files, or a worker was asked to stop; only an `engine` has open minibatches."""

    drain: str
    limit_s: float
    who: Literal["engine", "ingest", "worker"] = "engine"


Event = (
    TakenOver
    | RecordsAccepted
    | BatchClosed
    | FilesListed
    | FilesPlanned
    | NextRun
    | BatchClaimed
    | AttemptEnded
    | Evicted
    | IntakeHeld
    | IntakeGoesOn
    | Draining
)
Listener = Callable[[Event], None]


class Events:
    """Hands every event to every listener, in order."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)

    def add(self, listener: Listener) -> None:
        """From now on `listener` gets every event."""
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Hand `event` to all listeners; never raises."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %r", event)
