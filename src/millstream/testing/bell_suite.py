"""What every bell must do, as pytest tests: a bell of yours is right when a subclass of `BellSuite` passes.

    class TestMyBell(BellSuite):
        @pytest.fixture
        def make_bell(self, server):
            return lambda: MyBell(server, pipeline=PIPELINE, prefix=...)

The suite needs pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.bell_suite")` in a `conftest.py`.
"""

# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from millstream.core.tasks import PIPELINE, chunk_id
from millstream.errors import BellUnavailableError
from millstream.ports.bell import Bell, Ring, Worked

PATIENCE_S = 60.0

MakeBell = Callable[[], Bell]
"""Makes a bell at one server, with queues of this test's own; called in the event loop, any number of times."""


def ring_for(batch_id: str, *, message_id: str | None = "m1") -> Ring:
    """A ring for a chunk, or for a batch of no ingestion."""
    return Ring(batch_id=batch_id, pipeline=PIPELINE, message_id=message_id)


class Workshop:
    """Works whatever is rung for; each batch once, as a ledger would have it.

    `ready` says what becomes ready by a batch. While `is_open` is not set, what was claimed goes on.
    """

    def __init__(self, *, is_open: bool = True, ready: dict[str, tuple[Ring, ...]] | None = None) -> None:
        self.claimed: list[Ring] = []
        self.worked: list[str] = []
        self.cancelled: list[str] = []
        self.busy = 0
        self.most_busy = 0
        self.opened = asyncio.Event()
        if is_open:
            self.opened.set()
        self._ready = ready or {}
        self._changed = asyncio.Condition()

    async def work(self, ring: Ring, claimed: Callable[[], Awaitable[None]]) -> Worked:
        """What a Bell calls."""
        is_new = bool(ring.batch_id) and all(ring.batch_id != each.batch_id for each in self.claimed)
        if is_new:
            self.claimed.append(ring)
        await claimed()
        await self._tell()
        if not is_new:
            return Worked(state="done" if ring.batch_id else None, is_over=True)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled.append(ring.batch_id)
            raise
        finally:
            self.busy -= 1
        self.worked.append(ring.batch_id)
        await self._tell()
        return Worked(state="done", ready=self._ready.get(ring.batch_id, ()), is_over=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), PATIENCE_S)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def answering(bell: Bell, workshop: Workshop, *, slots: int = 4) -> AsyncIterator[None]:
    """Have a bell answered for a while; cancelled at the end."""
    task = asyncio.ensure_future(bell.answer(workshop.work, slots=slots))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def in_time(awaitable: Awaitable[object]) -> None:
    """Wait, but not for ever."""
    await asyncio.wait_for(awaitable, PATIENCE_S)


