"""When it is said that nobody works."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.ingestion import Accept, Act, Action, ClaimBatch, Explain, FileSpec, Queue, ReadIngestion, plan_id
from millstream.core.model import Kind
from millstream.core.operations import DeclarePipeline, Release
from millstream.core.tasks import PIPELINE
from millstream.runtime.unattended import NOBODY, Unattended, UnattendedSettings
from millstream.testing.clock import ManualClock


class Room:
    """A ledger with ingestions, and somebody who looks."""

    def __init__(self) -> None:
        self.ledger = SqliteLedger(Path(":memory:"))
        self.clock = ManualClock()
        self.looker = self.look_anew()

    def look_anew(self) -> Unattended:
        """As after a start."""
        self.looker = Unattended(UnattendedSettings(), ledger=self.ledger, clock=self.clock)
        return self.looker

    async def accept(self, message_id: str = "m1", *, is_queued: bool = True) -> None:
        now = self.clock.now()
        await self.ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.CHUNK, at=now))
        spec = FileSpec(message_id=message_id, container="c", name="f.csv", sink="/out")
        await self.ledger.do(Accept(spec=spec, principal="", at=now, is_queued=is_queued))

    async def claim(self, message_id: str = "m1") -> int:
        now = self.clock.now()
        batch_id = plan_id(message_id, seq=0)
        job = await self.ledger.do(ClaimBatch(batch_id=batch_id, at=now, owner="w", lease_until=now + 30))
        assert job is not None
        return job.fence

    async def wait(self, seconds: int) -> None:
        """Let time pass with a look every second."""
        for _ in range(seconds):
            self.clock.advance(1)
            await self.looker.look()

    async def reason(self, message_id: str = "m1") -> str:
        row = await self.ledger.read(ReadIngestion(message_id=message_id))
        assert row is not None
        return row.waits_for


def play(scenario: Callable[[Room], Awaitable[None]]) -> None:
    async def bounded() -> None:
        room = Room()
        try:
            await asyncio.wait_for(scenario(room), 30)
        finally:
            await room.ledger.close()

    asyncio.run(bounded())


def test_work_that_nobody_takes_says_so() -> None:
    """After twenty seconds, and not before, for a queued and for an accepted ingestion."""

    async def scenario(room: Room) -> None:
        await room.accept("m1")
        await room.accept("m2", is_queued=False)
        await room.wait(20)
        early = await room.reason("m1"), await room.reason("m2")
        await room.wait(1)
        late = await room.reason("m1"), await room.reason("m2")

        assert early == ("", "")
        assert all(reason.startswith(f"{NOBODY} 20 s: is a `millstream worker`") for reason in late)

    play(scenario)


def test_the_reason_goes_when_somebody_takes_a_batch() -> None:
    """Of all ingestions, those that have to wait for their turn included; it comes back if the worker goes."""

    async def scenario(room: Room) -> None:
        await room.accept("m1")
        await room.accept("m2")
        await room.wait(25)
        fence = await room.claim("m1")
        await room.wait(1)
        claimed = await room.reason("m1"), await room.reason("m2")
        await room.ledger.do(Release(batch_id=plan_id("m1", seq=0), fence=fence, at=room.clock.now()))
        await room.wait(15)
        soon = await room.reason("m2")
        await room.wait(10)

        assert claimed == ("", "")
        assert soon == ""
        assert (await room.reason("m2")).startswith(NOBODY)

    play(scenario)


def test_a_busy_worker_is_somebody() -> None:
    """As long as one batch is claimed, what waits behind it says nothing."""

    async def scenario(room: Room) -> None:
        await room.accept("m1")
        await room.accept("m2")
        await room.claim("m1")
        await room.wait(100)

        assert await room.reason("m2") == ""

    play(scenario)


def test_a_request_that_was_taken_is_a_sign_of_life() -> None:
    """Whoever queues an accepted ingestion is a worker, so it begins to count anew."""

    async def scenario(room: Room) -> None:
        await room.accept("m1", is_queued=False)
        await room.wait(15)
        await room.ledger.do(Queue(message_id="m1", at=room.clock.now()))
        await room.wait(15)

        assert await room.reason("m1") == ""

    play(scenario)


def test_another_reason_stands() -> None:
    """What waits for a store that is down says that, and what is paused says nothing."""

    async def scenario(room: Room) -> None:
        await room.accept("m1")
        await room.accept("m2")
        await room.ledger.do(Explain(message_id="m1", reason="store: down", at=room.clock.now()))
        await room.ledger.do(Act(message_id="m2", action=Action.PAUSE, at=room.clock.now()))
        await room.wait(60)

        assert await room.reason("m1") == "store: down"
        assert await room.reason("m2") == ""

    play(scenario)


def test_a_reason_that_an_earlier_service_left_is_taken_back() -> None:
    """A service that starts while workers are at work clears what its predecessor said."""

    async def scenario(room: Room) -> None:
        await room.accept("m1")
        await room.wait(30)
        left = await room.reason("m1")
        await room.claim("m1")
        room.look_anew()
        await room.wait(1)

        assert left
        assert await room.reason("m1") == ""

    play(scenario)


def test_more_work_than_one_look_takes_in_is_still_left_alone() -> None:
    """New ingestions that push older ones out of sight are no sign of life."""

    async def scenario(room: Room) -> None:
        for number in range(1005):
            await room.accept(f"m{number}", is_queued=False)
        for number in range(1005, 1030):
            await room.accept(f"m{number}", is_queued=False)
            await room.wait(1)

        told = await room.reason("m1029")
        await room.ledger.do(Queue(message_id="m0", at=room.clock.now()))
        await room.claim("m0")
        await room.wait(1)

        assert told.startswith(NOBODY)
        assert await room.reason("m1029") == ""

    play(scenario)
