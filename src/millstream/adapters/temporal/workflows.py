"""The workflows: they ring for batches and wait; the ledger decides everything.

Theory of operation: an ingestion has one workflow, which keeps a window of activities open: as many as the workers that
were heard of take at once, and one more, for whoever comes. Each works some batches by their ids, each in one attempt;
then, for the rest of its turn, what else is ready of the ingestion. It answers with what it worked, what is to be
retried and what became ready. So what an activity costs is shared by all batches of a turn. Two may find the same
batch; only one of them can claim it. When an activity says that the ingestion is over, those that wait for a worker are
left behind. A workflow that has nothing to do asks the ledger once, through
an activity, unless the last one has asked; if the ingestion is worked it ends, else it sleeps until a retry is due,
somebody rings, or a long time has passed. A paused ingestion therefore costs a look now and then, and a workflow that
was lost, or ended by an operator of Temporal, costs nothing: the next ring starts it again.

**Changes.** Histories of open workflows are replayed by newer code, so what a workflow does may change only behind
`workflow.patched("name")`, and the branch of before stays until no open workflow can have taken it; then it becomes
`workflow.deprecate_patch("name")`, and later nothing. Recorded histories in the tests replay every branch. A change of
a constant that decides on commands, such as the length of a pause, is such a change, too.

This module is imported again in a sandbox, so it imports nothing but Temporal and plain values.
"""

import asyncio

from temporalio import workflow

from millstream.adapters.temporal.ordering import now_s, pause_s, work
from millstream.adapters.temporal.orders import (
    BATCH_WORKFLOW,
    INGEST_WORKFLOW,
    PLAN,
    RUNG,
    IngestOrder,
    Outcome,
    WorkOrder,
)

WORKERS = 100
"""Workers whose slots are remembered."""
TURNS = 2
"""How many activities for each slot there should be at least, before batches share one."""

OVERDUE_S = 10.0
"""Twice as long as an activity of a crew takes at most."""
SHARES = 8
"""How many groups an activity of a crew is ordered at most: what it does not come to it gives back."""

FIRST_LOOK_S = 60.0
LONGEST_LOOK_S = 900.0
ROUNDS = 100
"""Attempts of one run of a batch's workflow, after which it continues as a new one."""


