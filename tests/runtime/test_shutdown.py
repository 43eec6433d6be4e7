"""The drain: its order, and that it ends."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from millstream.runtime.shutdown import DrainSettings, drain


class Intake:
    """Notes what is asked of it; ends when it is told to, after `delay` passes of the event loop."""

    def __init__(self, name: str, steps: list[str], *, delay: int = 0) -> None:
        self.ended = asyncio.Event()
        self._name = name
        self._steps = steps
        self._delay = delay

    def stop(self) -> None:
        """See Stoppable."""
        self._steps.append(f"stop {self._name}")
        self._ending = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        for _ in range(self._delay):
            await asyncio.sleep(0)
        self._steps.append(f"{self._name} ended")
        self.ended.set()


class Dispatcher:
    """Notes what is asked of it; has work for `work_s`."""

    def __init__(self, name: str, steps: list[str], *, work_s: float = 0.0) -> None:
        self._name = name
        self._steps = steps
        self._work_s = work_s

    def stop_claiming(self) -> None:
        """See Drainable."""
        self._steps.append(f"{self._name} claims no more")

    def give_back_unstarted(self) -> None:
        """See Drainable."""
        self._steps.append(f"{self._name} gives back")

    async def finish(self, *, until_idle: bool = False) -> None:
        """See Drainable."""
        self._steps.append(f"{self._name} finishes" + (" until idle" if until_idle else ""))
        await asyncio.sleep(self._work_s)
        self._steps.append(f"{self._name} finished")


def play(scenario: Callable[[list[str]], Coroutine[None, None, None]]) -> list[str]:
    """The steps of a scenario that must not hang."""
    steps: list[str] = []
    asyncio.run(asyncio.wait_for(scenario(steps), 10))
    return steps


def test_keep_gives_back_and_finishes_what_runs():
    """All intakes stop and end before any dispatcher is asked; then what has no worker goes back."""

    async def scenario(steps: list[str]) -> None:
        intakes = [Intake("a", steps, delay=5), Intake("b", steps)]
        await drain(intakes, [Dispatcher("x", steps), Dispatcher("y", steps)], settings=DrainSettings())

    assert play(scenario) == [
        "stop a",
        "stop b",
        "b ended",
        "a ended",
        "x claims no more",
        "x gives back",
        "y claims no more",
        "y gives back",
        "x finishes",
        "x finished",
        "y finishes",
        "y finished",
        "x claims no more",
        "y claims no more",
    ]


def test_close_works_everything_first():
    """What was just closed is claimed and worked until nothing is ready; only then claiming stops."""

    async def scenario(steps: list[str]) -> None:
        await drain([Intake("a", steps)], [Dispatcher("x", steps)], settings=DrainSettings(mode="close"))

    assert play(scenario) == ["stop a", "a ended", "x finishes until idle", "x finished", "x claims no more"]


@pytest.mark.parametrize("mode", ["keep", "close"])
def test_the_limit_ends_the_wait(mode):
    """An attempt that outlives it is not waited for, and nothing is claimed after it."""

    async def scenario(steps: list[str]) -> None:
        settings = DrainSettings(mode=mode, limit_s=0.01)
        await drain([Intake("a", steps)], [Dispatcher("x", steps, work_s=60)], settings=settings)

    steps = play(scenario)

    assert "x finished" not in steps
    assert steps[-1] == "x claims no more"


def test_nothing_to_drain():
    """An engine without pipelines is drained at once."""
    assert play(lambda _: drain([], [], settings=DrainSettings())) == []
