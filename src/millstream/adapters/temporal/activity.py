"""The activity that works batches: a thin cover around a worker of ours.

Theory of operation: no work is done in here, it is awaited. An activity works what it was ordered, in as many slots of
this worker as are free, and goes on with what else is ready of the ingestion until its turn is over, because another
activity would cost more than the question what that is. So few activities keep a worker busy, and few are taken: the
others wait at the server for other workers. When there is more than this worker can begin, the workflow is told by a
signal, so that they get orders, too. A batch that takes much longer than the turn is not waited for: what became of it
is rung for when it has ended.

The heartbeat says that this process lives, and nothing else. When the server gives an activity up, because it did not
hear of us for a while or somebody ended the workflow, the batch is still claimed and goes on: only the ledger can take
it away.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from temporalio import activity

from millstream.adapters.temporal.orders import STAY_S, WORK_ACTIVITY, Outcome, WorkOrder
from millstream.adapters.temporal.turn import Crew, Turn
from millstream.core.lifecycle import State
from millstream.errors import BellUnavailableError
from millstream.ports.bell import Ring, Work

BEAT_S = 4.0
"""Real seconds between heartbeats; the server waits for 20 s, and the package may hold one back for 16."""

UNTOLD = 0.5
"""The part of a turn after which the workflow is told that there is more: a signal costs as much as an activity."""


class Working:
    """Has batches worked by `work`, at most `slots` at once, in tasks of `group`, for at most `at_once` activities.

    `now` is the clock by which retries are due. What became ready of other ingestions is rung for by `ring`. Once
    `stop` is set nothing more is begun of an order than its first batch.
    """

    def __init__(
        self,
        work: Work,
        *,
        slots: int,
        at_once: int,
        group: asyncio.TaskGroup,
        now: Callable[[], float],
        ring: Callable[[Sequence[Ring]], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        self._work = work
        self._free = asyncio.Semaphore(slots)
        self._slots = slots
        self._at_once = at_once
        self._name = secrets.token_hex(4)
        self._group = group
        self._now = now
        self._ring = ring
        self._stop = stop
        self._going_on: set[asyncio.Task[object]] = set()
        self._in_hand: set[str] = set()
        self._crews: dict[str, Crew] = {}
        self._ended = asyncio.Event()  # set, and replaced, whenever a slot became free

    def cancel(self) -> None:
        """End everything that is being worked."""
        for task in self._going_on:
            task.cancel()

    @activity.defn(name=WORK_ACTIVITY)
    async def work(self, order: WorkOrder) -> Outcome:
        """Work batches, each once."""
        task = self._group.create_task(self._work_all(order), name=",".join(order.batch_ids) or "look")
        self._keep(task)
        beating = asyncio.ensure_future(_beat())
        try:
            return await asyncio.shield(task)
        finally:
            beating.cancel()

    async def _work_all(self, order: WorkOrder) -> Outcome:
        """What was ordered, and then what else is ready, until the turn is over."""
        turn = Turn(order=order, ends_at=_time() + order.turn_s, may_find=order.turn_s > 0 or not order.batch_ids)
        turn.add(order.batch_ids)
        with self._crew(order) as crew:
            while True:
                ended = self._ended
                if not await self._begin(turn, crew):
                    break
                try:
                    async with asyncio.timeout_at(self._patience_ends_at(turn)):
                        await ended.wait()
                except TimeoutError:
                    break
        turn.is_told = True
        return turn.outcome(worker=self._name, slots=self._at_once)

    def _patience_ends_at(self, turn: Turn) -> float | None:
        """Until when what was begun is waited for; for ever, if nobody else would hear of it."""
        return turn.ends_at + STAY_S if turn.order.turn_s else None

    # --- one turn -----------------------------------------------------------------------------------------------

    async def _begin(self, turn: Turn, crew: Crew) -> bool:
        """Begin what there is room for; False when nothing is in hand and nothing left to be done in this turn."""
        while (batch_id := await self._next(turn, crew)) is not None:
            if turn.in_hand and self._free.locked():
                turn.queue.appendleft(batch_id)
                self._tell_of_more(turn)
                return True
            await self._free.acquire()
            if batch_id in self._in_hand.union(crew.worked):  # of another activity, while this one waited for room
                self._free.release()
                continue
            self._in_hand.add(batch_id)
            turn.in_hand += 1
            self._keep(self._group.create_task(self._work_one(batch_id, turn, crew), name=batch_id))
        return turn.in_hand > 0

    async def _next(self, turn: Turn, crew: Crew) -> str | None:
        """What is to be begun next, if anything is; asks for it if nothing is known."""
        while True:
            while turn.queue:
                batch_id = turn.queue.popleft()
                if not self._is_due(batch_id, turn):
                    turn.queue.appendleft(batch_id)
                    return None
                if batch_id not in self._in_hand and batch_id not in crew.worked:
                    return batch_id
            if not turn.may_find or (turn.in_hand and (self._free.locked() or not self._goes_on(turn))):
                return None
            if self._stop.is_set() and (turn.worked or turn.order.batch_ids):
                return None
            await self._look(turn, crew)

    def _is_due(self, batch_id: str, turn: Turn) -> bool:
        """Whether it is to be begun in this turn: one of those that were ordered always is, and without turns all."""
        is_first = not (turn.worked or turn.in_hand) or not turn.order.turn_s
        return self._goes_on(turn) or (is_first and batch_id in turn.order.batch_ids)

    def _goes_on(self, turn: Turn) -> bool:
        return _time() < turn.ends_at and not self._stop.is_set()

    async def _look(self, turn: Turn, crew: Crew) -> None:
        """Ask what of the ingestion is ready."""
        looked = await self._work(turn.ring_for(""), _nothing_to_acknowledge)
        turn.found(looked, known=self._in_hand.union(crew.worked, turn.worked))

    def _tell_of_more(self, turn: Turn) -> None:
        """Once in a turn, and not of short work: there is more than a round of this worker, so others get orders."""
        is_long = turn.order.turn_s and _time() > turn.ends_at - turn.order.turn_s * UNTOLD
        if is_long and not turn.is_known and len(turn.queue) >= self._slots:
            turn.is_known = True
            self._keep(self._group.create_task(self._pass_on([turn.ring_for(each) for each in turn.queue])))

    async def _work_one(self, batch_id: str, turn: Turn, crew: Crew) -> None:
        """Work a batch in a slot that was taken for it."""
        worked = await self._work(turn.ring_for(batch_id), _nothing_to_acknowledge)
        if worked.state == State.DONE:
            crew.worked.add(batch_id)
        if turn.is_told:
            others: Sequence[Ring] = [turn.ring_for(batch_id), *worked.ready]
        else:
            wait_s = None if worked.not_before is None else max(0.0, worked.not_before - self._now())
            others = turn.note(batch_id, worked, wait_s=wait_s)
        self._in_hand.discard(batch_id)
        self._free.release()
        ended, self._ended = self._ended, asyncio.Event()
        ended.set()
        await self._pass_on(others)

    async def _pass_on(self, rings: Sequence[Ring]) -> None:
        if rings:
            with suppress(BellUnavailableError):  # the sweeper rings for it later
                await self._ring(rings)

    # --- who is here --------------------------------------------------------------------------------------------

    @contextmanager
    def _crew(self, order: WorkOrder) -> Iterator[Crew]:
        """The activities of the same ingestion that are here just now."""
        name = order.message_id or ""
        crew = self._crews.setdefault(name, Crew()) if name else Crew()
        crew.activities += 1
        try:
            yield crew
        finally:
            crew.activities -= 1
            if not crew.activities:
                self._crews.pop(name, None)

    def _keep(self, task: "asyncio.Task[object]") -> None:
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)


async def _nothing_to_acknowledge() -> None:
    """The server waits for the result, not for the claim."""


def _time() -> float:
    return asyncio.get_running_loop().time()


async def _beat() -> None:
    while True:  # none at once: most activities are over before
        await asyncio.sleep(BEAT_S)
        activity.heartbeat()
