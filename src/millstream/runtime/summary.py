"""Add up what one run of the engine did, from its events."""

from collections import Counter, deque
from dataclasses import dataclass, field

from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.runtime.events import (
    AttemptEnded,
    BatchClosed,
    Event,
    Evicted,
    FilesListed,
    FilesPlanned,
    RecordsAccepted,
)

PERCENTILE = 0.99
REMEMBERED = 100_000
"""Of so many minibatches the lateness is remembered: a stream without end must not fill the memory."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one pipeline did during this run.

    Durations are real seconds: `seconds` of the whole run, `intake_s` until the last record was durable, `lateness_s`
    of the last minibatches that were due by time or idle gap.
    """

    name: str
    kind: Kind
    ok: int = 0
    failed: int = 0
    discarded: int = 0
    retries: int = 0
    worked: int = 0
    worked_bytes: int = 0
    accepted: int = 0
    accepted_bytes: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    lateness_s: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    unsettled: int = 0
    refused: int = 0
    lower_bound: int = 0
    planned: int = 0
    changed: int = 0
    gone: int = 0
    seconds: float = 0.0
    intake_s: float = 0.0
    kept: int = 0
    began_at: float = 0.0
    speed: float = 1.0

    def note(self, event: Event) -> None:
        """Count one event of this pipeline."""
        match event:
            case RecordsAccepted():
                self.accepted += event.records
                self.accepted_bytes += event.size_bytes
                self.intake_s = (event.at - self.began_at) / self.speed
            case BatchClosed():
                self.closed[event.cut] += 1
                if event.late_s is not None:
                    self.lateness_s.append(event.late_s)
            case AttemptEnded():
                self._note_attempt(event)
            case FilesListed():
                self.unsettled = len(event.unsettled)
                self.refused = len(event.refused)
            case FilesPlanned():
                self.planned += event.buckets
                self.lower_bound += event.lower_bound
            case Evicted():
                self.changed += event.changed
                self.gone += len(event.gone)
                self.failed += len(event.gone)
            case _:
                pass

    def _note_attempt(self, event: AttemptEnded) -> None:
        match event.state:
            case State.DONE:
                self.ok += 1
                self.worked += event.records
                self.worked_bytes += event.size_bytes
            case State.DISCARDED:
                self.discarded += 1
            case State.DEAD:
                self.failed += 1
            case State.WAITING:
                self.retries += 1
            case _:
                pass

    @property
    def took_in(self) -> bool:
        """Whether anything was accepted, planned or worked."""
        return bool(self.accepted or self.planned or self.worked)

    @property
    def lateness_p99_s(self) -> float:
        """99th percentile of how late minibatches were closed that were due, in real seconds; 0 without any."""
        ordered = sorted(self.lateness_s)
        return ordered[min(len(ordered) - 1, int(PERCENTILE * len(ordered)))] if ordered else 0.0

    def as_dict(self) -> dict[str, object]:
        """The summary as it is put out: the keys are the words of the documentation."""
        rest = {"retries": self.retries, "seconds": round(self.seconds, 3)}
        if self.kind is Kind.BUCKET:
            return {
                "pipeline": self.name,
                "buckets_ok": self.ok,
                "buckets_failed": self.failed,
                "buckets_discarded": self.discarded,
                "buckets_kept": self.kept,
                "files_processed": self.worked,
                "bytes_processed": self.worked_bytes,
                "files_refused": self.refused,
                "files_unsettled": self.unsettled,
                "files_changed": self.changed,
                "files_gone": self.gone,
                "buckets_planned": self.planned,
                "lower_bound": self.lower_bound,
                **rest,
            }
        rate = self.accepted / self.intake_s if self.intake_s else 0.0
        return {
            "pipeline": self.name,
            "batches_ok": self.ok,
            "batches_failed": self.failed,
            "batches_discarded": self.discarded,
            "batches_kept": self.kept,
            "messages_processed": self.worked,
            "bytes_processed": self.worked_bytes,
            "records_accepted": self.accepted,
            "closed_by": dict(sorted(self.closed.items())),
            "close_lateness_p99_s": round(self.lateness_p99_s, 4),
            "records_per_s": round(rate, 1),
            **rest,
        }


class Tallies:
    """A listener that keeps a tally for every pipeline."""

    def __init__(self, kinds: dict[str, Kind], *, began_at: float = 0.0, speed: float = 1.0) -> None:
        self.of = {name: Tally(name=name, kind=kind, began_at=began_at, speed=speed) for name, kind in kinds.items()}

    def __call__(self, event: Event) -> None:
        """Count `event` where it belongs."""
        tally = self.of.get(getattr(event, "pipeline", ""))
        if tally is not None:
            tally.note(event)
