"""The activity that works one batch: a thin cover around a worker of ours.

Theory of operation: no work is done in here, it is awaited. The heartbeat says that this process lives, and nothing
else. When the server gives an activity up, because it did not hear of us for a while or somebody ended the workflow,
the batch is still claimed and goes on: only the ledger can take it away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from temporalio import activity

from millstream.adapters.temporal.orders import WORK_ACTIVITY, Outcome, WorkOrder
from millstream.errors import BellUnavailableError
from millstream.ports.bell import Ring, Work, Worked

BEAT_S = 8.0
"""Real seconds between heartbeats; the server waits for almost four times as long."""


class Working:
    """Has batches worked by `work`, at most `slots` at once, in tasks of `group`.

    `now` is the clock by which retries are due. What became ready of other ingestions is rung for by `ring`.
    """

    def __init__(
        self,
        work: Work,
        *,
        slots: int,
        group: asyncio.TaskGroup,
        now: Callable[[], float],
        ring: Callable[[Sequence[Ring]], Awaitable[None]],
    ) -> None:
        self._work = work
        self._free = asyncio.Semaphore(slots)
        self._group = group
        self._now = now
        self._ring = ring
        self._going_on: set[asyncio.Task[Worked]] = set()

    def cancel(self) -> None:
        """End everything that is being worked."""
        for task in self._going_on:
            task.cancel()

    @activity.defn(name=WORK_ACTIVITY)
    async def work(self, order: WorkOrder) -> Outcome:
        """Work one batch, once."""
        task = self._group.create_task(self._work_one(order), name=order.batch_id or "look")
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        beating = asyncio.ensure_future(_beat())
        try:
            worked = await asyncio.shield(task)
        finally:
            beating.cancel()
        return await self._outcome(order, worked)

    async def _work_one(self, order: WorkOrder) -> Worked:
        ring = Ring(batch_id=order.batch_id, pipeline=order.pipeline, message_id=order.message_id)
        async with self._free:
            return await self._work(ring, _nothing_to_acknowledge)

    async def _outcome(self, order: WorkOrder, worked: Worked) -> Outcome:
        """What the workflow is told; what belongs to others is rung for here."""
        own = [each for each in worked.ready if order.message_id is not None and each.message_id == order.message_id]
        own += [each for each in worked.ready if each.batch_id == order.batch_id and each not in own]
        with suppress(BellUnavailableError):  # the sweeper rings for it later
            await self._ring([each for each in worked.ready if each not in own])
        return Outcome(
            state=worked.state,
            wait_s=None if worked.not_before is None else max(0.0, worked.not_before - self._now()),
            ready=[each.batch_id for each in own],
            is_over=worked.is_over,
        )


async def _nothing_to_acknowledge() -> None:
    """The server waits for the result, not for the claim."""


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT_S)
