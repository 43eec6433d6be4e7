"""What a count of files or of standard input has come to: windows, counts of frames, users, and what was put out.

Theory of operation: frames of a block that is as it should be are only remembered, as a part of two arrays. They are
sorted into minutes when a window may close, or when many have come together, so that dense input costs a few
nanoseconds for each frame. Windows can only close where the watermark passes a full minute, or a full minute plus
grace; these stops are a function of the watermark alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np

from millstream.counting.admission.admission import Admitted
from millstream.counting.files.output import LineSink
from millstream.counting.guard import LossGuard
from millstream.counting.model import MINUTE_S, Delta, Result, Status, Times, Totals, Users
from millstream.counting.windows.distinct import UserSet
from millstream.counting.windows.windows import Emit, Windows

USERS_LIMIT = 4_194_304
"""Users of a whole count that are kept exactly, 32 MiB; with more of them the number in the summary is an estimate."""

SPANS_FRAMES = 1 << 18
"""So many frames are remembered at most before they are sorted into minutes."""

_SORTABLE_MINUTES = 1 << 16
_FEW_MINUTES = 4
"""Fewer are told apart by comparing: a third of the time of sorting for two of them."""


class TallyMark(msgspec.Struct, frozen=True, kw_only=True):
    """What a tally goes on from, apart from windows and users."""

    totals: tuple[int, int, int, int, int]
    losses: list[tuple[int, int]]
    watermark: int | None
    final: int


@dataclass(slots=True, kw_only=True)
class Counts:
    """Counts of frames while they change; see Totals."""

    frames: int = 0
    rejected: int = 0
    quarantined: int = 0
    late: int = 0
    dropped: int = 0

    @property
    def lost(self) -> int:
        """Frames that are not in their minute."""
        return self.rejected + self.quarantined + self.dropped

    def totals(self) -> Totals:
        """As they are now."""
        return Totals(
            frames=self.frames,
            rejected=self.rejected,
            quarantined=self.quarantined,
            late=self.late,
            dropped=self.dropped,
        )


@dataclass(slots=True)
class _Span:
    """A part of two columns."""

    times: Times
    users: Users
    start: int
    end: int


class Tally:
    """Gathers frames and puts out results, in the order in which it is told of them."""

    def __init__(
        self,
        windows: Windows,
        *,
        everyone: UserSet,
        sink: LineSink,
        grace_s: int,
        emit: Emit,
        on_loss: Callable[[], None],
        mark: TallyMark | None = None,
    ) -> None:
        self.windows = windows
        self.everyone = everyone
        self.counts = Counts()
        self.final = 0
        self._sink = sink
        self._grace_s = grace_s
        self._tells_early = emit is Emit.EARLY
        self._on_loss = on_loss
        self._guard = LossGuard()
        self._watermark: int | None = None
        self._next_stop: int | None = None
        self._spans: list[_Span] = []
        self._spanned = 0
        if mark is not None:
            self._go_on(mark)

    def _go_on(self, mark: TallyMark) -> None:
        frames, rejected, quarantined, late, dropped = mark.totals
        self.counts = Counts(frames=frames, rejected=rejected, quarantined=quarantined, late=late, dropped=dropped)
        self._guard = LossGuard(mark.losses)
        self.final = mark.final
        if mark.watermark is not None:
            self._set_stop(mark.watermark)

    @property
    def watermark(self) -> int | None:
        """Up to where event time was known when windows were last looked at."""
        return self._watermark

    @property
    def next_stop(self) -> int | None:
        """The watermark at which windows are to be looked at next, None before the first time."""
        return self._next_stop

    def mark(self) -> TallyMark:
        """What `mark` of the constructor takes; windows and users are to be kept beside it, after this call."""
        self.flush()
        counts = self.counts
        return TallyMark(
            totals=(counts.frames, counts.rejected, counts.quarantined, counts.late, counts.dropped),
            losses=self._guard.losses,
            watermark=self._watermark,
            final=self.final,
        )

    def take_plain(self, times: Times, users: Users, *, start: int, end: int) -> None:
        """Frames `start` to `end` of two columns, all of which count, none of them late.

        What goes on where the frames before ended is remembered as one span with them.
        """
        last = self._spans[-1] if self._spans else None
        if last is not None and last.times is times and last.end == start:
            last.end = end
        else:
            self._spans.append(_Span(times, users, start, end))
        self._spanned += end - start
        if self._spanned >= SPANS_FRAMES:
            self.flush()

    def take(self, admitted: Admitted) -> None:
        """Frames that were judged one by one, and those that are lost."""
        for delta in (*admitted.judged, *admitted.released):
            self.windows.add(delta)
            self.everyone.add(delta.users)
        times, users = admitted.in_time
        if len(times):
            self.take_plain(times, users, start=0, end=len(times))
        self.counts.late += admitted.late
        self.counts.quarantined += len(admitted.quarantined)
        self.counts.dropped += len(admitted.dropped)

    def watch(self, lost_before: int) -> None:
        """Tell the guard when frames were lost since `lost_before` were."""
        lost = self.counts.lost - lost_before
        if lost and self._guard.lose(lost, frames=self.counts.frames):
            self._on_loss()

    def reach(self, watermark: int) -> None:
        """The watermark is here: put out what it closes."""
        if self._next_stop is None or watermark >= self._next_stop:
            self.flush()
            self._set_stop(watermark)
            self.put(self.windows.advance(watermark))

    def finish(self) -> None:
        """Nothing more will come: everything is final."""
        self.flush()
        self.put(self.windows.finish())

    def put(self, results: Sequence[Result]) -> None:
        """Put results out."""
        if not results:
            return
        self._sink.write(b"".join([line for result in results for line in (result.encode(), b"\n")]))
        self.final += sum(result.status is Status.FINAL for result in results)

    def early(self, now_s: float) -> Sequence[Result]:
        """What is to be said about windows that are open, if anything; `now_s` as in Windows."""
        if self._tells_early:
            self.flush()
            return self.windows.early(now_s)
        return ()

    def flush(self) -> None:
        """Sort what was remembered into its minutes."""
        spans, self._spans, self._spanned = self._spans, [], 0
        if not spans:
            return
        # Together, because what is done for each minute of a span costs more than to copy its frames.
        times = np.concatenate([span.times[span.start : span.end] for span in spans])
        users = np.concatenate([span.users[span.start : span.end] for span in spans])
        self.everyone.add(users)
        for delta in deltas_of(times, users):
            self.windows.add(delta)

    def _set_stop(self, watermark: int) -> None:
        self._watermark = watermark
        past = watermark - self._grace_s
        self._next_stop = min(_next_minute(watermark), _next_minute(past) + self._grace_s)


def deltas_of(times: Times, users: Users) -> list[Delta]:
    """Frames that all count, by minute, from early to late."""
    first = int(times.min()) // MINUTE_S
    last = int(times.max()) // MINUTE_S
    if first == last:
        return [Delta(minute=first * MINUTE_S, users=users, frames=len(users))]
    if last - first < _FEW_MINUTES:
        return list(_peeled(times, users, first=first, last=last))
    minutes = times // MINUTE_S - first
    if last - first < _SORTABLE_MINUTES:
        minutes = minutes.astype(np.uint16)  # which numpy sorts by radix
    order = minutes.argsort(kind="stable")
    ordered, users = minutes[order], users[order]
    starts = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(users)]
    return [
        Delta(minute=(first + int(ordered[start])) * MINUTE_S, users=users[start:end], frames=end - start)
        for start, end in pairwise(starts)
    ]


def _peeled(times: Times, users: Users, *, first: int, last: int) -> Iterator[Delta]:
    """The same for a few minutes: the earliest is taken off, again and again."""
    for minute in range(first, last):
        is_early = times < (minute + 1) * MINUTE_S
        early = users[is_early]
        if len(early):
            yield Delta(minute=minute * MINUTE_S, users=early, frames=len(early))
            times, users = times[~is_early], users[~is_early]
    yield Delta(minute=last * MINUTE_S, users=users, frames=len(users))


def _next_minute(at_s: int) -> int:
    return (at_s // MINUTE_S + 1) * MINUTE_S
