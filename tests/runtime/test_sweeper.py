"""What the sweeper rings for, and when."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from millstream.core.ingestion import ClaimBatch, Queue, ReadIngestion
from millstream.core.model import AttemptResult, Retry
from millstream.core.operations import Finish, SetMeta, SetPaused
from millstream.core.queries import ReadMeta
from millstream.core.tasks import PIPELINE, Status
from millstream.errors import BellUnavailableError
from millstream.ports.bell import Ring
from millstream.runtime.sweeper import RING, SWEEPER, Sweeper, SweepSettings
from runtime.ledgerroom import LedgerRoom, play_in


class Room(LedgerRoom):
    """A ledger, a clock, and sweepers whose rings are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.rung: list[str] = []
        self.requested: list[str] = []
        self.trouble: BellUnavailableError | None = None

    def sweeper(self, owner: str = "a", *, has_requests: bool = False) -> Sweeper:
        """One whose draws are all in the middle, so that times are as they are set."""
        return Sweeper(
            SweepSettings(owner=owner, pipelines=(PIPELINE,)),
            ledger=self.ledger,
            clock=self.clock,
            ring=self.ring,
            request=self.request if has_requests else None,
            draw=lambda: 0.5,
        )

    async def ring(self, rings: Sequence[Ring]) -> None:
        """What a bell would do."""
        if self.trouble is not None:
            raise self.trouble
        self.rung += [each.batch_id for each in rings]

    async def request(self, message_id: str) -> None:
        """What a queue of requests would do."""
        self.requested.append(message_id)

    async def claim(self, batch_id: str, *, lease_s: float = 30.0) -> int:
        """Claim a batch; returns its fence."""
        now = self.clock.now()
        job = await self.ledger.do(ClaimBatch(batch_id=batch_id, at=now, owner="w", lease_until=now + lease_s))
        assert job is not None
        return job.fence


def play(scenario: Callable[[Room], Awaitable[None]]) -> None:
    """Play a scenario in a room of its own."""
    play_in(Room, scenario)


async def later(room: Room, sweeper: Sweeper, seconds: int) -> None:
    """Let time pass with a look every second."""
    for _ in range(seconds):
        room.clock.advance(1)
        await sweeper.sweep()


async def on_duty(room: Room, **words: bool) -> Sweeper:
    """A sweeper that has signed up."""
    sweeper = room.sweeper(**words)
    await sweeper.sweep()
    return sweeper


def test_a_new_batch_is_left_to_its_maker_at_first() -> None:
    """A batch that was never tried is rung for after ten seconds, and then at growing distances."""

    async def scenario(room: Room) -> None:
        sweeper = await on_duty(room)
        batch_id = await room.accept()
        rung_at: list[float] = []
        for second in range(80):
            before = len(room.rung)
            await sweeper.sweep()
            if len(room.rung) > before:
                rung_at.append(second)
            room.clock.advance(1)

        assert set(room.rung) == {batch_id}
        assert rung_at == [10, 20, 40]

    play(scenario)


def test_a_lost_lease_is_rung_for_at_once() -> None:
    """What a worker did not renew is ready again, and rung for in the same look."""

    async def scenario(room: Room) -> None:
        sweeper = await on_duty(room)
        batch_id = await room.accept()
        await room.claim(batch_id, lease_s=5)
        await sweeper.sweep()
        assert room.rung == []

        room.clock.advance(6)
        await sweeper.sweep()

        assert room.rung == [batch_id]

    play(scenario)


def test_a_retry_is_rung_for_when_it_is_due() -> None:
    """A batch that waits is rung for at its time, for which the sweeper wakes; not before."""

    async def scenario(room: Room) -> None:
        sweeper = await on_duty(room)
        batch_id = await room.accept()
        fence = await room.claim(batch_id)
        due = room.clock.now() + 3
        result = AttemptResult(outcome=Retry(error="no"))
        await room.ledger.do(Finish(batch_id=batch_id, fence=fence, at=room.clock.now(), result=result, not_before=due))
        assert await sweeper.sweep() == due
        assert room.rung == []

        room.clock.advance_to(due)
        await sweeper.sweep()

        assert room.rung == [batch_id]

    play(scenario)


def test_a_lost_request_is_sent_again() -> None:
    """An ingestion that stays accepted for ten seconds has its request sent again."""

    async def scenario(room: Room) -> None:
        sweeper = await on_duty(room, has_requests=True)
        await room.accept(is_queued=False)
        await sweeper.sweep()
        assert room.requested == []

        await later(room, sweeper, 11)
        assert room.requested == ["m1"]

        await room.ledger.do(Queue(message_id="m1", at=room.clock.now()))
        await later(room, sweeper, 100)
        assert room.requested == ["m1"]

    play(scenario)


