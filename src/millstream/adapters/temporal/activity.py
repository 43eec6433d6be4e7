"""The activity that works batches: a thin cover around a worker of ours.

Theory of operation: no work is done in here, it is awaited. The heartbeat says that this process lives, and nothing
else. When the server gives an activity up, because it did not hear of us for a while or somebody ended the workflow,
the batch is still claimed and goes on: only the ledger can take it away.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from temporalio import activity

from millstream.adapters.temporal.orders import WORK_ACTIVITY, Outcome, WorkOrder
from millstream.errors import BellUnavailableError
from millstream.ports.bell import Ring, Work

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
        self._slots = slots
        self._name = secrets.token_hex(4)
        self._group = group
        self._now = now
        self._ring = ring
        self._going_on: set[asyncio.Task[Outcome]] = set()

    def cancel(self) -> None:
        """End everything that is being worked."""
        for task in self._going_on:
            task.cancel()

    @activity.defn(name=WORK_ACTIVITY)
    async def work(self, order: WorkOrder) -> Outcome:
        """Work batches, each once."""
        task = self._group.create_task(self._work_all(order), name=",".join(order.batch_ids) or "look")
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        beating = asyncio.ensure_future(_beat())
        try:
            return await asyncio.shield(task)
        finally:
            beating.cancel()

    async def _work_all(self, order: WorkOrder) -> Outcome:
        """One batch after the other; what becomes ready meanwhile is rung for at once, since others may have time."""
        waits: dict[str, float] = {}
        again: list[str] = []
        new: list[Ring] = []
        is_over = True
        async with self._free:
            for batch_id in order.batch_ids or [""]:
                await self._pass_on(new)
                ring = Ring(batch_id=batch_id, pipeline=order.pipeline, message_id=order.message_id)
                worked = await self._work(ring, _nothing_to_acknowledge)
                again += [each.batch_id for each in worked.ready if each.batch_id in order.batch_ids]
                new = [each for each in worked.ready if each.batch_id not in order.batch_ids]
                is_over = is_over and worked.is_over
                if worked.not_before is not None:
                    waits[batch_id] = max(0.0, worked.not_before - self._now())
        own = [each for each in new if each.message_id is not None and each.message_id == order.message_id]
        await self._pass_on([each for each in new if each not in own])
        return Outcome(
            waits=waits,
            ready=again + [each.batch_id for each in own],
            is_over=is_over,
            worker=self._name,
            slots=self._slots,
        )

    async def _pass_on(self, rings: Sequence[Ring]) -> None:
        if rings:
            with suppress(BellUnavailableError):  # the sweeper rings for it later
                await self._ring(rings)


async def _nothing_to_acknowledge() -> None:
    """The server waits for the result, not for the claim."""


async def _beat() -> None:
    while True:  # none at once: most activities are over before
        await asyncio.sleep(BEAT_S)
        activity.heartbeat()
