"""`millstream worker`: works what bells ring for, on any number of machines.

Theory of operation: the order of `wiring.engine` holds: the nursery is forked while this process has no thread.
There is no state folder to lock: what is shared is in the ledger, and claims there are leases. Ledger and bells may be
away at the start, which is told and waited for.

At a stop: no further ring is taken; running attempts get the limit to end, then they are ended and given back; the last
to go is the ledger.
"""

import asyncio
import logging
import os
import random
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from millstream.config.dispatching import DispatchConfig
from millstream.core.exits import Exit
from millstream.core.ingestion import PIPELINE, Queue, ReadReady
from millstream.core.model import Kind
from millstream.core.retry import RetryPolicy
from millstream.errors import BellUnavailableError
from millstream.ports import Clock, Ledger, Pool
from millstream.ports.bell import Bell
from millstream.runtime.batch import MakeHandler
from millstream.runtime.declare import declare
from millstream.runtime.events import Draining, Events, Listener
from millstream.runtime.ledgerclock import LedgerClock
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from millstream.runtime.remote import Bench, RemoteSettings, RemoteWorker
from millstream.runtime.ringing import rings_of
from millstream.runtime.sweeper import Sweeper, SweepSettings
from millstream.runtime.verdict import Judge
from millstream.wiring.bells import TEMPORAL_KEY, open_bell, open_requests
from millstream.wiring.engine import first_of, stop_on_signals
from millstream.wiring.shared import clock_of, open_ledger, owner_name

