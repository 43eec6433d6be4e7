"""A server that goes and comes back."""

# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import Callable

import pytest

from millstream.errors import BellUnavailableError
from millstream.ports.bell import Bell, Ring
from millstream.testing.bell_suite.workshop import PATIENCE_S, MakeBell, Workshop, answering, ring_for


class BellOutageSuite:
    """What a bell must do when its server goes and comes back; override the fixtures.

    `make_bell` makes bells at a server of the test's own, which `kill` kills and `start` starts again with its data;
    both block.
    """

    @pytest.fixture
    def make_bell(self) -> MakeBell:
        """How a bell is made."""
        raise NotImplementedError

    @pytest.fixture
    def kill(self) -> Callable[[], None]:
        """How the server is killed."""
        raise NotImplementedError

    @pytest.fixture
    def start(self) -> Callable[[], None]:
        """How it is started again."""
        raise NotImplementedError

    def test_an_outage(self, make_bell: MakeBell, kill: Callable[[], None], start: Callable[[], None]) -> None:
        """A server that is away is an error for who rings, and a wait for who answers; what was claimed goes on."""

        async def scenario() -> None:
            bell, workshop = make_bell(), Workshop(is_open=False)
            async with answering(bell, workshop):
                await bell.ring([ring_for("b1", message_id=None)])
                await workshop.until(lambda: len(workshop.claimed) == 1)
                await asyncio.to_thread(kill)
                with pytest.raises(BellUnavailableError, match="cannot be reached"):
                    await bell.ring([ring_for("b2", message_id=None)])
                with pytest.raises(BellUnavailableError):
                    await bell.check()
                workshop.opened.set()
                await workshop.until(lambda: workshop.worked == ["b1"])
                await asyncio.to_thread(start)
                await self.ring_patiently(bell, ring_for("b3", message_id=None))
                await workshop.until(lambda: "b3" in workshop.worked)
            await bell.close()

            assert workshop.cancelled == []

        asyncio.run(asyncio.wait_for(scenario(), 2 * PATIENCE_S))

    async def ring_patiently(self, bell: Bell, ring: Ring) -> None:
        """Ring until it was heard, as whoever looks after the ledger does."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await bell.ring([ring])
                except BellUnavailableError:
                    await asyncio.sleep(0.1)