def test_without_requests_it_queues_itself() -> None:
    """With no queue of requests an accepted ingestion is queued by the sweeper, and rung for."""

    async def scenario(room: Room) -> None:
        sweeper = await on_duty(room)
        batch_id = await room.accept(is_queued=False)
        await sweeper.sweep()
        await later(room, sweeper, 11)

        row = await room.ledger.read(ReadIngestion(message_id="m1"))
        assert row is not None
        assert row.status is Status.QUEUED
        assert room.rung == [batch_id]

    play(scenario)


def test_one_sweeps_at_a_time() -> None:
    """Of several only one rings; when it is gone another takes over after its term."""

    async def scenario(room: Room) -> None:
        first, second = room.sweeper("a"), room.sweeper("b")
        for sweeper in (first, second, first, second):
            await sweeper.sweep()
        batch_id = await room.accept()
        await room.claim(batch_id, lease_s=1)
        room.clock.advance(2)
        await second.sweep()
        assert room.rung == []
        await first.sweep()
        assert room.rung == [batch_id]

        await room.claim(batch_id, lease_s=1)
        room.clock.advance(30)
        await second.sweep()
        await second.sweep()
        assert room.rung == [batch_id, batch_id]
        await first.sweep()
        assert room.rung == [batch_id, batch_id]

    play(scenario)


def test_a_sweeper_stays_on_duty() -> None:
    """One that looks as often as it should never loses its duty to another."""

    async def scenario(room: Room) -> None:
        first, second = room.sweeper("a"), room.sweeper("b")
        await first.sweep()
        for _ in range(20):
            room.clock.advance(5)
            await first.sweep()
            await second.sweep()
            text = await room.ledger.read(ReadMeta(key=SWEEPER))
            assert text is not None
            assert '"a"' in text

    play(scenario)


def test_a_term_that_cannot_be_read_is_none() -> None:
    """What somebody else wrote in place of a term, or a term far ahead, keeps nobody from sweeping."""

    async def scenario(room: Room) -> None:
        for text in ("", "null", "[]", '{"owner": "x"}', '{"owner": "x", "until": 1e18}'):
            await room.ledger.do(SetMeta(key=SWEEPER, value=text))
            sweeper = room.sweeper()
            await sweeper.sweep()
            found = await room.ledger.read(ReadMeta(key=SWEEPER))
            assert found is not None
            assert '"a"' in found

    play(scenario)


def test_a_bell_that_is_away_is_told() -> None:
    """While nobody can be rung for, ingestions say what they wait for; afterwards they do not any more."""

    async def scenario(room: Room) -> None:
        sweeper = await on_duty(room)
        batch_id = await room.accept()
        room.trouble = BellUnavailableError(address="amqp://rabbit", reason="refused")
        room.clock.advance(1)
        await sweeper.sweep()
        await later(room, sweeper, 11)
        row = await room.ledger.read(ReadIngestion(message_id="m1"))
        assert row is not None
        assert "amqp://rabbit cannot be reached" in row.waits_for

        room.trouble = None
        room.clock.advance(1)
        await sweeper.sweep()
        row = await room.ledger.read(ReadIngestion(message_id="m1"))
        assert row is not None
        assert row.waits_for == ""
        assert room.rung == [batch_id]

    play(scenario)


def test_it_runs_by_itself() -> None:
    """Running, it looks when time passes, and rings without being asked."""

    async def scenario(room: Room) -> None:
        task = asyncio.ensure_future(room.sweeper().run())
        batch_id = await room.accept()
        async with asyncio.timeout(20):
            while not room.rung:
                await room.clock.run_for(1)
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert room.rung[0] == batch_id

    play(scenario)


def test_what_an_operator_let_go_is_rung_for_at_once() -> None:
    """Its first ring was in vain, as nobody may claim what is held back; so it does not wait like a new batch."""

    async def scenario(room: Room) -> None:
        sweeper = await on_duty(room)
        await sweeper.sweep()
        step = await room.accept()
        now = room.clock.now()
        await room.ledger.do(SetPaused(batch_id=step, paused=True, at=now))
        await later(room, sweeper, 30)
        held_back = list(room.rung)
        resume = SetPaused(batch_id=step, paused=False, at=now + 30)
        await room.ledger.apply([resume, SetMeta(key=RING, value=repr(now + 30))])
        await sweeper.sweep()

        assert held_back == []
        assert room.rung == [step]
        await later(room, sweeper, 5)
        assert room.rung == [step]

    play(scenario)