MORE_S = 15.0
"""Real seconds beyond the limit of a drain that a bell gives to what is in hand, to end and be told."""

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPipeline:
    """One pipeline as a worker works it: `workers` batches at once, in `processes` hosts.

    `make` builds its handler, in the hosts. `wrap` may put something around its pool, once the ledger is there.
    """

    name: str
    kind: Kind
    make: MakeHandler
    workers: int
    processes: int = 1
    timeout_s: float | None = None
    max_host_bytes: int | None = 2_000_000_000
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    resettle_s: float = 2.0
    wrap: Callable[[Pool, Ledger], Awaitable[Pool]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker does, and with whom; `services` run beside it, once the ledger is there, until it stops."""

    dispatch: DispatchConfig
    pipelines: tuple[WorkerPipeline, ...]
    drain_limit_s: float = 30.0
    listeners: tuple[Listener, ...] = ()
    services: tuple[Callable[[Ledger, Clock], Awaitable[None]], ...] = ()
    is_quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """What a worker that is ready can tell."""

    owner: str
    ledger: str
    bell: str
    pipelines: tuple[str, ...]
    slots: int


def work(settings: WorkerSettings, *, on_ready: Callable[[Works], None]) -> Exit:
    """Work until a signal, then drain; blocks, installs signal handlers.

    Must be called while the process has no other thread. Raises MillstreamError when it cannot be started or go on.
    """
    makers = {pipeline.name: pipeline.make for pipeline in settings.pipelines}
    with tempfile.TemporaryDirectory(prefix="millstream-worker-") as scratch:
        nursery = Nursery.start(makers, readers={}, scratch=scratch, is_quiet=settings.is_quiet)
        with nursery:
            try:
                return asyncio.run(_Worker(settings, nursery=nursery).run(on_ready))
            except BaseExceptionGroup as group:
                raise first_of(group) from group


class _Worker:
    def __init__(self, settings: WorkerSettings, *, nursery: Nursery) -> None:
        self._settings = settings
        self._nursery = nursery
        self._owner = owner_name()
        self._events = Events(*settings.listeners)

    async def run(self, on_ready: Callable[[Works], None]) -> Exit:
        self._stop = asyncio.Event()
        stop_on_signals(self._stop.set)
        ledger = await open_ledger(self._settings.dispatch, stop=self._stop)
        if ledger is None:
            return Exit.DONE
        try:
            await self._run(ledger, on_ready)
        finally:
            await ledger.close()
        return Exit.DONE

    async def _run(self, ledger: Ledger, on_ready: Callable[[Works], None]) -> None:
        clock = await clock_of(ledger)
        for pipeline in self._settings.pipelines:
            await declare(pipeline.name, kind=pipeline.kind, ledger=ledger, at=clock.now())
        pools = {pipeline.name: await self._pool(pipeline, ledger) for pipeline in self._settings.pipelines}
        bells = {name: self._bell(name, clock) for name in pools}
        try:
            for pool in pools.values():
                await pool.start()
            await self._serve(ledger, clock, pools, bells, on_ready)
        finally:
            for pool in pools.values():
                await pool.stop()
            for bell in bells.values():
                await bell.close()

    async def _serve(
        self,
        ledger: Ledger,
        clock: LedgerClock,
        pools: dict[str, Pool],
        bells: dict[str, Bell],
        on_ready: Callable[[Works], None],
    ) -> None:
        settings = self._settings
        worker = RemoteWorker(
            RemoteSettings(owner=self._owner, lease_s=settings.dispatch.lease),
            benches={each.name: Bench(pool=pools[each.name], judge=_judge(each)) for each in settings.pipelines},
            ledger=ledger,
            clock=clock,
            events=self._events,
        )
        async with asyncio.TaskGroup() as group:
            services = [
                group.create_task(worker.run(), name="leases"),
                group.create_task(clock.follow(), name="clock"),
                *self._looking_after(ledger, clock, next(iter(bells.values())), group),
                *(group.create_task(_run(each(ledger, clock)), name="service") for each in settings.services),
            ]
            answers = [
                group.create_task(bells[each.name].answer(worker.work, slots=claims_of(each), stop=self._stop))
                for each in settings.pipelines
            ]
            on_ready(self._ready(bells))
            await self._stop.wait()
            self._events.emit(Draining(drain="keep", limit_s=settings.drain_limit_s, who="worker"))
            await worker.drain(limit_s=settings.drain_limit_s)
            await asyncio.wait(answers)
            for service in services:
                service.cancel()

    def _looking_after(
        self, ledger: Ledger, clock: Clock, bell: Bell, group: asyncio.TaskGroup
    ) -> list["asyncio.Task[None]"]:
        """The sweeper, and who takes requests."""
        requests = open_requests(self._settings.dispatch)
        sweeper = Sweeper(
            SweepSettings(owner=self._owner, pipelines=tuple(each.name for each in self._settings.pipelines)),
            ledger=ledger,
            clock=clock,
            ring=bell.ring,
            request=None if requests is None else requests.send,
            draw=random.random,
        )
        tasks = [group.create_task(sweeper.run(), name="sweeper")]
        if requests is not None and any(each.name == PIPELINE for each in self._settings.pipelines):
            taking = _Taking(ledger=ledger, clock=clock, bell=bell)
            tasks.append(group.create_task(requests.receive(taking.take), name="requests"))
        return tasks

    async def _pool(self, pipeline: WorkerPipeline, ledger: Ledger) -> Pool:
        pool = HostPool(
            self._nursery,
            name=pipeline.name,
            slots=pipeline.workers,
            processes=pipeline.processes,
            timeout_s=pipeline.timeout_s,
            max_host_bytes=pipeline.max_host_bytes,
        )
        return pool if pipeline.wrap is None else await pipeline.wrap(pool, ledger)

    def _bell(self, pipeline: str, clock: Clock) -> Bell:
        return open_bell(
            self._settings.dispatch,
            pipeline=pipeline,
            now=clock.now,
            grace_s=self._settings.drain_limit_s + MORE_S,
            api_key=os.environ.get(TEMPORAL_KEY),
        )

    def _ready(self, bells: dict[str, Bell]) -> Works:
        return Works(
            owner=self._owner,
            ledger=_place(self._settings.dispatch.ledger),
            bell=next(iter(bells.values())).address,
            pipelines=tuple(bells),
            slots=sum(each.workers for each in self._settings.pipelines),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taking:
    """Takes requests on: the ledger gets the first plan step, and whoever is free is rung for it."""

    ledger: Ledger
    clock: Clock
    bell: Bell

    async def take(self, message_id: str) -> None:
        now = self.clock.now()
        if not await self.ledger.do(Queue(message_id=message_id, at=now)):
            log.warning("request %s: the ledger knows no such ingestion; the request was dropped", message_id)
            return
        rows = await self.ledger.read(ReadReady(message_id=message_id, at=now))
        with suppress(BellUnavailableError):  # the sweeper rings later
            await self.bell.ring(rings_of(rows))


def claims_of(pipeline: WorkerPipeline) -> int:
    """How many batches are claimed at once: of short ones the next for each slot, too, so none waits for the ledger."""
    return 2 * pipeline.workers if pipeline.name == PIPELINE else pipeline.workers


def _judge(pipeline: WorkerPipeline) -> Judge:
    return Judge(draw=random.random, retry=pipeline.retry, resettle_s=pipeline.resettle_s)


async def _run(service: Awaitable[None]) -> None:
    await service


def _place(address: str | None) -> str:
    """An address without what is before the host."""
    scheme, _, rest = (address or "").partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
