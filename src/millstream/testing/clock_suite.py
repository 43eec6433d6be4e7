"""What every clock must do, as pytest tests: a clock of yours is right when a subclass of `ClockSuite` passes.

    class TestMyClock(ClockSuite):
        def make_clock(self):
            return MyClock(speed=1000.0)

A clock that moves by itself should run fast, because the suite lets minutes pass. The suite needs pytest. For asserts
that show their values, call `pytest.register_assert_rewrite("millstream.testing.clock_suite")` in a `conftest.py`.
"""

# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

from millstream.ports import Clock

Answer = TypeVar("Answer")
PATIENCE_S = 30.0
ROUNDING_S = 1e-3
"""Engine times are large numbers: their last digits are lost."""


def run(scenario: Coroutine[object, object, Answer]) -> Answer:
    """Run a scenario that must not hang."""
    return asyncio.run(asyncio.wait_for(scenario, PATIENCE_S))


class ClockSuite:
    """The conformance suite of ports.Clock; override `make_clock`, and `let_pass` for a clock that stands still."""

    def make_clock(self) -> Clock:
        """A new clock; called in the event loop."""
        raise NotImplementedError

    async def let_pass(self, seconds: float, *, clock: Clock) -> None:
        """Return when so many engine seconds have passed and everybody who slept until then has run."""
        await clock.sleep_until(clock.now() + seconds)
        await asyncio.sleep(0)

    def test_time_never_steps_backwards(self) -> None:
        """Neither between calls nor between threads."""

        async def scenario() -> list[float]:
            clock = self.make_clock()
            seen = []
            with ThreadPoolExecutor(max_workers=1) as thread:
                for _ in range(200):
                    seen += [clock.now(), thread.submit(clock.now).result()]
                    await self.let_pass(0.01, clock=clock)
            return seen

        assert all(earlier <= later for earlier, later in pairwise(run(scenario())))

    def test_speed_is_positive_and_civil_time_is_about_now(self) -> None:
        """As long as nobody has set the wall clock, both tell the same time."""

        async def scenario() -> tuple[float, float]:
            clock = self.make_clock()
            return clock.speed, abs(clock.civil() - clock.now()) / clock.speed

        speed, apart_s = run(scenario())

        assert speed > 0
        assert apart_s < 1.0

    def test_nobody_wakes_early(self) -> None:
        """When `sleep_until` returns, the time has come."""

        async def scenario() -> list[float]:
            clock = self.make_clock()
            start_s = clock.now()

            async def sleep(seconds: float) -> float:
                await clock.sleep_until(start_s + seconds)
                return clock.now() - start_s - seconds

            async with asyncio.TaskGroup() as tasks:
                sleeping = [tasks.create_task(sleep(seconds)) for seconds in (60.0, 0.5, 30.0)]
                await self.let_pass(61.0, clock=clock)
            return [task.result() for task in sleeping]

        assert all(late_s >= -ROUNDING_S for late_s in run(scenario()))

    def test_the_past_is_not_waited_for(self) -> None:
        """A time that has come returns at once, also when nobody moves the clock."""

        async def scenario() -> None:
            clock = self.make_clock()
            for seconds in (0.0, 1.0, 1e9):
                await clock.sleep_until(clock.now() - seconds)
            await clock.sleep_until(float("-inf"))

        run(scenario())

    def test_sleepers_wake_in_the_order_of_their_times(self) -> None:
        """Whatever the order in which they went to sleep."""

        async def scenario() -> list[float]:
            clock = self.make_clock()
            start_s = clock.now()
            woken: list[float] = []

            async def sleep(seconds: float) -> None:
                await clock.sleep_until(start_s + seconds)
                woken.append(seconds)

            async with asyncio.TaskGroup() as tasks:
                for seconds in (90.0, 30.0, 120.0, 60.0):
                    tasks.create_task(sleep(seconds))
                for _ in range(5):
                    await self.let_pass(30.0, clock=clock)
            return woken

        assert run(scenario()) == [30.0, 60.0, 90.0, 120.0]

    def test_a_cancelled_sleeper_disturbs_nobody(self) -> None:
        """The others wake when their time has come."""

        async def scenario() -> tuple[bool, bool]:
            clock = self.make_clock()
            when_s = clock.now() + 30.0
            cancelled, stays = (asyncio.ensure_future(clock.sleep_until(when_s)) for _ in range(2))
            await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            await self.let_pass(31.0, clock=clock)
            await stays
            return cancelled.cancelled(), clock.now() >= when_s

        assert run(scenario()) == (True, True)
