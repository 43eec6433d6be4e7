"""The machine's clocks: nobody who sets one moves a deadline, and a restart goes on where time was."""

import asyncio
import time
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.adapters import clock as module
from millstream.adapters.clock import Anchor, SystemClock
from millstream.testing.clock_suite import ClockSuite

T = TypeVar("T")
WALL_S = 1_800_000_000.0
SECONDS = st.floats(-1e6, 1e6)
SPEEDS = st.floats(0.01, 1000)


class TestSystemClock(ClockSuite):
    """It is a clock."""

    def make_clock(self) -> SystemClock:
        """One that begins now and is fast."""
        now_s = time.time()
        return SystemClock(Anchor(engine_s=now_s, wall_s=now_s, speed=1000.0))


class Machine:
    """Stands in for the module `time`: a wall clock that can be set, and one that counts from the boot on."""

    CLOCK_BOOTTIME = 7

    def __init__(self) -> None:
        self.wall_s = WALL_S
        self.boot_s = 50.0

    def time(self) -> float:
        """The wall clock."""
        return self.wall_s

    def clock_gettime(self, clock: int) -> float:
        """The clock that nobody sets."""
        assert clock == self.CLOCK_BOOTTIME
        return self.boot_s

    def go_on(self, seconds: float) -> None:
        """Time passes, asleep or not."""
        self.wall_s += seconds
        self.boot_s += seconds

    def set(self, seconds: float) -> None:
        """Somebody sets the wall clock forward, or back when negative."""
        self.wall_s += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine that the adapter runs on."""
    machine = Machine()
    monkeypatch.setattr(module, "time", machine)
    return machine


def test_without_an_anchor_it_is_wall_time(machine: Machine) -> None:
    """Engine time begins as Unix time and goes on second by second."""
    clock = SystemClock()
    machine.go_on(90)

    assert clock.now() == clock.civil() == WALL_S + 90
    assert clock.speed == 1.0


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_setting_the_wall_clock_moves_no_deadline(machine: Machine, step_s: float) -> None:
    """`now` goes on as before; `civil`, which schedules go by, follows."""
    clock = SystemClock()
    machine.set(step_s)
    machine.go_on(10)

    assert clock.now() == WALL_S + 10
    assert clock.civil() == WALL_S + step_s + 10


def test_speed(machine: Machine) -> None:
    """At 300 times the speed, a real second is five minutes, for both kinds of time."""
    clock = SystemClock(Anchor(engine_s=WALL_S, wall_s=WALL_S, speed=300.0))
    machine.go_on(2)

    assert clock.now() == clock.civil() == WALL_S + 600


def test_time_goes_on_over_a_restart(machine: Machine) -> None:
    """With the anchor that the ledger keeps, a fast clock is where it would be without the restart."""
    first = SystemClock(Anchor(engine_s=WALL_S, wall_s=WALL_S, speed=300.0))
    machine.go_on(10)
    before = first.now()
    kept = first.anchor.dumps()
    machine.go_on(1)
    machine.boot_s = 0.0  # the machine was started anew, too
    second = SystemClock(Anchor.loads(kept))

    assert second.now() == before + 300
    assert second.speed == 300.0


@given(engine_s=SECONDS, wall_s=SECONDS, speed=SPEEDS, passed_s=st.floats(0, 1e6), new_speed=SPEEDS)
def test_another_speed_goes_on_from_the_same_moment(
    engine_s: float, wall_s: float, speed: float, passed_s: float, new_speed: float
) -> None:
    """Changing speed bends the axis of time where it happens and tears it nowhere."""
    anchor = Anchor(engine_s=engine_s, wall_s=wall_s, speed=speed)
    changed = anchor.rescaled(new_speed, wall_s=wall_s + passed_s)

    assert changed.at(wall_s + passed_s) == anchor.at(wall_s + passed_s)
    assert changed.at(wall_s + passed_s + 1) == pytest.approx(anchor.at(wall_s + passed_s) + new_speed)
    assert Anchor.loads(changed.dumps()) == changed


def test_a_sleeper_notices_that_the_machine_was_asleep(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not sleep through a deadline, as it looks at the clock every now and then."""
    monkeypatch.setattr(module, "LONGEST_SLEEP_S", 0.005)

    async def scenario() -> None:
        clock = SystemClock()
        sleeping = asyncio.ensure_future(clock.sleep_until(clock.now() + 3600))
        await asyncio.sleep(0)
        assert not sleeping.done()
        machine.go_on(3600)
        await asyncio.wait_for(sleeping, 10)

    asyncio.run(scenario())


def test_a_machine_without_such_a_clock(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no clock counts through sleep, the monotonic one has to do."""
    monkeypatch.delattr(Machine, "CLOCK_BOOTTIME")
    monkeypatch.setattr(machine, "monotonic", lambda: machine.boot_s, raising=False)
    clock = SystemClock()
    machine.go_on(5)

    assert clock.now() == WALL_S + 5
