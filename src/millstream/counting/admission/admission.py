"""Decide once what becomes of each frame of a partition.

Theory of operation: the input falls into fixed blocks. A frame is judged by the watermark as it was before its block,
so however a block is cut into portions on its way, and however often it is read again, lateness and grace come out
alike. (Judged by the watermark after it, half of a slow but perfectly ordered input would be late.) In turn, the frames
of a portion: those whose time is not plausible are quarantined; the rest move the clock; those that are then ahead of
it wait, and those that waited and are not ahead any more are released. What is ahead of the clock at its arrival is not
late, and so it stays when it is released. At the end of the input `settle` decides about those that still wait.

So whole blocks and portions admit alike, except for frames ahead of the clock: in portions the clock may get to one
earlier (or see more of them wait at once) and so count what otherwise is given up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from millstream.counting.admission.clock import LATEST_S, RING_LIMIT, ClockSettings, EventClock
from millstream.counting.admission.credible import credible
from millstream.counting.admission.judging import by_minute, judge
from millstream.counting.admission.note import State, Terms, read, write
from millstream.counting.admission.passing import BlockClock, Columns, Passed, late_deltas
from millstream.counting.admission.pending import Arrivals, Pending, Positions, Waiting, as_arrivals
from millstream.counting.model import MINUTE_S, Delta, Times, Users
from millstream.counting.windows.calendar import Calendar

_NO_TIMES = np.empty(0, np.int64)
_NO_USERS = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What became of some frames.

    To be counted are those of `judged`, by minute, `in_time`, which count in every window and are late for none, and
    `released`, which had waited. `late` is how many count late in their minute. `quarantined` and `dropped` are the
    positions of frames that are not in their minute; a dropped one is still in a delta if it counts in any larger
    window.
    """

    judged: tuple[Delta, ...]
    in_time: tuple[Times, Users]
    released: tuple[Delta, ...]
    quarantined: Positions
    dropped: Positions
    late: int

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """All that is to be counted, by minute; what had waited comes last."""
        times, users = self.in_time
        in_time = [
            Delta(minute=minute, users=users[places], frames=len(users[places])) for minute, places in by_minute(times)
        ]
        return (*self.judged, *in_time, *self.released)


