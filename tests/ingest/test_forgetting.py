"""Whose marks are forgotten."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingest.joinery import Workshop
from millstream.core.operations import Release
from millstream.errors import BrokerError
from millstream.ingest.forgetting import REST_S, Forgetter
from millstream.testing.ledger_suite.driver import NOON
from millstream.testing.ledger_suite.ingestion_driver import bury

TOPIC = "kafka://broker:9092/records"


class Scene:
    """A ledger, somebody who forgets, and what was forgotten."""

    def __init__(self, folder: Path) -> None:
        self.shop = Workshop(folder)
        self.forgotten: list[tuple[str, list[str]]] = []
        self.told: list[str] = []
        self.trouble: BrokerError | None = None
        self.asked = asyncio.Event()
        self.forgetter = Forgetter(
            self.shop.driver.ledger,
            clock=self.shop.clock,
            forget=self.forget,
            has_marks=lambda sink: sink.startswith("kafka://"),
            tell=self.told.append,
        )

    async def forget(self, sink: str, batch_ids: Sequence[str]) -> None:
        """What the sink would do."""
        self.asked.set()
        if self.trouble is not None:
            raise self.trouble
        self.forgotten.append((sink, list(batch_ids)))

    def end(self, message_id: str = "m", *, sink: str = TOPIC) -> None:
        """An ingestion of one chunk is done."""
        self.shop.files.finish(*self.shop.files.start(message_id, chunks=1, sink=sink))
        self.forgetter.over(self.shop.files.row(message_id))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.shop.close()


def test_only_what_was_claimed_once_and_is_done(scene: Scene) -> None:
    """An attempt that was given up may still hang somewhere, and a dead chunk may be tried again: their marks stay."""
    shop = scene.shop
    once, twice, dead = shop.files.start(chunks=3, sink=TOPIC)
    shop.files.finish(once)
    shop.driver.do(Release(batch_id=twice.id, fence=twice.fence, at=NOON))
    shop.files.finish(*shop.reclaim())
    shop.driver.do(bury(dead))
    scene.forgetter.over(shop.files.row())

    shop.driver.run(scene.forgetter.forget())

    assert scene.forgotten == [(TOPIC, [once.id])]


def test_nothing_is_forgotten_before_the_end_or_for_other_sinks(scene: Scene) -> None:
    """An ingestion that goes on needs its marks; a queue or a folder has none."""
    jobs = scene.shop.files.start(chunks=2, sink=TOPIC)
    scene.shop.files.finish(jobs[0])
    scene.forgetter.over(scene.shop.files.row())
    scene.end("q", sink="amqp://broker/records")

    scene.shop.driver.run(scene.forgetter.forget())

    assert scene.forgotten == []


def test_what_ends_together_is_forgotten_together(scene: Scene) -> None:
    """Some seconds after the first end, in one go; trouble is told, and it goes on with the next."""

    async def scenario() -> None:
        scene.asked.clear()
        running = asyncio.ensure_future(scene.forgetter.run())
        async with asyncio.timeout(30):
            await scene.shop.clock.wait_for_sleepers(1)
            assert not scene.asked.is_set()
            scene.shop.clock.advance(REST_S)
            await scene.asked.wait()
            await scene.shop.clock.settle()
        running.cancel()

    scene.end("a")
    scene.end("b")
    scene.shop.driver.run(scenario())
    scene.trouble = BrokerError(brokers="broker:9092", reason="it is down")
    scene.end("c")
    scene.shop.driver.run(scenario())

    assert scene.forgotten == [(TOPIC, ["a-000000", "b-000000"])]
    assert scene.told == ["marks of chunks are left to the sink: kafka: broker:9092: it is down"]