class BellSuite:
    """The conformance suite of ports.bell.Bell; override the fixture `make_bell`."""

    @pytest.fixture
    def make_bell(self) -> MakeBell:
        """How a bell is made."""
        raise NotImplementedError

    def play(self, scenario: Callable[[], Awaitable[None]]) -> None:
        """Play a scenario in an event loop of its own."""

        async def bounded() -> None:
            await asyncio.wait_for(scenario(), 2 * PATIENCE_S)

        asyncio.run(bounded())

    def test_a_ring_arrives(self, make_bell: MakeBell) -> None:
        """A ring comes to who answers as it was sent, for a chunk and for a batch of no ingestion."""

        async def scenario() -> None:
            bell, workshop = make_bell(), Workshop()
            async with answering(bell, workshop):
                await bell.ring([ring_for("m1-000001"), ring_for("clicks-1", message_id=None)])
                await workshop.until(lambda: len(workshop.worked) == 2)  # noqa: PLR2004 - both
            await bell.close()

            assert set(workshop.claimed) == {ring_for("m1-000001"), ring_for("clicks-1", message_id=None)}

        self.play(scenario)

    def test_a_ring_is_kept_until_somebody_answers(self, make_bell: MakeBell) -> None:
        """A ring that nobody heard is there for who comes later, even if the one that rang is gone."""

        async def scenario() -> None:
            first = make_bell()
            await first.ring([ring_for("m1-000001")])
            await first.close()

            later, workshop = make_bell(), Workshop()
            async with answering(later, workshop):
                await workshop.until(lambda: workshop.worked == ["m1-000001"])
            await later.close()

        self.play(scenario)

    def test_many_rings_by_few(self, make_bell: MakeBell) -> None:
        """Many batches are all worked, never more of them at once than there are slots."""
        ids = [chunk_id(f"m{number % 3}", seq=number) for number in range(90)]
        slots = 4

        async def scenario() -> None:
            bell, workshop = make_bell(), Workshop()
            async with answering(bell, workshop, slots=slots):
                await bell.ring([ring_for(each, message_id=each.partition("-")[0]) for each in ids])
                await workshop.until(lambda: len(workshop.worked) == len(ids))
            await bell.close()

            assert sorted(workshop.worked) == sorted(ids)
            assert workshop.most_busy <= slots

        self.play(scenario)

    def test_all_slots_are_used(self, make_bell: MakeBell) -> None:
        """As many batches as there are slots are worked at the same time; the next begins when one has ended."""
        slots = 4

        async def scenario() -> None:
            bell, workshop = make_bell(), Workshop(is_open=False)
            async with answering(bell, workshop, slots=slots):
                await bell.ring([ring_for(chunk_id("m1", seq=number)) for number in range(slots + 1)])
                await workshop.until(lambda: workshop.busy == slots or len(workshop.claimed) == slots)
                workshop.opened.set()
                await workshop.until(lambda: len(workshop.worked) == slots + 1)
            await bell.close()

            assert workshop.most_busy == slots

        self.play(scenario)

    def test_busy_workers_keep_no_ring_from_idle_ones(self, make_bell: MakeBell) -> None:
        """While all slots of one worker are taken, another one hears every further ring."""

        async def scenario() -> None:
            busy, idle = Workshop(is_open=False), Workshop()
            one, other = make_bell(), make_bell()
            async with answering(one, busy, slots=1):
                await one.ring([ring_for("m1-000001")])
                await busy.until(lambda: len(busy.claimed) == 1)
                await one.ring([ring_for(f"b{number}", message_id=None) for number in range(10)])
                async with answering(other, idle, slots=1):
                    await idle.until(lambda: len(idle.worked) == 10)  # noqa: PLR2004 - all that were rung
            await one.close()
            await other.close()

            assert busy.worked == []

        self.play(scenario)

    def test_what_became_ready_is_passed_on(self, make_bell: MakeBell) -> None:
        """What is ready after a batch is worked next, of the same ingestion and of another one."""
        chain = {
            "m1-plan-000000": (ring_for("m1-000000"), ring_for("m2-plan-000000", message_id="m2")),
            "m1-000000": (ring_for("m1-000001"),),
        }

        async def scenario() -> None:
            bell, workshop = make_bell(), Workshop(ready=chain)
            async with answering(bell, workshop):
                await bell.ring([ring_for("m1-plan-000000")])
                await workshop.until(lambda: len(workshop.worked) == 4)  # noqa: PLR2004 - the whole chain
            await bell.close()

            assert set(workshop.worked) == {"m1-plan-000000", "m1-000000", "m1-000001", "m2-plan-000000"}

        self.play(scenario)

    def test_stopping_ends_what_is_in_hand(self, make_bell: MakeBell) -> None:
        """After a stop no ring is taken any more; what was claimed is worked to its end, the rest is for others."""

        async def scenario() -> None:
            bell, workshop, stop = make_bell(), Workshop(is_open=False), asyncio.Event()
            task = asyncio.ensure_future(bell.answer(workshop.work, slots=1, stop=stop))
            await bell.ring([ring_for("b1", message_id=None)])
            await workshop.until(lambda: len(workshop.claimed) == 1)
            stop.set()
            await bell.ring([ring_for("b2", message_id=None)])
            workshop.opened.set()
            await in_time(task)

            assert workshop.worked == ["b1"]
            later, successor = make_bell(), Workshop()
            async with answering(later, successor):
                await successor.until(lambda: "b2" in successor.worked)
            await bell.close()
            await later.close()

        self.play(scenario)

    def test_cancelling_cancels_what_is_in_hand(self, make_bell: MakeBell) -> None:
        """Who is cancelled cancels what is being worked, and is gone at once."""

        async def scenario() -> None:
            bell, workshop = make_bell(), Workshop(is_open=False)
            async with answering(bell, workshop):
                await bell.ring([ring_for("b1", message_id=None)])
                await workshop.until(lambda: len(workshop.claimed) == 1)
            await bell.close()

            assert workshop.cancelled == ["b1"]

        self.play(scenario)

    def test_checking(self, make_bell: MakeBell) -> None:
        """A server that is there raises nothing."""

        async def scenario() -> None:
            bell = make_bell()
            await in_time(bell.check())
            await bell.close()

        self.play(scenario)


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
