"""A clock that stands still until a test moves it."""

import asyncio
import itertools
from bisect import bisect_left, bisect_right, insort
from operator import itemgetter

from millstream.errors import InvalidValueError

_TURNS = 50
"""Passes of the event loop that count as "everybody ran": a chain of wake-ups takes one pass for each link."""


class ManualClock:
    """A `Clock` for tests: time passes only when the test says so, so nothing has to wait and nothing is flaky.

    There are two ways to let time pass. `advance` and `advance_to` move the hands in one go and return at once:
    every sleeper that is due by then is released in order of its time (of equals, who slept first), and
    sees the new time when it runs. `run_for` and `run_until` go from wake-up to wake-up and let everybody run
    before going on, so each sleeper sees the very time it asked for and may go to sleep again within the span:

        async def test_a_window_closes_by_itself():
            clock = ManualClock()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(engine(clock))
                await clock.wait_for_sleepers(1)     # the engine is up and waits
                await clock.run_for(300)

    `now` and `civil` may be called from any thread, everything else belongs to one event loop.
    """

    def __init__(self, *, start_s: float = 1_700_000_000.0, speed: float = 1.0) -> None:
        """Start at `start_s`, in seconds since the Unix epoch; `speed` is only what `speed` answers."""
        self._now_s = start_s
        self._speed = speed
        self._civil_ahead_s = 0.0
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int]] = []
        self._released: dict[tuple[float, int], asyncio.Future[None]] = {}
        self._watchers: list[asyncio.Future[None]] = []

    @property
    def speed(self) -> float:
        """Engine seconds per real second, as given; it does not move the clock."""
        return self._speed

    def now(self) -> float:
        """The time in seconds; never steps backwards."""
        return self._now_s

    def civil(self) -> float:
        """The time by the wall clock: `now` and all of `step_civil` together."""
        return self._now_s + self._civil_ahead_s

    async def sleep_until(self, when_s: float) -> None:
        """Return once `now() >= when_s`; at once if that has passed. A cancelled sleeper is forgotten."""
        if when_s <= self._now_s:
            return
        released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        key = (when_s, next(self._numbers))
        insort(self._sleepers, key)
        self._released[key] = released
        self._tell_watchers()
        try:
            await released
        finally:
            if self._released.pop(key, None):
                del self._sleepers[bisect_left(self._sleepers, key)]

    def next_wakeup(self) -> float | None:
        """When the next sleeper is due, or None when nobody sleeps."""
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Let that much time pass in one go and release who is due; the woken run when the caller next awaits."""
        self.advance_to(self._now_s + seconds)

    def advance_to(self, when_s: float) -> None:
        """Like `advance`, to a point in time; raises InvalidValueError when that has passed."""
        if not when_s >= self._now_s:
            raise InvalidValueError(name="clock", expected=f"a time from {self._now_s} on", found=when_s)
        self._now_s = when_s
        due = bisect_right(self._sleepers, when_s, key=itemgetter(0))
        for key in self._sleepers[:due]:
            released = self._released.pop(key)
            if not released.done():  # cancelled, and has not run since
                released.set_result(None)
        del self._sleepers[:due]

    def step_civil(self, seconds: float) -> None:
        """Set the wall clock forward, or back when negative, as an operator or a time server does.

        Only `civil` changes: `now` goes on as before and no sleeper is released.
        """
        self._civil_ahead_s += seconds

    async def run_for(self, seconds: float) -> None:
        """Like `run_until`, for that much time from now."""
        await self.run_until(self._now_s + seconds)

    async def run_until(self, when_s: float) -> None:
        """Let time pass from wake-up to wake-up, and let everybody run (`settle`) before, between and after."""
        await self.settle()
        while (wakeup_s := self.next_wakeup()) is not None and wakeup_s <= when_s:
            self.advance_to(wakeup_s)
            await self.settle()
        self.advance_to(when_s)
        await self.settle()

    async def settle(self) -> None:
        """Let every task that can run go on until it waits for time, for other tasks or for the outside.

        Counted in passes of the event loop (50), which asyncio cannot tell from "all wait". It does not wait for
        threads and processes: wait for their own signal, or with `wait_for_sleepers`.
        """
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def wait_for_sleepers(self, count: int) -> None:
        """Return once at least `count` tasks sleep on this clock."""
        while len(self._sleepers) < count:
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            await watcher

    def _tell_watchers(self) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
        self._watchers.clear()
