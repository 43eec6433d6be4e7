"""How long a sweeper rests between two looks."""

import asyncio
from collections.abc import Sequence

from millstream.core.tasks import PIPELINE
from millstream.ports.bell import Ring
from millstream.runtime.sweeper import Sweeper, SweepSettings
from millstream.testing.clock import ManualClock
from runtime.ledgerroom import LedgerRoom, play_in


class Hurrying(ManualClock):
    """A clock on which every sleep is over at once; it notes how long they were, and stops who sleeps too often."""

    def __init__(self, *, most: int) -> None:
        super().__init__()
        self.slept: list[float] = []
        self._most = most

    async def sleep_until(self, when_s: float) -> None:
        """Note it, and let the time pass."""
        if len(self.slept) == self._most:
            raise asyncio.CancelledError
        self.slept.append(round(when_s - self.now(), 3))
        self.advance(max(0.0, when_s - self.now()))


class Room(LedgerRoom):
    """A ledger, and a clock on which every sleep is over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: Hurrying = Hurrying(most=16)
        self.rung: list[str] = []

    async def ring(self, rings: Sequence[Ring]) -> None:
        """What a bell would do."""
        self.rung += [each.batch_id for each in rings]

    async def rests(self) -> list[float]:
        """Have a sweeper look until its clock stops it; how long it rested after each look, whatever happens."""
        settings = SweepSettings(owner="a", pipelines=(PIPELINE,))
        sweeper = Sweeper(
            settings, ledger=self.ledger, clock=self.clock, ring=self.ring, request=None, draw=lambda: 0.5
        )
        await asyncio.gather(sweeper.run(), return_exceptions=True)
        return self.clock.slept[::2]  # every other sleep is the one that a change of the ledger ends


def test_looks_that_come_to_nothing_become_rarer() -> None:
    """While the ledger changes all the time and nothing has to be rung for, the sweeper looks once in a second."""

    async def scenario(room: Room) -> None:
        assert await room.rests() == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    play_in(Room, scenario)


def test_a_look_that_finds_something_is_followed_by_another_soon() -> None:
    """After a ring it looks again as soon as at first, for there may be more."""

    async def scenario(room: Room) -> None:
        await room.accept()

        rests = await room.rests()

        assert room.rung
        assert 0.25 in rests[3:]

    play_in(Room, scenario)
