"""ManualClock: time passes when the test says so, and wakes sleepers in order."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.errors import InvalidValueError
from millstream.ports import Clock
from millstream.testing.clock import ManualClock
from millstream.testing.clock_suite import ClockSuite

START_S = 1_000.0

Scenario = Callable[[ManualClock], Coroutine[None, None, None]]


def play(scenario: Scenario) -> ManualClock:
    """Run a scenario with a clock of its own, in a loop of its own."""
    clock = ManualClock(start_s=START_S)
    asyncio.run(asyncio.wait_for(scenario(clock), timeout=10))
    return clock


async def note(clock: ManualClock, when_s: float, *, seen: list[tuple[float, float]]) -> None:
    """Sleep, then write down what was asked for and what the clock said."""
    await clock.sleep_until(when_s)
    seen.append((when_s, clock.now()))


def look(clock: Clock) -> tuple[float, float, float]:
    """What the engine may ask of any clock."""
    return clock.now(), clock.civil(), clock.speed


class TestManualClock(ClockSuite):
    """It is a clock."""

    def make_clock(self) -> ManualClock:
        """One that stands still."""
        return ManualClock(start_s=START_S)

    async def let_pass(self, seconds: float, *, clock: Clock) -> None:
        """Move the hands."""
        assert isinstance(clock, ManualClock)
        await clock.run_for(seconds)


def test_the_engine_takes_it_for_its_own() -> None:
    """It tells time and speed as it was made."""
    assert look(ManualClock(start_s=START_S, speed=300.0)) == (START_S, START_S, 300.0)


def test_time_stands_still_until_it_is_moved() -> None:
    """Nothing but the test moves the hands."""
    clock = ManualClock(start_s=START_S)
    clock.advance(2.5)
    clock.advance_to(START_S + 3.0)

    assert clock.now() == START_S + 3.0


@pytest.mark.parametrize("seconds", [-0.001, float("nan")])
def test_time_never_steps_backwards(seconds: float) -> None:
    """A test that asks for the past is told so."""
    clock = ManualClock(start_s=START_S)

    with pytest.raises(InvalidValueError, match=r"clock: expected a time from 1000.0 on"):
        clock.advance(seconds)


def test_a_time_that_has_passed_is_not_waited_for() -> None:
    """Sleeping until now returns without a sleeper."""

    async def scenario(clock: ManualClock) -> None:
        await clock.sleep_until(clock.now())
        await clock.sleep_until(0.0)

    clock = play(scenario)

    assert clock.next_wakeup() is None


@given(st.lists(st.floats(min_value=0.5, max_value=50.0), max_size=30))
def test_advancing_in_one_go_wakes_in_order_of_time(delays: list[float]) -> None:
    """Who is due first runs first, of equals who slept first, and all see the new time."""
    seen: list[tuple[float, float]] = []

    async def scenario(clock: ManualClock) -> None:
        tasks = [asyncio.create_task(note(clock, START_S + delay, seen=seen)) for delay in delays]
        await clock.wait_for_sleepers(len(delays))
        clock.advance(100.0)
        await asyncio.gather(*tasks)

    play(scenario)

    assert seen == [(START_S + delay, START_S + 100.0) for delay in sorted(delays)]


def test_advancing_wakes_nobody_early() -> None:
    """A sleeper whose time has not come sleeps on, and is the next wake-up."""
    seen: list[tuple[float, float]] = []

    async def scenario(clock: ManualClock) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(note(clock, START_S + 10.0, seen=seen))
            tasks.create_task(note(clock, START_S + 20.0, seen=seen))
            await clock.wait_for_sleepers(2)
            clock.advance(19.0)
            await clock.settle()
            assert seen == [(START_S + 10.0, START_S + 19.0)]
            assert clock.next_wakeup() == START_S + 20.0
            clock.advance(1.0)

    play(scenario)

    assert seen[1] == (START_S + 20.0, START_S + 20.0)


def test_running_goes_from_wake_up_to_wake_up() -> None:
    """A task that sleeps again and again sees every time that it asked for."""
    ticks: list[float] = []

    async def ticker(clock: ManualClock) -> None:
        for tick in range(1, 6):
            await clock.sleep_until(START_S + tick * 10.0)
            ticks.append(clock.now())

    async def scenario(clock: ManualClock) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ticker(clock))
            await clock.run_for(35.0)
            assert ticks == [START_S + 10.0, START_S + 20.0, START_S + 30.0]
            assert clock.now() == START_S + 35.0
            await clock.run_until(START_S + 60.0)

    play(scenario)

    assert ticks[3:] == [START_S + 40.0, START_S + 50.0]


def test_settling_lets_a_chain_of_tasks_run() -> None:
    """One wake-up that is handed on from task to task arrives before time goes on."""

    async def scenario(clock: ManualClock) -> None:
        loop = asyncio.get_running_loop()
        links = [loop.create_future() for _ in range(20)]

        async def hand_on(link: int) -> None:
            await links[link]
            if link + 1 < len(links):
                links[link + 1].set_result(None)

        async with asyncio.TaskGroup() as tasks:
            for link in range(len(links)):
                tasks.create_task(hand_on(link))
            await clock.settle()
            links[0].set_result(None)
            await clock.settle()
            assert links[-1].done()

    play(scenario)


def test_a_cancelled_sleeper_is_forgotten() -> None:
    """It is no next wake-up any more and holds nothing."""

    async def scenario(clock: ManualClock) -> None:
        sleepers = [asyncio.create_task(clock.sleep_until(START_S + 5.0 + number % 3)) for number in range(30)]
        await clock.wait_for_sleepers(30)
        for sleeper in sleepers[1:]:
            sleeper.cancel()
        await asyncio.gather(*sleepers[1:], return_exceptions=True)
        assert clock.next_wakeup() == START_S + 5.0
        sleepers[0].cancel()
        await asyncio.gather(sleepers[0], return_exceptions=True)

    clock = play(scenario)

    assert clock.next_wakeup() is None


def test_a_sleeper_that_is_cancelled_when_it_is_due_stays_cancelled() -> None:
    """Time that passes right after a cancellation does not undo it."""

    async def scenario(clock: ManualClock) -> None:
        sleeper = asyncio.create_task(clock.sleep_until(START_S + 5.0))
        await clock.wait_for_sleepers(1)
        sleeper.cancel()
        clock.advance(10.0)
        with pytest.raises(asyncio.CancelledError):
            await sleeper

    clock = play(scenario)

    assert clock.next_wakeup() is None


def test_waiting_for_sleepers_sees_the_last_one_fall_asleep() -> None:
    """It waits through every one that comes, and can itself be cancelled."""

    async def scenario(clock: ManualClock) -> None:
        async with asyncio.TaskGroup() as tasks:
            impatient = tasks.create_task(clock.wait_for_sleepers(4))
            waiter = tasks.create_task(clock.wait_for_sleepers(3))
            for number in range(3):
                await clock.settle()
                assert not waiter.done()
                impatient.cancel()
                tasks.create_task(clock.sleep_until(START_S + 1.0 + number))
            await waiter
            clock.advance(10.0)

    play(scenario)


def test_a_step_of_the_wall_clock_moves_nothing_else() -> None:
    """Setting the wall clock back by an hour changes schedules, not sleepers."""

    async def scenario(clock: ManualClock) -> None:
        sleeper = asyncio.create_task(clock.sleep_until(START_S + 5.0))
        await clock.wait_for_sleepers(1)
        clock.step_civil(-3_600.0)
        await clock.settle()
        assert not sleeper.done()
        clock.advance(5.0)
        await sleeper

    clock = play(scenario)

    assert clock.now() == START_S + 5.0
    assert clock.civil() == START_S + 5.0 - 3_600.0


def test_a_clock_outlives_an_event_loop() -> None:
    """The same clock serves the engine before and after a simulated crash."""

    async def crash(clock: ManualClock) -> None:
        asyncio.get_running_loop().create_task(clock.sleep_until(START_S + 50.0))
        await clock.wait_for_sleepers(1)

    async def restart(clock: ManualClock) -> None:
        sleeper = asyncio.create_task(clock.sleep_until(START_S + 1.0))
        await clock.wait_for_sleepers(1)
        await clock.run_for(1.0)
        await sleeper

    clock = play(crash)
    asyncio.run(restart(clock))

    assert clock.now() == START_S + 1.0


def test_ten_thousand_sleepers_are_no_burden() -> None:
    """A simulator may have many timers, set and cancelled in any order."""
    seen: list[tuple[float, float]] = []

    async def scenario(clock: ManualClock) -> None:
        due = [START_S + 1.0 + (number * 7_919) % 10_000 for number in range(10_000)]
        tasks = [asyncio.create_task(note(clock, when_s, seen=seen)) for when_s in due]
        await clock.wait_for_sleepers(10_000)
        for task in tasks[::2]:
            task.cancel()
        clock.advance(20_000.0)
        await asyncio.gather(*tasks, return_exceptions=True)

    play(scenario)

    assert len(seen) == 5_000
    assert seen == sorted(seen)
