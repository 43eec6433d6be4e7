"""From deltas to results: minutes, their union upwards, and what is said about each window when.

Theory of operation: a minute holds the set of its users; hour, day, week, month and year are unions of minutes. Frames
and late frames are counted for all sizes at once; users go up when the watermark passes the end of their minute, or
earlier when a larger window is asked for. A window has ended when the watermark passed its end, and is final once it
has passed its grace, too; then it is put out for the last time and forgotten.

To be saved (`changes`) are the larger windows, as they stand when a minute becomes final, and a few numbers for each
open window. Users of minutes that are not final are not saved: their deltas are replayed after a restart, which may be
done as often as one likes, because a set does not count twice. The counters of larger windows are saved, so a replay
leaves these windows alone.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import NotRequired, Self, TypedDict, Unpack

import msgspec

from millstream.counting.model import ALL_SIZES, MINUTE_S, SIZES, Delta, Result, Status
from millstream.counting.windows import state as windows_state
from millstream.counting.windows.agenda import MINUTE_BIT, Agenda, Emit, Rules
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.openwindow import OpenWindow, Standing
from millstream.counting.windows.rollup import Rollup

__all__ = ["Emit", "WindowSettings", "Windows"]

_EARLY_EVERY_S: Mapping[int, float] = MappingProxyType(
    {size.bit: every_s for size, every_s in zip(SIZES, (1.0, 5.0, 10.0, 60.0, 60.0, 60.0), strict=True)}
)


class WindowSettings(TypedDict):
    """The keywords of `Windows`."""

    sizes: NotRequired[int]
    calendar: Calendar
    grace_s: int
    emit: Emit
    exact: NotRequired[bool]


class Windows:
    """The open windows of a count. Pure: no clock, no input or output. Not for several threads.

    `sizes` are those that are put out, `exact` keeps every set exact, whatever memory that takes.
    """

    def __init__(
        self, *, sizes: int = ALL_SIZES, calendar: Calendar, grace_s: int, emit: Emit, exact: bool = False
    ) -> None:
        self.refused = 0
        """Frames of minutes that were final already."""
        self._rules = Rules(sizes=sizes, calendar=calendar, grace_s=grace_s, emit=emit, exact=exact)
        self._agenda = Agenda(self._rules)
        self._rollup = Rollup()
        self._users_unsaved = False
        self._gone: list[str] = []
        self._head: windows_state.Head | None = None

    @property
    def watermark(self) -> int | None:
        """The highest that was given to `advance`, in Unix seconds."""
        return self._agenda.watermark

    def add(self, delta: Delta, *, replayed: bool = False) -> None:
        """Count a delta. Keeps its array of users, which must not change.

        A delta that counts for its minute counts for all larger windows. `replayed` says that the saved state has it
        already: it only fills the minute again.
        """
        minute = self._agenda.minutes.get(delta.minute)
        if minute is None or not delta.counted & MINUTE_BIT:
            minute = self._minute_for(delta, replayed=replayed)
            if minute is None:
                return
        minute.users.add(delta.users)
        if replayed:
            minute.refill(delta.frames, late=delta.late)
            return
        self._take(minute, delta)
        for window in minute.above:
            self._take(window, delta)

    def advance(self, watermark: int) -> list[Result]:
        """Move the watermark, which never goes back, and put out what is due by it and what changed after its end."""
        if self._agenda.watermark is None or watermark > self._agenda.watermark:
            self._agenda.watermark = watermark
        due, final = self._agenda.due()
        if not due:
            return []
        self._pour(window for window in due.values() if window.bit == MINUTE_BIT)
        return self._put_out(
            (window, Status.FINAL if key in final else window.next_status()) for key, window in sorted(due.items())
        )

    def silence(self) -> list[Result]:
        """Put out the open windows as ontime, when nothing is on its way; they stay open, the watermark stays."""
        if self._rules.emit is Emit.FINAL:
            return []
        self._pour(self._agenda.minutes.values())
        return self._put_out((window, window.next_status()) for window in self._agenda.in_order())

    def early(self, now_s: float) -> list[Result]:
        """Put out open windows that changed, each size as often as is useful; `now_s` is any clock that goes on."""
        if self._rules.emit is not Emit.EARLY:
            return []
        due = [window for window in self._agenda.in_order() if _may_tell_early(window, now_s)]
        if any(window.bit != MINUTE_BIT for window in due):
            self._pour(self._agenda.minutes.values())
        for window in due:
            window.told_early_s = now_s
        return self._put_out((window, Status.EARLY if window.provisional else Status.UPDATE) for window in due)

    def finish(self) -> list[Result]:
        """Put out all windows as final, at the end of a bounded input; what comes after that is refused."""
        self._agenda.finish()
        self._pour(self._agenda.minutes.values())
        return self._put_out((window, Status.FINAL) for window in self._agenda.in_order())

    def open(self) -> tuple[Standing, ...]:
        """How the open windows stand, by size and start."""
        return tuple(window.standing() for window in self._agenda.in_order())

    def changes(self) -> list[windows_state.Change]:
        """The keys to write (None: to forget) since the last call, all of them in one transaction."""
        with_users, self._users_unsaved = self._users_unsaved, False
        if with_users:
            self._rollup.empty()
        changes: list[windows_state.Change] = [(key, None) for key in self._gone]
        self._gone = []
        for window in self._agenda.everything():
            changes += windows_state.news_of(window, with_users=with_users and window.bit != MINUTE_BIT)
        head = self._new_head(whole=False)
        if head != self._head:
            self._head = head
            changes.append((windows_state.HEAD_KEY, msgspec.json.encode(head)))
        return changes

    @classmethod
    def restore(cls, state: Mapping[str, bytes], **settings: Unpack[WindowSettings]) -> Self:
        """The windows that `changes` saved; other keys are left alone, and without any the count is a new one.

        The deltas of the minutes that are not final by `watermark` have to be replayed before `advance` is called.
        Raises IdentityError when the state was made by other rules, CountStateError when it is damaged.
        """
        windows = cls(**settings)
        windows._resume(state)
        return windows

    def dump(self) -> bytes:
        """Everything, users of minutes included: nothing has to be replayed. Not to be mixed with `changes`."""
        self._rollup.empty()
        state = dict(chain.from_iterable(windows_state.whole_of(window) for window in self._agenda.in_order()))
        state[windows_state.HEAD_KEY] = msgspec.json.encode(self._new_head(whole=True))
        return msgspec.msgpack.encode(state)

    @classmethod
    def load(cls, dump: bytes, **settings: Unpack[WindowSettings]) -> Self:
        """The windows of `dump`. Raises like `restore`."""
        return cls.restore(windows_state.unpacked(dump), **settings)

    def _minute_for(self, delta: Delta, *, replayed: bool) -> OpenWindow | None:
        """The minute of a delta that is not open yet; None when the delta is not for its minute, or too late."""
        counted = bool(delta.counted & MINUTE_BIT)
        if counted and not self._agenda.is_final(delta.minute + MINUTE_S):
            return self._agenda.open_minute(delta.minute)
        if not replayed:
            self.refused += delta.frames if counted else 0
            for window in self._agenda.above(delta.minute, counted=delta.counted):
                window.users.add(delta.users)
                self._take(window, delta)
                self._users_unsaved = True  # no minute will bring them again
        return None

    def _take(self, window: OpenWindow, delta: Delta) -> None:
        window.take(delta.frames, late=delta.late)
        if window.ended:
            self._agenda.revised[window.key] = window

    def _put_out(self, news: Iterable[tuple[OpenWindow, Status | None]]) -> list[Result]:
        results: list[Result] = []
        for window, status in news:
            if status is None:
                continue
            if window.bit != MINUTE_BIT:
                self._rollup.empty()
            if window.bit & self._rules.sizes:
                results.append(window.tell(status, watermark=self._agenda.watermark))
            if status is Status.FINAL:
                self._close(window)
        return results

    def _close(self, window: OpenWindow) -> None:
        self._agenda.close(window)
        self._gone += windows_state.keys_of(window)
        if window.bit == MINUTE_BIT:
            self._users_unsaved = True  # it will not be replayed any more

    def _pour(self, minutes: Iterable[OpenWindow]) -> None:
        for minute in minutes:
            self._rollup.pour(minute)

    def _resume(self, state: Mapping[str, bytes]) -> None:
        head = windows_state.head_of(state, rules=self._rules.identity())
        if head is None:
            return
        self.refused = head.refused
        for saved in windows_state.saved_in(state):
            self._agenda.reopen(saved, whole=head.whole)
        self._agenda.watermark, self._agenda.finished = head.watermark, head.finished
        self._head = head

    def _new_head(self, *, whole: bool) -> windows_state.Head:
        return windows_state.Head(
            rules=windows_state.SAVED_AS | self._rules.identity(),
            watermark=self._agenda.watermark,
            finished=self._agenda.finished,
            refused=self.refused,
            whole=whole,
        )


def _may_tell_early(window: OpenWindow, now_s: float) -> bool:
    """Changes of windows that ended are put out by `advance`."""
    if not window.changed or (window.ended and not window.provisional):
        return False
    return window.told_early_s is None or now_s - window.told_early_s >= _EARLY_EVERY_S[window.bit]
