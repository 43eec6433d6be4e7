"""Rings that arrive, are kept, and are shared by those who answer."""

# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from millstream.core.tasks import chunk_id
from millstream.testing.bell_suite.workshop import PATIENCE_S, MakeBell, Workshop, answering, in_time, ring_for


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
