"""Doorbells over Temporal: a ring starts the workflow of an ingestion or a batch, or wakes the one that is there.

Theory of operation: starting and signalling are one call, which says the same however often it is made: a workflow that
is open gets the signal, and one that has ended is begun anew. Workflows only ring (`workflows.py`), and activities only
wait for a worker of ours (`activity.py`), so Temporal may lose, repeat or end anything without harm.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from millstream.adapters.temporal.activity import Working
from millstream.adapters.temporal.connecting import TROUBLE, TemporalServer
from millstream.adapters.temporal.orders import (
    AT_ONCE,
    BATCH_WORKFLOW,
    INGEST_WORKFLOW,
    RUNG,
    TURN_S,
    IngestOrder,
    WorkOrder,
)
from millstream.adapters.temporal.workflows import BatchWorkflow, IngestWorkflow
from millstream.core.tasks import PIPELINE
from millstream.ports.bell import Ring, Work

ANSWER = timedelta(seconds=10)
CALLS = 16
"""Calls that are made at once."""

IDS_OF_A_SIGNAL = 200
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0

log = logging.getLogger("millstream")


class TemporalBell:
    """Implements ports.bell.Bell at `server`; it rings for any pipeline and answers for `pipeline`.

    The task queue of a pipeline is `PREFIX-PIPELINE`; workflows are `PREFIX-ingest-MESSAGE_ID` and
    `PREFIX-batch-BATCH_ID`. `now` is the clock by which retries are due. When it is told to stop, activities get
    `grace_s` seconds to end. Nothing is connected before the first call.
    """

    def __init__(
        self,
        server: TemporalServer,
        *,
        pipeline: str,
        prefix: str = "millstream",
        grace_s: float = 60.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._prefix = prefix
        self._pipeline = pipeline
        self._grace = timedelta(seconds=grace_s)
        self._now = now
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    @property
    def address(self) -> str:
        """See ports.bell.Bell."""
        return self._server.address

    async def ring(self, rings: Sequence[Ring]) -> None:
        """See ports.bell.Bell."""
        calls = [*self._calls_of_ingestions(rings), *self._calls_of_batches(rings)]
        room = asyncio.Semaphore(CALLS)

        async def made(call: Callable[[Client], Awaitable[object]], client: Client) -> None:
            async with room:
                await call(client)

        try:
            client = await self._connected()
            results = await asyncio.gather(*(made(call, client) for call in calls), return_exceptions=True)
        except TROUBLE as error:
            raise self._server.unavailable(error) from error
        for result in results:
            if isinstance(result, TROUBLE):
                raise self._server.unavailable(result) from result
            if isinstance(result, BaseException):
                raise result

    async def check(self) -> None:
        """See ports.bell.Bell."""
        try:
            client = await self._connected()
            await client.service_client.check_health(timeout=ANSWER)
        except TROUBLE as error:
            raise self._server.unavailable(error) from error

    async def close(self) -> None:
        """See ports.bell.Bell; the connection ends with the last worker that uses it."""
        self._client = None

    async def answer(self, work: Work, *, slots: int, stop: asyncio.Event | None = None) -> None:
        """See ports.bell.Bell."""
        stop = stop or asyncio.Event()
        async with asyncio.TaskGroup() as group:
            at_once = min(AT_ONCE, slots) if self._pipeline == PIPELINE else slots
            working = Working(work, slots=slots, at_once=at_once, group=group, now=self._now, ring=self.ring, stop=stop)
            await self._serve(working, at_once, stop)

    # --- workers ------------------------------------------------------------------------------------------------

    async def _serve(self, working: Working, at_once: int, stop: asyncio.Event) -> None:
        """Keep a worker at the server until `stop`, one after the other if need be."""
        pause_s, is_told = FIRST_PAUSE_S, False
        while not stop.is_set():
            try:
                worker = self._worker(await self._connected(), working, at_once)
                if is_told:
                    log.warning("dispatcher: %s is there again", self.address)
                pause_s, is_told = FIRST_PAUSE_S, False
                await _run(worker, working, stop)
            except TROUBLE as error:
                self._client = None
                if not is_told:
                    log.warning("%s; trying again", self._server.unavailable(error))
                    is_told = True
                await _first_of(stop.wait(), asyncio.sleep(pause_s * random.uniform(0.5, 1.0)))  # noqa: S311 - no secret
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _worker(self, client: Client, working: Working, at_once: int) -> Worker:
        return Worker(
            client,
            task_queue=self._task_queue(self._pipeline),
            workflows=[IngestWorkflow, BatchWorkflow],
            activities=[working.work],
            workflow_runner=runner(),
            max_concurrent_activities=at_once,
            max_cached_workflows=500,
            graceful_shutdown_timeout=self._grace,
        )

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                self._client = await self._server.connect()
            return self._client

    # --- rings --------------------------------------------------------------------------------------------------

    def _calls_of_ingestions(self, rings: Sequence[Ring]) -> list[Callable[[Client], Awaitable[object]]]:
        ids: dict[tuple[str, str], list[str]] = {}
        for each in rings:
            if each.message_id is not None:
                ids.setdefault((each.message_id, each.pipeline), []).append(each.batch_id)
        return [
            self._call(
                INGEST_WORKFLOW,
                IngestOrder(message_id=message_id, pipeline=pipeline, turn_s=TURN_S, crews=True),
                name=f"{self._prefix}-ingest-{message_id}",
                pipeline=pipeline,
                batch_ids=found[start : start + IDS_OF_A_SIGNAL],
            )
            for (message_id, pipeline), found in ids.items()
            for start in range(0, len(found), IDS_OF_A_SIGNAL)
        ]

    def _calls_of_batches(self, rings: Sequence[Ring]) -> list[Callable[[Client], Awaitable[object]]]:
        return [
            self._call(
                BATCH_WORKFLOW,
                WorkOrder(batch_ids=[each.batch_id], pipeline=each.pipeline),
                name=f"{self._prefix}-batch-{each.batch_id}",
                pipeline=each.pipeline,
                batch_ids=[each.batch_id],
            )
            for each in rings
            if each.message_id is None
        ]

    def _call(
        self, workflow: str, order: IngestOrder | WorkOrder, *, name: str, pipeline: str, batch_ids: list[str]
    ) -> Callable[[Client], Awaitable[object]]:
        def call(client: Client) -> Awaitable[object]:
            return client.start_workflow(
                workflow,
                order,
                id=name,
                task_queue=self._task_queue(pipeline),
                # One that ended, because there was nothing left, begins anew when there is something again.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal=RUNG,
                start_signal_args=[batch_ids],
                rpc_timeout=ANSWER,
            )

        return call

    def _task_queue(self, pipeline: str) -> str:
        return f"{self._prefix}-{pipeline}"


def runner() -> SandboxedWorkflowRunner:
    """What workflows run in; orders are plain values, which need not be imported for each workflow anew."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("millstream.adapters.temporal.orders")
    return SandboxedWorkflowRunner(restrictions=restrictions)


async def _run(worker: Worker, working: Working, stop: asyncio.Event) -> None:
    """Run until `stop`; cancelled, it ends what is worked. Raises one of TROUBLE when the server refuses the worker."""
    running = asyncio.ensure_future(worker.run())
    try:
        await _first_of(stop.wait(), asyncio.shield(running))
        if not running.done():
            await worker.shutdown()
        await running
    except asyncio.CancelledError:
        working.cancel()
        raise
    finally:
        running.cancel()
        while not running.done():  # a worker that was left behind would go on to take what is rung for
            with suppress(asyncio.CancelledError):
                await asyncio.wait({running})


async def _first_of(*awaitables: Awaitable[object]) -> None:
    """Wait until one of them is over; errors are for others to see."""
    waits = [asyncio.ensure_future(each) for each in awaitables]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
