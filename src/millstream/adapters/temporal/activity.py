"""The activity that works batches: a thin cover around a worker of ours.

Theory of operation: no work is done in here, it is awaited. An activity works what it was ordered, and goes on with
what else is ready of the ingestion until its turn is over, because another activity would cost more than the question
what that is. When more became ready it ends at once, so that others learn of it.

The heartbeat says that this process lives, and nothing else. When the server gives an activity up, because it did not
hear of us for a while or somebody ended the workflow, the batch is still claimed and goes on: only the ledger can take
it away.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from temporalio import activity

from millstream.adapters.temporal.orders import GROUP, WORK_ACTIVITY, Outcome, WorkOrder
from millstream.errors import BellUnavailableError
from millstream.ports.bell import Ring, Work

BEAT_S = 8.0
"""Real seconds between heartbeats; the server waits for almost four times as long."""


@dataclass(slots=True, kw_only=True)
class _Turn:
    """What an activity did so far, and what it is to tell."""

    order: WorkOrder
    ends_at: float
    worked: list[str] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    new: list[Ring] = field(default_factory=list)
    is_over: bool = False

    @property
    def has_new(self) -> bool:
        """Whether more of its ingestion became ready: the workflow is to hear of that at once."""
        return any(self.is_own(each) for each in self.new)

    def is_own(self, ring: Ring) -> bool:
        """Whether the workflow that gave the order has it worked."""
        return ring.message_id is not None and ring.message_id == self.order.message_id

    def ring_for(self, batch_id: str) -> Ring:
        """A ring for a batch; for none, a question what is ready."""
        return Ring(batch_id=batch_id, pipeline=self.order.pipeline, message_id=self.order.message_id)


class Working:
    """Has batches worked by `work`, at most `slots` at once, in tasks of `group`.

    `now` is the clock by which retries are due. What became ready of other ingestions is rung for by `ring`. Once
    `stop` is set nothing is worked that was not ordered.
    """

    def __init__(
        self,
        work: Work,
        *,
        slots: int,
        group: asyncio.TaskGroup,
        now: Callable[[], float],
        ring: Callable[[Sequence[Ring]], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        self._work = work
        self._free = asyncio.Semaphore(slots)
        self._slots = slots
        self._name = secrets.token_hex(4)
        self._group = group
        self._now = now
        self._ring = ring
        self._stop = stop
        self._going_on: set[asyncio.Task[Outcome]] = set()
        self._in_hand: set[str] = set()

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
        """What was ordered, one after the other, and then what else is ready, until the turn is over."""
        async with self._free:
            turn = _Turn(order=order, ends_at=_time() + order.turn_s)
            await self._work_some(order.batch_ids, turn)
            ready = await self._look(turn) if self._may_look(turn) else []
            while ready and _time() < turn.ends_at and not self._stop.is_set():
                await self._work_some(ready[: max(1, min(GROUP, len(ready) // self._slots))], turn)
                ready = await self._look(turn) if self._may_look(turn) else []
        own = [each.batch_id for each in turn.new if turn.is_own(each)]
        await self._pass_on([each for each in turn.new if not turn.is_own(each)])
        return Outcome(
            waits=turn.waits,
            ready=[*turn.again, *own, *(ready[:GROUP] if order.batch_ids else ready)],
            is_over=turn.is_over,
            worker=self._name,
            slots=self._slots,
            others=[each for each in turn.worked if each not in order.batch_ids],
        )

    def _may_look(self, turn: _Turn) -> bool:
        """Whether to ask what else is ready: it was ordered, or it is wanted and nobody else waits to hear of more."""
        return not turn.worked or (turn.order.turn_s > 0 and not turn.has_new and not self._stop.is_set())

    async def _look(self, turn: _Turn) -> list[str]:
        """What of the ingestion is ready and was not worked in this turn, nor is being worked here."""
        looked = await self._work(turn.ring_for(""), _nothing_to_acknowledge)
        turn.is_over = looked.is_over
        known = self._in_hand.union(turn.worked)
        return [each.batch_id for each in looked.ready if each.batch_id not in known]

    async def _work_some(self, batch_ids: Sequence[str], turn: _Turn) -> None:
        """One after the other; what becomes ready meanwhile is rung for at once, since others may have time."""
        mine = [each for each in batch_ids if each not in self._in_hand]
        self._in_hand.update(mine)
        try:
            for batch_id in mine:
                new, turn.new = turn.new, []
                await self._pass_on(new)
                await self._work_one(batch_id, turn)
        finally:
            self._in_hand.difference_update(mine)

    async def _work_one(self, batch_id: str, turn: _Turn) -> None:
        worked = await self._work(turn.ring_for(batch_id), _nothing_to_acknowledge)
        turn.worked.append(batch_id)
        known = {*turn.worked, *turn.order.batch_ids}
        turn.again += [each.batch_id for each in worked.ready if each.batch_id in known]
        turn.new = [each for each in worked.ready if each.batch_id not in known]
        turn.is_over = worked.is_over
        if worked.not_before is not None:
            turn.waits[batch_id] = max(0.0, worked.not_before - self._now())

    async def _pass_on(self, rings: Sequence[Ring]) -> None:
        if rings:
            with suppress(BellUnavailableError):  # the sweeper rings for it later
                await self._ring(rings)


async def _nothing_to_acknowledge() -> None:
    """The server waits for the result, not for the claim."""


def _time() -> float:
    return asyncio.get_running_loop().time()


async def _beat() -> None:
    while True:  # none at once: most activities are over before
        await asyncio.sleep(BEAT_S)
        activity.heartbeat()
