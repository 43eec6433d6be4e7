"""Work that does what a test says, and histories of workflows on a real server.

Run as a program it records new histories into `tests/data/temporal`, which later versions must replay. Record under a
new name when workflows do something new; a history that was kept is never replaced.

    python -m adapters.temporal.playing ADDRESS NAME
"""

import asyncio
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from millstream.adapters.temporal.bell import TemporalBell
from millstream.adapters.temporal.connecting import TemporalServer
from millstream.adapters.temporal.orders import INGEST_WORKFLOW, RUNG, TURN_S, IngestOrder
from millstream.core.tasks import PIPELINE, chunk_id, plan_id
from millstream.ports.bell import Ring, Worked

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

HISTORIES = Path(__file__).parents[2] / "data" / "temporal"
PATIENCE_S = 60.0


def ring_for(batch_id: str, *, message_id: str | None = "m1") -> Ring:
    """A ring."""
    return Ring(batch_id=batch_id, pipeline=PIPELINE, message_id=message_id)


class Play:
    """An ingestion of some chunks as a worker would tell of it: a plan step, chunks, some of them tried twice."""

    def __init__(self, *, chunks: int, stubborn: int = 0) -> None:
        self.chunks = [chunk_id("m1", seq=seq) for seq in range(chunks)]
        self.stubborn = set(self.chunks[:stubborn])
        self.done: list[str] = []
        self.looks = 0
        self.is_paused = False
        self.changed = asyncio.Condition()

    async def work(self, ring: Ring, claimed: Callable[[], Awaitable[None]]) -> Worked:
        """What a Bell calls."""
        await claimed()
        worked = self._work(ring)
        async with self.changed:
            self.changed.notify_all()
        return worked

    def _work(self, ring: Ring) -> Worked:
        if not ring.batch_id:
            self.looks += 1
            left = () if self.is_paused else tuple(ring_for(each) for each in self.chunks if each not in self.done)
            return Worked(state=None, ready=left, is_over=len(self.done) > len(self.chunks) and not self.is_paused)
        if ring.batch_id in self.stubborn:
            self.stubborn.discard(ring.batch_id)
            return Worked(state="waiting", not_before=time.time() + 0.2)
        if ring.batch_id not in self.done:
            self.done.append(ring.batch_id)
        is_plan = ring.batch_id == plan_id("m1", seq=0)
        ready = tuple(ring_for(each) for each in self.chunks) if is_plan and not self.is_paused else ()
        return Worked(state="done", ready=ready, is_over=ring.message_id is None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(condition)


class Stage:
    """A server, a bell with queues of its own, and workers that answer it while the stage is entered."""

    def __init__(self, address: str, play: Play, *, slots: int = 4) -> None:
        self.server = TemporalServer(target=address)
        self.prefix = f"t{uuid.uuid4().hex[:12]}"
        self.bell = TemporalBell(self.server, pipeline=PIPELINE, prefix=self.prefix)
        self._play = play
        self._slots = slots

    async def __aenter__(self) -> Self:
        self._answering = asyncio.ensure_future(self.bell.answer(self._play.work, slots=self._slots))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._answering.cancel()
        await asyncio.gather(self._answering, return_exceptions=True)

    async def begin(self, order: IngestOrder) -> None:
        """Begin a workflow with an order that a ring would not give."""
        client = await self.server.connect()
        await client.start_workflow(
            INGEST_WORKFLOW,
            order,
            id=f"{self.prefix}-ingest-{order.message_id}",
            task_queue=f"{self.prefix}-{PIPELINE}",
            start_signal=RUNG,
            start_signal_args=[[plan_id("m1", seq=0)]],
        )

    async def handle(self, name: str = "ingest-m1") -> "WorkflowHandle[object, object]":
        """The latest run of a workflow."""
        client = await self.server.connect()
        return client.get_workflow_handle(f"{self.prefix}-{name}")

    async def runs(self, name: str = "ingest-m1") -> list[str]:
        """The ids of all runs of a workflow, the first one first."""
        client = await self.server.connect()
        async with asyncio.timeout(PATIENCE_S):
            while True:  # lists lag behind
                found = [each async for each in client.list_workflows(f"WorkflowId='{self.prefix}-{name}'")]
                if found and all(each.close_time is not None for each in found):
                    return [each.run_id for each in sorted(found, key=lambda each: each.start_time)]
                await asyncio.sleep(0.1)

    async def until_told(self, kind: str) -> None:
        """Wait until the history of the ingestion has an event of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while True:  # who waits for results, not for events, would have to be told by the workflow
                if f"EVENT_TYPE_{kind}" in await self.history():
                    return
                await asyncio.sleep(0.1)

    async def history(self, run_id: str | None = None, *, name: str = "ingest-m1") -> str:
        """A history as JSON."""
        client = await self.server.connect()
        handle = client.get_workflow_handle(f"{self.prefix}-{name}", run_id=run_id)
        return (await handle.fetch_history()).to_json()


async def record(address: str, name: str) -> None:
    """Record an ingestion with retries, one that continues as new, and a batch of none."""
    play = Play(chunks=40, stubborn=3)
    async with Stage(address, play) as stage:
        await stage.bell.ring([ring_for(plan_id("m1", seq=0))])
        await play.until(lambda: len(play.done) == 41)
        await (await stage.handle()).result()
        _keep(f"{name}-ingestion", await stage.history())
        play = stage._play = Play(chunks=40, stubborn=1)
    async with Stage(address, play) as stage:
        await stage.begin(IngestOrder(message_id="m1", pipeline=PIPELINE, many=1, turn_s=TURN_S, crews=True))
        await play.until(lambda: len(play.done) == 41)
        for number, run_id in enumerate((await stage.runs())[:2]):
            _keep(f"{name}-continued-{number}", await stage.history(run_id))
    play = Play(chunks=1, stubborn=1)
    async with Stage(address, play) as stage:
        await stage.bell.ring([ring_for(play.chunks[0], message_id=None)])
        await play.until(lambda: len(play.done) == 1)
        await (await stage.handle(f"batch-{play.chunks[0]}")).result()
        _keep(f"{name}-batch", await stage.history(name=f"batch-{play.chunks[0]}"))


def _keep(name: str, history: str) -> None:
    path = HISTORIES / f"{name}.json"
    if path.exists():
        raise SystemExit(f"{path.name} is kept; record under another name")
    path.write_text(re.sub(r"\b\d+@[\w.]+", "recorder", history) + "\n")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1], sys.argv[2]))