class Admission:
    """The admission of one partition: a file, or a partition of a topic. Used by one thread; does no I/O.

    Goes on from a `note` of an earlier one; none, or an empty one, is a fresh start. Raises NoteRefusedError for a note
    that was written by another version or with other settings, grace or zone.
    """

    def __init__(self, settings: ClockSettings, *, grace_s: int, calendar: Calendar, note: str | None = None) -> None:
        self._settings = settings
        self._terms = Terms(settings=settings, grace_s=grace_s, calendar=calendar)
        state = (
            read(note, terms=self._terms) if note else State(ring=(), live=None, judging=None, arrived=0, waiting=())
        )
        self._clock = EventClock(settings, ring=state.ring, live=state.live, judging=state.judging)
        self._pending = Pending(state.waiting)
        self._arrived = state.arrived
        self._block = 0

    @property
    def watermark(self) -> int | None:
        """Up to where the partition is complete except for late frames, in Unix seconds; None before a clock is."""
        return self._clock.watermark

    @property
    def waiting(self) -> int:
        """How many frames are neither admitted nor given up yet."""
        return len(self._pending)

    def note(self) -> str:
        """The whole state, as at most 4095 ASCII characters."""
        waiting = [frame._replace(arrived=frame.arrived - self._block) for frame in self._pending.frames]
        state = State(
            ring=self._clock.ring,
            live=self._clock.live,
            judging=self._clock.judging,
            arrived=self._arrived - self._block,
            waiting=waiting,
        )
        return write(state, terms=self._terms)

    def admit(
        self,
        times: Times,
        users: Users,
        positions: Positions,
        *,
        upper_s: int,
        ends_block: bool,
        use: int = RING_LIMIT,
    ) -> Admitted:
        """Decide about the next frames, arrays of one length in order of arrival, all of them of one block.

        No plausible time is later than `upper_s` and the skew. `ends_block` says that this is the rest of the block;
        there may be none. `use` is how many of the last times the live clock reads: fewer where frames are sparse.
        """
        arrivals, quarantined = self._plausible(Arrivals(times, users, positions), upper_s=upper_s)
        watermark = self._clock.judging_watermark
        given_up = self._pending.take_arrived_before(self._block - self._settings.pending_frames)
        first = self._arrived
        self._arrived += len(arrivals.times)
        self._clock.arrive(arrivals.times[-self._settings.ring :].tolist(), use=use)
        if ends_block:
            self._end_block()
        arrivals = self._hold_back(arrivals, first=first)
        released = self._released()
        given_up += self._pending.take_oldest(beyond=self._settings.pending_limit)
        if given_up:
            quarantined = np.concatenate((as_arrivals(given_up).positions, quarantined))
        return self._admitted(arrivals, released, watermark=watermark, quarantined=quarantined)

    def admit_plain(self, *, lowest: int, highest: int, tail: list[int], frames: int, upper_s: int) -> bool:
        """Admit the rest of a block of which only this is known, if every frame of it counts and none is late or ahead.

        `lowest` and `highest` are the smallest and the largest time of its `frames` frames (at least one), `tail` the
        last of its times in order of arrival, as many as the clock's ring. False, and nothing changed, if it is not so
        simple or changes what waits: then `admit` must be given the frames.
        """
        settings, watermark = self._settings, self._clock.judging_watermark
        if (
            watermark is None
            or lowest < watermark // MINUTE_S * MINUTE_S
            or lowest < settings.earliest_s
            or highest > min(upper_s + settings.skew_s, LATEST_S)
            or self._pending.oldest < self._block - settings.pending_frames
            or not self._clock.pass_block(tail, highest=highest, below=self._pending.earliest)
        ):
            return False
        self._arrived += frames
        self._block = self._arrived
        return True

    def pass_blocks(
        self, clock: BlockClock, columns: Columns, *, first: int, upper_s: int, until_s: int
    ) -> Passed | None:
        """Admit whole blocks from number `first` on, up to one that must be given to `admit`; None if the first must.

        `clock` has these settings and this grace. The run ends with the block that takes the watermark to `until_s`.
        All frames of the run count, those in time in every window; for those that are late see `judge_late`.
        """
        settings, pending = self._settings, self._pending
        passed = clock.pass_blocks(
            columns,
            first=first,
            ring=self._clock.ring,
            live=self._clock.live,
            judging=self._clock.judging,
            latest_s=min(upper_s + settings.skew_s, LATEST_S),
            patience=pending.oldest - self._block + settings.pending_frames,
            waiting_s=pending.earliest,
            until_s=until_s,
        )
        if passed is not None:
            self._clock = EventClock(settings, ring=passed.ring, live=passed.live, judging=passed.judging)
            self._arrived += passed.frames
            self._block = self._arrived
        return passed

    def judge_late(self, times: Times, users: Users, *, watermarks: Times) -> Admitted:
        """What becomes of the late frames of a run, each judged by the watermark before its block."""
        terms = self._terms
        deltas = late_deltas(times, users, watermarks, grace_s=terms.grace_s, calendar=terms.calendar)
        return Admitted(
            judged=tuple(deltas),
            in_time=(_NO_TIMES, _NO_USERS),
            released=(),
            quarantined=_NO_TIMES,
            dropped=_NO_TIMES,
            late=len(times),
        )

    def settle(self, *, ended: bool = True) -> Admitted:
        """Decide about the frames that wait, because no others are coming: at the end, or (not `ended`) for the moment.

        Those that the clock allows, or that the frames after them do not contradict, are admitted. The rest is
        quarantined at the end, and otherwise waits on. Moves no watermark, except that a partition of too few frames
        for a clock gets one. More frames may follow; settling twice changes nothing.
        """
        self._clock.force()
        released = self._released()
        believed = self._believed()
        released += self._pending.take(lambda frame: frame.arrived in believed)
        doubted = self._pending.take_oldest(beyond=0) if ended else []
        nothing = Arrivals(_NO_TIMES, _NO_USERS, _NO_TIMES)
        return self._admitted(nothing, released, watermark=None, quarantined=as_arrivals(doubted).positions)

    def _plausible(self, arrivals: Arrivals, *, upper_s: int) -> tuple[Arrivals, Positions]:
        """The frames with plausible times, and the positions of the others."""
        times = arrivals.times
        earliest, latest = self._settings.earliest_s, min(upper_s + self._settings.skew_s, LATEST_S)
        if not len(times) or (times.min() >= earliest and times.max() <= latest):
            return arrivals, _NO_TIMES
        plausible = (times >= earliest) & (times <= latest)
        return arrivals.where(plausible), arrivals.positions[~plausible]

    def _end_block(self) -> None:
        """Move the judging hand; a block without a plausible frame is no evidence and moves nothing."""
        if self._arrived > self._block:
            self._clock.end_block()
            self._block = self._arrived

    def _hold_back(self, arrivals: Arrivals, *, first: int) -> Arrivals:
        """Let frames wait that are ahead of the clock, and return the others; they are numbered from `first`."""
        horizon = self._clock.horizon
        if not len(arrivals.times) or (horizon is not None and arrivals.times.max() <= horizon):
            return arrivals
        ahead = arrivals.times > horizon if horizon is not None else np.ones(len(arrivals.times), np.bool_)
        self._pending.hold(arrivals.where(ahead), numbers=(np.flatnonzero(ahead) + first).tolist())
        return arrivals.where(~ahead)

    def _released(self) -> list[Waiting]:
        """The frames that waited and are not ahead of the clock any more."""
        horizon = self._clock.horizon
        if horizon is None or horizon < self._pending.earliest:
            return []
        return self._pending.take(lambda frame: frame.time <= horizon)

    def _believed(self) -> set[int]:
        """The numbers of recent frames that the frames around them do not contradict.

        A frame that waits and is not in the ring any more is contradicted by most of it.
        """
        if not self._pending:
            return set()
        ring = self._clock.ring
        marks = credible(ring, slack=self._settings.lateness_s)
        return {number for number, mark in enumerate(marks, start=self._arrived - len(ring)) if mark}

    def _admitted(
        self, arrivals: Arrivals, released: list[Waiting], *, watermark: int | None, quarantined: Positions
    ) -> Admitted:
        """Judge `arrivals` by `watermark`; what was released is in time."""
        deltas, past, late = [], [], 0
        floor = 0 if watermark is None else watermark // MINUTE_S * MINUTE_S
        is_early = arrivals.times < floor  # for a window, if any: the others end after the watermark
        in_time = arrivals
        if is_early.any():
            in_time, arrivals = arrivals.where(~is_early), arrivals.where(is_early)
        else:
            arrivals = Arrivals(_NO_TIMES, _NO_USERS, _NO_TIMES)
        for minute, places in by_minute(arrivals.times):
            verdict = judge(minute, watermark=watermark, grace_s=self._terms.grace_s, calendar=self._terms.calendar)
            users = arrivals.users[places]
            if verdict.counted:
                deltas.append(
                    Delta(minute=minute, users=users, frames=len(users), counted=verdict.counted, late=verdict.late)
                )
            if verdict.dropped:
                past.append(np.arange(len(arrivals.times))[places])
            late += len(users) if verdict.late_for_minute else 0
        return Admitted(
            judged=tuple(deltas),
            in_time=(in_time.times, in_time.users),
            released=tuple(_in_time(released)),
            quarantined=quarantined,
            dropped=arrivals.positions[np.sort(np.concatenate(past))] if past else _NO_TIMES,
            late=late,
        )


def _in_time(released: list[Waiting]) -> Iterator[Delta]:
    """The deltas of frames that were ahead of the clock when they came."""
    if released:
        arrivals = as_arrivals(released)
        for minute, places in by_minute(arrivals.times):
            users = arrivals.users[places]
            yield Delta(minute=minute, users=users, frames=len(users))
