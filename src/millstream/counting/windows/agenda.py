"""The windows that are open, and the moments at which each is due.

Theory of operation: a window is opened by the first frame that counts in it, comes up when the watermark passes its end
(unless only final values are wanted) and again when its grace is over. Moments are kept in a heap, so that asking for
what is due costs nothing as long as nothing is. A larger window ends no sooner than the minutes in it: while a minute
is open all windows above it are, and a minute may hold on to them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from itertools import chain

from millstream.counting.model import ALL_SIZES, MINUTE_S, SIZES, Size, Window
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.distinct import MINUTE_LIMIT, WINDOW_LIMIT, UserSet
from millstream.counting.windows.openwindow import OpenWindow
from millstream.counting.windows.state import Saved
from millstream.errors import IdentityError

MINUTE_BIT = Size.MINUTE.bit


class Emit(StrEnum):
    """When results are put out."""

    FINAL = "final"
    """Once, when nothing changes them any more."""
    ONTIME = "ontime"
    """When the watermark passes the end, on each change after that, and when final."""
    EARLY = "early"
    """While they are open, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How windows are cut, kept and put out: see `Windows`."""

    sizes: int
    calendar: Calendar
    grace_s: int
    emit: Emit
    exact: bool

    def identity(self) -> dict[str, str]:
        """What must not change while windows are open, by the names of the settings."""
        by = ",".join(size for size in SIZES if size.bit & self.sizes)
        exact = "yes" if self.exact else "no"
        return {"by": by, "zone": self.calendar.identity, "grace": f"{self.grace_s}s", "exact": exact}


class Agenda:
    """The open windows, minutes and larger ones; minutes are kept whether they are put out or not."""

    def __init__(self, rules: Rules) -> None:
        self.watermark: int | None = None
        self.finished = False
        self.minutes: dict[int, OpenWindow] = {}
        self.larger: dict[tuple[int, int], OpenWindow] = {}
        self.revised: dict[tuple[int, int], OpenWindow] = {}
        """Windows that changed after they ended."""
        self._rules = rules
        self._moments: list[tuple[int, int, int]] = []

    def everything(self) -> Iterator[OpenWindow]:
        """The open windows in no order."""
        return chain(self.minutes.values(), self.larger.values())

    def in_order(self) -> list[OpenWindow]:
        """The open windows by size, then by start."""
        minutes = [self.minutes[start] for start in sorted(self.minutes)]
        return minutes + [self.larger[key] for key in sorted(self.larger)]

    def is_final(self, end: int) -> bool:
        """Whether a window with that end is final, even if it was never opened."""
        return self.finished or (self.watermark is not None and end + self._rules.grace_s <= self.watermark)

    def open_minute(self, start: int) -> OpenWindow:
        """Open a minute, and the windows above it that are not open."""
        above = self.above(start)
        window = Window(by=Size.MINUTE, start=start, end=start + MINUTE_S)
        users = UserSet(None if self._rules.exact else MINUTE_LIMIT)
        minute = self.minutes[start] = OpenWindow(window, users=users, above=above)
        self._schedule(minute)
        return minute

    def above(self, minute: int, *, counted: int = ALL_SIZES) -> tuple[OpenWindow, ...]:
        """The larger windows of a minute that are wanted and not final; opens them."""
        windows = self._rules.calendar.windows(minute)
        wanted = [window for window in windows if window.by.bit & counted & self._rules.sizes]
        return tuple(self._open_larger(window) for window in wanted if not self.is_final(window.end))

    def due(self) -> tuple[dict[tuple[int, int], OpenWindow], set[tuple[int, int]]]:
        """The windows that ended, became final (the second answer) or changed after their end, since the last call."""
        due, self.revised = self.revised, {}
        final: set[tuple[int, int]] = set()
        while self.watermark is not None and self._moments and self._moments[0][0] <= self.watermark:
            _, bit, start = heappop(self._moments)
            window = self.minutes[start] if bit == MINUTE_BIT else self.larger[bit, start]
            due[bit, start] = window
            if window.ended or self._rules.emit is Emit.FINAL:
                final.add((bit, start))
            else:
                window.ended = True
                heappush(self._moments, (window.window.end + self._rules.grace_s, bit, start))
        return due, final

    def close(self, window: OpenWindow) -> None:
        """Forget a window that is final."""
        if window.bit == MINUTE_BIT:
            del self.minutes[window.window.start]
        else:
            del self.larger[window.key]

    def finish(self) -> None:
        """Nothing comes any more: all windows are final."""
        self.finished = True
        self._moments.clear()
        self.revised.clear()

    def reopen(self, saved: Saved, *, whole: bool) -> None:
        """Open a window as it was saved; larger ones first. Raises IdentityError when it is not one of this calendar.

        Without the `whole` of it, a minute has to be filled by a replay.
        """
        window = saved.standing.window
        if self._rules.calendar.window(window.by, at_s=window.start) != window:
            differences = f"{window.key} does not end at {window.end} any more, as {self._rules.calendar.zone} changed"
            raise IdentityError(what="the saved state of the windows", differences=differences)
        is_minute = window.by is Size.MINUTE
        opened = self.open_minute(window.start) if is_minute else self._open_larger(window)
        opened.resume(saved.standing, chunks=saved.chunks, sketched=saved.sketched, replayed=is_minute and not whole)
        for portion in saved.portions:
            opened.users.join(portion)
        if not is_minute:
            opened.users.fresh()  # they are saved

    def _open_larger(self, window: Window) -> OpenWindow:
        key = (window.by.bit, window.start)
        found = self.larger.get(key)
        if found is None:
            found = OpenWindow(window, users=UserSet(None if self._rules.exact else WINDOW_LIMIT))
            self.larger[key] = found
            self._schedule(found)
        return found

    def _schedule(self, window: OpenWindow) -> None:
        wait_s = self._rules.grace_s if self._rules.emit is Emit.FINAL else 0
        heappush(self._moments, (window.window.end + wait_s, *window.key))
