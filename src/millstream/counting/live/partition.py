"""One partition of the input in stage 1: its frames admitted, and what waits for a commit.

Theory of operation: values are cut where the input is cut, at multiples of a block of offsets, however they arrive. A
partition is *idle* only if it was read to its end and then stayed silent. Idleness is a promise for a short while
(`idle_until_s`) that has to be renewed: when its reader is gone, frames may come that nobody reads, and a partition
that trails must not be left out.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from millstream.counting.admission.admission import Admission, Admitted
from millstream.counting.admission.clock import RING_LIMIT, ClockSettings
from millstream.counting.live.fresh import Fresh
from millstream.counting.live.partial import Report, pack, totals_of
from millstream.counting.model import Frames, Reason, Times, Totals, Users
from millstream.counting.windows.calendar import Calendar
from millstream.ports.framelog import Bookmark, DeadLetter, Run

BLOCK = 1024
"""Offsets in a block of a partition."""
NEAR = BLOCK
"""Behind the end by no more than this many offsets, frames arrive as they happen."""
PROMISE = 1.5
"""How many idle times a promise of idleness holds; it is renewed three times in that time."""

_NO_TIMES: Times = np.empty(0, dtype=np.int64)
_NO_USERS: Users = np.empty(0, dtype=np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSettings:
    """How a partition is read; see `StageOneSettings`."""

    clock: ClockSettings
    grace_s: int
    idle_s: float
    dead_letters: bool
    block: int = BLOCK


class Partition:
    """The state of a partition between commits; `bookmark` is where the last commit left it."""

    def __init__(
        self,
        number: int,
        *,
        bookmark: Bookmark | None,
        settings: PartitionSettings,
        calendar: Calendar,
        now_s: float,
    ) -> None:
        self.number = number
        self.totals = Totals()
        self.letters: list[DeadLetter] = []
        self.missing: list[int] = []
        """Offsets of frames that were given up after their values were gone from memory."""
        self.held = False
        self.end = 0
        self.caught_up = False
        self._settings, self._block = settings, settings.block
        self._admission = Admission(
            settings.clock, grace_s=settings.grace_s, calendar=calendar, note=bookmark.note if bookmark else None
        )
        self._fresh = Fresh(grace_s=settings.grace_s)
        self._first = self._position = bookmark.offset if bookmark else None
        self._silent_since_s = now_s
        self._arrived: deque[tuple[float, int]] = deque()
        self._changed = False
        self._promised_s: float | None = None
        """When idleness was last promised; None while the partition is not idle."""

    @property
    def watermark(self) -> int | None:
        """In Unix seconds of event time."""
        return self._admission.watermark

    @property
    def position(self) -> int | None:
        """The next offset to be read, None before anything is known of the partition."""
        return self._position

    @property
    def users(self) -> int:
        """Users that wait for a commit."""
        return self._fresh.users

    @property
    def silent_since_s(self) -> float:
        """When the last frame came, or the partition did."""
        return self._silent_since_s

    # --- reading ---------------------------------------------------------------------------------------------------

    def read(self, run: Run, frames: Frames, *, now_s: float) -> None:
        """Admit the frames of a run, which `frames` are."""
        offsets = _as_array(run.offsets)
        rejected = [reject.index for reject in frames.rejects]
        positions = np.delete(offsets, rejected) if rejected else offsets
        first, last = int(offsets[0]), int(offsets[-1])
        self._leave_block(first, now_s=now_s)
        use = self._use(len(positions), behind=run.end - last - 1, now_s=now_s)
        borders = np.arange(first // self._block + 1, last // self._block + 1) * self._block
        cuts = [0, *np.searchsorted(positions, borders).tolist(), len(positions)]
        for at, (start, stop) in enumerate(pairwise(cuts), start=1):
            admitted = self._admission.admit(
                frames.times[start:stop],
                frames.users[start:stop],
                positions[start:stop],
                # Not the run's stamp: some writers stamp records with event time, and one late
                # frame would make all others of its run implausible.
                upper_s=int(now_s),
                ends_block=at < len(cuts) - 1 or (last + 1) % self._block == 0,
                use=use,
            )
            self._take(admitted, run=run, offsets=offsets)
        self.totals += Totals(frames=frames.lines, rejected=len(frames.rejects))
        if self._settings.dead_letters:
            self._copy_rejects(frames, offsets)
        self._position, self.end = last + 1, run.end
        self._silent_since_s, self.caught_up, self._changed = now_s, False, True

    def reach_end(self, end: int) -> None:
        """Everything there is was read."""
        self.end, self.caught_up = end, True
        if self._position is None:
            self._first = self._position = end

    def hold(self, *, held: bool, now_s: float) -> None:
        """Nothing arrives while the partition is held, which is not silence."""
        if held != self.held:
            self.held, self._silent_since_s = held, now_s

    def rest(self, now_s: float) -> None:
        """Let nothing wait for frames that do not come, when the partition is idle."""
        if self.idle(now_s) and self._promised_s is None:
            self._take(self._admission.settle(ended=False))

    def idle(self, now_s: float) -> bool:
        """Read to its end, and silent since."""
        return self.caught_up and not self.held and now_s - self._silent_since_s >= self._settings.idle_s

    # --- committing ------------------------------------------------------------------------------------------------

    def due(self, now_s: float) -> bool:
        """Whether there is anything to be reported."""
        if self._position is None:
            return False
        renewed_s = self._settings.idle_s * PROMISE / 3
        promise_due = self.idle(now_s) and (self._promised_s is None or now_s - self._promised_s >= renewed_s)
        return self._changed or promise_due

    def bookmark(self) -> Bookmark:
        """Where a commit leaves the partition."""
        return Bookmark(offset=self._position or 0, note=self._admission.note())

    def payloads(self, *, identity: str, now_s: float) -> list[bytes]:
        """What a commit tells the merger."""
        report = Report(
            partition=self.number,
            first=self._first or 0,
            to=self._position or 0,
            end=max(self.end, self._position or 0),
            watermark=self.watermark,
            caught_up=self.caught_up,
            idle_until_s=now_s + self._settings.idle_s * PROMISE if self.idle(now_s) else None,
            silent_since_s=self._silent_since_s,
            at_s=now_s,
            totals=totals_of(self.totals),
        )
        return pack(report, deltas=self._fresh.deltas(), identity=identity)

    def committed(self, now_s: float) -> None:
        """The commit of what `payloads` gave at `now_s` has returned."""
        self._fresh.committed(self.watermark)
        self._promised_s = now_s if self.idle(now_s) else None
        self._first = self._position
        self.totals, self._changed = Totals(), False
        self.letters.clear()
        self.missing.clear()

    def _leave_block(self, offset: int, *, now_s: float) -> None:
        """End the block that the partition is in when the next offset lies beyond it: offsets have holes."""
        if self._position is not None and offset // self._block > self._position // self._block:
            nothing = self._admission.admit(_NO_TIMES, _NO_USERS, _NO_TIMES, upper_s=int(now_s), ends_block=True)
            self._take(nothing)

    def _use(self, count: int, *, behind: int, now_s: float) -> int:
        """How many times the live clock reads: those of the last second, all of them when frames are not live."""
        self._arrived.append((now_s, count))
        while not now_s - 1 <= self._arrived[0][0] <= now_s:
            self._arrived.popleft()
        if behind > NEAR:
            return RING_LIMIT
        return max(self._settings.clock.least, min(RING_LIMIT, sum(count for _, count in self._arrived)))

    def _take(self, admitted: Admitted, *, run: Run | None = None, offsets: Times = _NO_TIMES) -> None:
        quarantined, dropped = admitted.quarantined, admitted.dropped
        self._fresh.add(admitted.deltas)
        self._changed = self._changed or bool(admitted.deltas) or len(quarantined) > 0
        self.totals += Totals(quarantined=len(quarantined), dropped=len(dropped), late=admitted.late)
        if not self._settings.dead_letters:
            return
        for positions, reason in ((quarantined, Reason.QUARANTINED), (dropped, Reason.DROPPED)):
            for offset in positions.tolist():
                if run is None or offset < offsets[0]:
                    self.missing.append(offset)
                else:
                    self._copy(offset, reason, run.values[int(np.searchsorted(offsets, offset))])

    def _copy_rejects(self, frames: Frames, offsets: Times) -> None:
        for reject in frames.rejects:
            reason = f"{reject.reason}: {reject.detail}" if reject.detail else str(reject.reason)
            self._copy(int(offsets[reject.index]), reason, reject.raw)

    def _copy(self, offset: int, reason: str, value: bytes | None) -> None:
        self.letters.append(DeadLetter(partition=self.number, offset=offset, reason=reason, value=value))


def _as_array(offsets: Sequence[int]) -> Times:
    if isinstance(offsets, range):  # without holes, as most are: 20 ns a frame less
        return np.arange(offsets.start, offsets.stop, dtype=np.int64)
    return np.asarray(offsets, dtype=np.int64)


def letters_of(partition: Partition, values: Sequence[tuple[int, bytes | None]]) -> list[DeadLetter]:
    """The dead letters of a partition, with those whose values had to be fetched again."""
    fetched = [
        DeadLetter(partition=partition.number, offset=offset, reason=Reason.QUARANTINED, value=value)
        for offset, value in values
    ]
    return [*partition.letters, *fetched]