@workflow.defn(name=INGEST_WORKFLOW)
class IngestWorkflow:
    """Follows one ingestion."""

    @workflow.init
    def __init__(self, order: IngestOrder) -> None:
        self._order = order
        self._ready: dict[str, None] = dict.fromkeys(order.ready)
        self._due: dict[str, float] = dict(order.due)
        self._slots: dict[str, int] = dict(order.slots)
        self._in_hand: dict[str, float] = {}
        self._open: dict[int, asyncio.Task[None]] = {}
        self._begun = 0
        self._failures = 0
        self._is_changed = False
        self._has_looked = False
        self._is_over = False
        self._look_s = FIRST_LOOK_S

    @workflow.signal(name=RUNG)
    def rung(self, batch_ids: list[str]) -> None:
        """Some batches are ready, others may say."""
        self._look_s = FIRST_LOOK_S
        self._take(batch_ids)

    @workflow.run
    async def run(self, order: IngestOrder) -> None:
        """Keep the window filled until nothing is left to wait for."""
        while True:
            self._ripen()
            is_tired = self._is_tired()
            while self._ready and not is_tired and len(self._open) < self._window(order):
                self._begin(self._next_group())
                is_tired = self._is_tired()
            if order.crews and self._is_done() and not self._in_hand:
                return  # an activity that waits for a worker would find nothing
            if self._open:
                await self._wait(self._next_due_s())
            elif is_tired:
                workflow.continue_as_new(self._rest())
            elif self._is_done():
                return
            else:
                await self._idle()

    # --- the window ---------------------------------------------------------------------------------------------

    def _take(self, batch_ids: list[str]) -> None:
        for batch_id in batch_ids:
            if batch_id not in self._in_hand or self._is_overdue(batch_id):
                self._ready[batch_id] = None
                self._due.pop(batch_id, None)
        self._is_changed = True

    def _is_overdue(self, batch_id: str) -> bool:
        """Whether a turn that has it should have ended: its worker may be gone, and somebody says that it is ready."""
        return self._order.crews and now_s() - self._in_hand[batch_id] > OVERDUE_S

    def _is_tired(self) -> bool:
        """Whether the history is long enough."""
        is_long = workflow.info().is_continue_as_new_suggested() and self._begun > 0
        return self._begun >= self._order.many or is_long

    def _is_done(self) -> bool:
        """Whether nothing is left to be begun or waited for."""
        return self._is_over and not self._ready and not self._due

    def _window(self, order: IngestOrder) -> int:
        """How many activities may be open: as many as workers that were heard of take, and one more."""
        slots = sum(self._slots.values())
        if order.crews:
            return min(order.window, max(1, slots) + 1)
        return min(order.window, slots + 1) if order.turn_s and slots else order.window

    def _next_group(self) -> list[str]:
        """What one activity is to work: a plan step, or so many chunks that all slots still have enough to do."""
        ids = list(self._ready)
        if self._order.crews:
            return self._share(ids)
        plans = [batch_id for batch_id in ids if PLAN in batch_id]
        if plans:
            return plans[:1]
        slots = max(1, sum(self._slots.values()))
        size = min(self._order.group, max(1, len(ids) // (TURNS * slots)))
        return ids[:size]

    def _share(self, ids: list[str]) -> list[str]:
        """What is ready, divided among the activities that may be begun."""
        ids.sort(key=lambda batch_id: PLAN not in batch_id)
        room = max(1, self._window(self._order) - len(self._open))
        return ids[: min(SHARES * self._order.group, -(-len(ids) // room))]

    def _begin(self, batch_ids: list[str]) -> None:
        """Begin an activity; without ids it asks what is ready."""
        for batch_id in batch_ids:
            del self._ready[batch_id]
            self._in_hand[batch_id] = now_s()
        self._begun += 1
        self._open[self._begun] = asyncio.create_task(self._follow(self._begun, batch_ids))

    async def _follow(self, number: int, batch_ids: list[str]) -> None:
        order = self._order
        outcome = await work(
            WorkOrder(batch_ids=batch_ids, pipeline=order.pipeline, message_id=order.message_id, turn_s=order.turn_s)
        )
        del self._open[number]
        for batch_id in batch_ids:
            self._in_hand.pop(batch_id, None)
        self._is_changed = True
        if outcome is None:
            self._failures += 1
            self._has_looked = False
            self._due.update(dict.fromkeys(batch_ids, now_s() + pause_s(self._failures)))
            return
        self._failures = 0
        self._has_looked = not batch_ids or outcome.is_over or outcome.has_looked
        self._is_over = outcome.is_over
        self._hear_of(outcome)
        for batch_id in outcome.others:
            self._ready.pop(batch_id, None)
            if order.crews:
                self._in_hand.pop(batch_id, None)
        self._due.update({batch_id: now_s() + wait_s for batch_id, wait_s in outcome.waits.items()})
        self._take(outcome.ready)

    def _hear_of(self, outcome: Outcome) -> None:
        """Remember who works, the latest last."""
        self._slots.pop(outcome.worker, None)
        self._slots[outcome.worker] = outcome.slots
        while len(self._slots) > WORKERS:
            del self._slots[next(iter(self._slots))]

    def _rest(self) -> IngestOrder:
        """What is left for the next run; workers are learnt anew, because some have gone."""
        order = self._order
        return IngestOrder(
            message_id=order.message_id,
            pipeline=order.pipeline,
            ready=list(self._ready),
            due=self._due,
            many=order.many,
            window=order.window,
            group=order.group,
            turn_s=order.turn_s,
            crews=order.crews,
        )

    # --- waiting ------------------------------------------------------------------------------------------------

    def _ripen(self) -> None:
        moment_s = now_s()
        for batch_id in [each for each, due_s in self._due.items() if due_s <= moment_s]:
            del self._due[batch_id]
            self._ready[batch_id] = None

    def _next_due_s(self) -> float | None:
        return min(self._due.values(), default=None)

    async def _wait(self, until_s: float | None) -> bool:
        """Wait for a change; False if the time came first."""
        self._is_changed = False
        timeout = None if until_s is None else max(0.001, until_s - now_s())
        try:
            await workflow.wait_condition(lambda: self._is_changed, timeout=timeout)
        except TimeoutError:
            return False
        return True

    async def _idle(self) -> None:
        """Nothing is being worked, nothing is ready: look, unless that was just done or a retry is due some time."""
        rest_s = self._look_s if self._has_looked or self._due else 0.0
        look_at_s = now_s() + (rest_s or (pause_s(self._failures) if self._failures else 0.0))
        until_s = min([look_at_s, *self._due.values()])
        if until_s > now_s() and await self._wait(until_s):
            return
        if now_s() >= look_at_s:
            self._look_s = min(LONGEST_LOOK_S, 2 * self._look_s) if rest_s else self._look_s
            self._begin([])


@workflow.defn(name=BATCH_WORKFLOW)
class BatchWorkflow:
    """Follows one minibatch or bucket until it is at its end, or another ring is needed."""

    @workflow.init
    def __init__(self, order: WorkOrder) -> None:
        self._order = order
        self._is_rung = False

    @workflow.signal(name=RUNG)
    def rung(self, batch_ids: list[str]) -> None:
        """It is ready, others may say."""
        del batch_ids
        self._is_rung = True

    @workflow.run
    async def run(self, order: WorkOrder) -> None:
        """Have it worked, again when a retry is due."""
        failures = 0
        for _ in range(ROUNDS):
            self._is_rung = False
            outcome = await work(order)
            failures = failures + 1 if outcome is None else 0
            batch_id = order.batch_ids[0]
            wait_s = pause_s(failures) if outcome is None else outcome.waits.get(batch_id)
            is_ready = outcome is not None and batch_id in outcome.ready
            if wait_s is None and not is_ready and not self._is_rung:
                return
            if wait_s is not None:
                await self._wait(wait_s)
        workflow.continue_as_new(order)

    async def _wait(self, seconds: float) -> None:
        try:
            await workflow.wait_condition(lambda: self._is_rung, timeout=max(0.001, seconds))
        except TimeoutError:
            return
