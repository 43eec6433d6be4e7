"""Who answers rings in these suites: a workshop, which works each batch once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from millstream.core.tasks import PIPELINE
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
