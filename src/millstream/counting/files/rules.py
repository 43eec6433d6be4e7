"""What a count of files or of standard input is asked for, and what it comes to."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from millstream.counting.admission.clock import ClockSettings
from millstream.counting.model import SIZES, Totals
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.distinct import HASH_ID, SKETCH_ID, Estimate
from millstream.counting.windows.windows import Emit, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRules:
    """What decides about results: `sizes` is a set of Size.bit, `uid` and `ts` are dotted paths."""

    sizes: int
    uid: str
    ts: str
    clock: ClockSettings
    grace_s: int
    emit: Emit
    exact: bool
    calendar: Calendar

    def as_text(self) -> dict[str, str]:
        """By the names of their settings, to be compared with those of an earlier run."""
        return {
            "by": ",".join(size for size in SIZES if self.sizes & size.bit),
            "uid": self.uid,
            "ts": self.ts,
            "lateness": f"{self.clock.lateness_s}s",
            "grace": f"{self.grace_s}s",
            "emit": str(self.emit),
            "exact": str(self.exact).lower(),
            "zone": self.calendar.identity,
            "hashes": HASH_ID,
            "sketches": SKETCH_ID,
        }

    def windows(self, dump: bytes | None = None) -> Windows:
        """Windows by these rules, those of a dump if there is one."""
        if dump is None:
            return Windows(
                sizes=self.sizes, calendar=self.calendar, grace_s=self.grace_s, emit=self.emit, exact=self.exact
            )
        return Windows.load(
            dump, sizes=self.sizes, calendar=self.calendar, grace_s=self.grace_s, emit=self.emit, exact=self.exact
        )


class Ending(StrEnum):
    """How a count came to its end."""

    COMPLETE = "complete"
    """Everything was counted."""
    BEFORE = "before"
    """Everything had been counted before, by an earlier run."""
    STOPPED = "stopped"
    """It was asked to stop."""
    LOSSES = "losses"
    """Too many frames were lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountReport:
    """What a count came to; `windows` are those that became final, `open` those that did not, by key.

    `damages` are files that could not be read to their end, with why.
    """

    ending: Ending
    totals: Totals
    users: Estimate
    windows: int
    open: tuple[str, ...]
    seconds: float
    frames_per_s: float
    scanner: str
    damages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountProgress:
    """How far a count is; `total_bytes` is None when nobody knows."""

    read_bytes: int
    total_bytes: int | None
    totals: Totals
    watermark: int | None
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who is told of a count while it runs."""

    progress: Callable[[CountProgress], None]
    """Now and then."""
    losses: Callable[[Totals], None]
    """Once, when more frames are lost than should be."""
    remark: Callable[[str], None] = lambda _: None
    """Before the count begins, when there is something that should be known; a line."""
