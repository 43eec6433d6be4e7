"""The workflows: they ring for batches and wait; the ledger decides everything.

Theory of operation: an ingestion has one workflow, which keeps a window of activities open. Each works one batch, by
its id, in one attempt, and answers with where the batch is now and with what became ready by it, so a chunk costs one
activity. A workflow that has nothing to do asks the ledger once, through an activity; if the ingestion is worked it
ends, else it sleeps until a retry is due, somebody rings, or a long time has passed. A paused ingestion therefore costs
a look now and then, and a workflow that was lost, or ended by an operator of Temporal, costs nothing: the next ring
starts it again.

**Changes.** Histories of open workflows are replayed by newer code, so what a workflow does may change only behind
`workflow.patched("name")`, and the branch of before stays until no open workflow can have taken it; then it becomes
`workflow.deprecate_patch("name")`, and later nothing. Recorded histories in the tests replay every branch. A change of
a constant that decides on commands, such as the length of a pause, is such a change, too.

This module is imported again in a sandbox, so it imports nothing but Temporal and plain values.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from millstream.adapters.temporal.orders import (
    BATCH_WORKFLOW,
    INGEST_WORKFLOW,
    RUNG,
    WORK_ACTIVITY,
    IngestOrder,
    Outcome,
    WorkOrder,
)

HEARTBEAT = timedelta(seconds=30)
LONGEST_WORK = timedelta(days=30)
"""No limit, in effect: a handler has one of its own, and a lost worker is noticed by its heartbeat."""

LOOK = ""
"""In place of a batch id: ask what is ready."""

FIRST_LOOK_S = 60.0
LONGEST_LOOK_S = 900.0
LONGEST_PAUSE_S = 60.0
ROUNDS = 100
"""Attempts of one run of a batch's workflow, after which it continues as a new one."""


async def _work(order: WorkOrder) -> Outcome | None:
    """Have a batch worked; None when nobody can tell what became of it."""
    try:
        outcome: Outcome = await workflow.execute_activity(
            WORK_ACTIVITY,
            order,
            result_type=Outcome,
            start_to_close_timeout=LONGEST_WORK,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
    except ActivityError:
        return None
    return outcome


def _now_s() -> float:
    return workflow.now().timestamp()


def _pause_s(failures: int) -> float:
    return min(LONGEST_PAUSE_S, 2.0 ** min(failures, 10))


@workflow.defn(name=INGEST_WORKFLOW)
class IngestWorkflow:
    """Follows one ingestion."""

    @workflow.init
    def __init__(self, order: IngestOrder) -> None:
        self._order = order
        self._ready: dict[str, None] = dict.fromkeys(order.ready)
        self._due: dict[str, float] = dict(order.due)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}
        self._ended = 0
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
            if not is_tired:
                self._begin(order.window - len(self._running))
            if self._running:
                await self._wait(self._next_due_s())
            elif is_tired:
                workflow.continue_as_new(self._rest())
            elif self._is_over and not self._ready and not self._due:
                return
            else:
                await self._idle()

    # --- the window ---------------------------------------------------------------------------------------------

    def _take(self, batch_ids: list[str]) -> None:
        for batch_id in batch_ids:
            if batch_id not in self._running:
                self._ready[batch_id] = None
                self._due.pop(batch_id, None)
        self._is_changed = True

    def _is_tired(self) -> bool:
        """Whether the history is long enough."""
        is_long = self._ended + len(self._running) >= self._order.many
        return is_long or (workflow.info().is_continue_as_new_suggested() and self._ended > 0)

    def _begin(self, room: int) -> None:
        room = min(room, self._order.many - self._ended - len(self._running))
        for batch_id in list(self._ready)[: max(0, room)]:
            del self._ready[batch_id]
            self._running[batch_id] = asyncio.create_task(self._follow(batch_id))

    async def _follow(self, batch_id: str) -> None:
        order = self._order
        outcome = await _work(WorkOrder(batch_id=batch_id, pipeline=order.pipeline, message_id=order.message_id))
        del self._running[batch_id]
        self._ended += 1
        self._is_changed = True
        if outcome is None:
            failures = self._failures[batch_id] = self._failures.get(batch_id, 0) + 1
            self._due[batch_id] = _now_s() + _pause_s(failures)
            return
        self._failures.pop(batch_id, None)
        self._has_looked, self._is_over = batch_id == LOOK, outcome.is_over
        if outcome.wait_s is not None:
            self._due[batch_id] = _now_s() + outcome.wait_s
        self._take(outcome.ready)

    def _rest(self) -> IngestOrder:
        """What is left for the next run."""
        order = self._order
        return IngestOrder(
            message_id=order.message_id,
            pipeline=order.pipeline,
            ready=list(self._ready),
            due=self._due,
            many=order.many,
            window=order.window,
        )

    # --- waiting ------------------------------------------------------------------------------------------------

    def _ripen(self) -> None:
        now_s = _now_s()
        for batch_id in [each for each, due_s in self._due.items() if due_s <= now_s]:
            del self._due[batch_id]
            self._ready[batch_id] = None

    def _next_due_s(self) -> float | None:
        return min(self._due.values(), default=None)

    async def _wait(self, until_s: float | None) -> bool:
        """Wait for a change; False if the time came first."""
        self._is_changed = False
        timeout = None if until_s is None else max(0.001, until_s - _now_s())
        try:
            await workflow.wait_condition(lambda: self._is_changed, timeout=timeout)
        except TimeoutError:
            return False
        return True

    async def _idle(self) -> None:
        """Nothing is being worked, nothing is ready: look, unless that was the last thing that was done."""
        if not self._has_looked and LOOK not in self._due:
            self._ready[LOOK] = None
            return
        look_at_s = _now_s() + self._look_s
        due_s = self._next_due_s()
        if not await self._wait(look_at_s if due_s is None else min(due_s, look_at_s)) and _now_s() >= look_at_s:
            self._look_s = min(LONGEST_LOOK_S, 2 * self._look_s)
            self._has_looked = False


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
            outcome = await _work(order)
            failures = failures + 1 if outcome is None else 0
            wait_s = _pause_s(failures) if outcome is None else outcome.wait_s
            is_ready = outcome is not None and order.batch_id in outcome.ready
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
