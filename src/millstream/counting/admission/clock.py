"""Tell the event time of one partition from the times of its frames.

Theory of operation: the largest time seen is no clock, because one flipped bit moves it for good. This clock reads the
lower median of the last `ring` plausible times in order of arrival, so it takes a majority to lie to it. A median
trails by half a ring; where frames are dense that is won back by going on to the `kth`-largest of those times that lie
no more than `near_s` ahead of the median (or of the clock, whichever is later): a few liars near the front move it no
further than that. It never runs backwards, and needs `least` frames before it says anything.

There are two hands. The *judging* hand moves at the ends of blocks only and reads the whole ring, so it is a function
of the input alone: whether a frame is late, or past its grace, is judged by it. The *live* hand may move whenever
frames arrive and read fewer of them, which is what makes a quiet partition prompt. It is never behind the judging hand.

`near_s` 5 and `kth` 4 were chosen by simulation (admission/test_admission_simulated.py: 200 frames a second for ten
minutes, 30 % of the times damaged by one flipped bit): they lose 0.10 % of the good frames, as many as a clock that
knows the truth. With `near_s` 10 it is 0.5 %, with 20 it is 2.7 %, with `kth` 1 it is 0.6 %.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from millstream.errors import InvalidValueError

LATEST_S = 10**11 - 1
"""No time is later (the year 5138): what is larger are milliseconds."""
RING_LIMIT = 63
PENDING_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSettings:
    """How far times are believed; seconds, and numbers of frames.

    A frame may be `lateness_s` behind the largest time before it without being late. One that is more than `ahead_s`
    ahead of the clock waits (at most `pending_limit` do, for at most `pending_frames` frames). A time before
    `earliest_s`, or `skew_s` after what the caller says is possible, is not plausible. `ring`, `near_s`, `kth` and
    `least` are the clock's own, see above. Raises InvalidValueError for more than a note has room for.
    """

    lateness_s: int = 5
    ahead_s: int = 60
    skew_s: int = 60
    earliest_s: int = 946_684_800
    ring: int = RING_LIMIT
    near_s: int = 5
    kth: int = 4
    least: int = 9
    pending_limit: int = PENDING_LIMIT
    pending_frames: int = 10_000

    def __post_init__(self) -> None:
        bounds = {
            "lateness_s": (0, LATEST_S),
            "ahead_s": (0, LATEST_S),
            "skew_s": (0, LATEST_S),
            "earliest_s": (0, LATEST_S),
            "ring": (1, RING_LIMIT),
            "near_s": (0, LATEST_S),
            "kth": (1, RING_LIMIT),
            "least": (1, self.ring),
            "pending_limit": (self.least, PENDING_LIMIT),
            "pending_frames": (1, LATEST_S),
        }
        for name, (low, high) in bounds.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise InvalidValueError(name=name, expected=f"a number from {low} to {high}", found=value)


class EventClock:
    """The two hands of the clock of one partition, in Unix seconds; None while nothing is known.

    Starts from `ring` (times in order of arrival), `live` and `judging` when it goes on from a note.
    """

    __slots__ = ("_judging", "_live", "_ring", "_settings")

    def __init__(
        self,
        settings: ClockSettings,
        *,
        ring: Sequence[int] = (),
        live: int | None = None,
        judging: int | None = None,
    ) -> None:
        self._settings = settings
        self._ring = list(ring)[-settings.ring :]
        self._live = live
        self._judging = judging

    @property
    def ring(self) -> Sequence[int]:
        """The last plausible times, in order of arrival."""
        return self._ring

    @property
    def live(self) -> int | None:
        """Where event time is now."""
        return self._live

    @property
    def judging(self) -> int | None:
        """Where event time was at the end of the last block."""
        return self._judging

    @property
    def watermark(self) -> int | None:
        """Up to where frames are complete, except for late ones, as far as is known now."""
        return None if self._live is None else self._live - self._settings.lateness_s

    @property
    def judging_watermark(self) -> int | None:
        """The watermark at the end of the last block, by which the frames of this block are judged."""
        return None if self._judging is None else self._judging - self._settings.lateness_s

    @property
    def horizon(self) -> int | None:
        """The last time that is not ahead of the clock."""
        return None if self._live is None else self._live + self._settings.ahead_s

    def arrive(self, times: list[int], *, use: int) -> None:
        """Take plausible times in order of arrival, and move the live hand by the last `use` of the ring.

        Times before the last `ring` of them may be left out. `use` is taken as at least `least`.
        """
        if times:
            self._ring = self._joined(times)
            self._live = self._read(self._ring[-max(use, self._settings.least) :], known=self._live)

    def end_block(self) -> None:
        """Move the judging hand. To be called once for a block in which plausible times arrived."""
        self._judging = self._read(self._ring, known=self._judging)
        if self._judging is not None and (self._live is None or self._live < self._judging):
            self._live = self._judging

    def pass_block(self, tail: list[int], *, highest: int, below: int) -> bool:
        """Take a whole block at once, the last times of which are `tail`: `arrive` and `end_block` in one.

        False, and nothing changed, when its `highest` time would be ahead of the clock, or `below` would not be any
        more.
        """
        ring = self._joined(tail)
        judging = self._read(ring, known=self._judging)
        live = judging if self._live == self._judging else self._read(ring, known=self._live)
        if live is None or judging is None or not highest <= max(live, judging) + self._settings.ahead_s < below:
            return False
        self._ring, self._judging, self._live = ring, judging, max(live, judging)
        return True

    def force(self) -> None:
        """Let the live hand say something even with fewer than `least` frames, if there are any."""
        if self._live is None and self._ring:
            self._live = self._read(self._ring, known=None, least=1)

    def _joined(self, times: list[int]) -> list[int]:
        size = self._settings.ring
        return times[-size:] if len(times) >= size else (self._ring + times)[-size:]

    def _read(self, times: list[int], *, known: int | None, least: int | None = None) -> int | None:
        """What the clock says after `known`, given the last times."""
        settings = self._settings
        if len(times) < (least or settings.least):
            return known
        ordered = sorted(times)
        reading = ordered[(len(ordered) - 1) // 2]
        if known is not None and known > reading:
            reading = known
        near = bisect_right(ordered, reading + settings.near_s)
        return max(reading, ordered[near - settings.kth]) if near >= settings.kth else reading
