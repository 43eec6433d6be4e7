"""The engine: everything that runs, started in order, ended in order.

Theory of operation: the engine process runs no user code. Per pipeline it runs an intake, which makes batches, and
a dispatcher, which has them worked; a janitor cleans up. A run ends by itself when every intake came to its end and
no batch is left to work, or by a stop, which starts the drain.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from millstream.core.exits import Exit
from millstream.core.lifecycle import State
from millstream.core.operations import TakeOver
from millstream.core.queries import ReadTotals, ReadUnfinished
from millstream.core.tasks import PIPELINE
from millstream.errors import SourceError
from millstream.ports import Clock, Ledger, Pool
from millstream.runtime.dispatch import Dispatcher, WorkSettings
from millstream.runtime.events import Draining, Events, TakenOver
from millstream.runtime.janitor import Janitor
from millstream.runtime.shutdown import Drainable, DrainSettings, drain
from millstream.runtime.summary import Tallies


class PipelineIntake(Protocol):
    """What makes batches: StreamIntake or FilesIntake."""

    name: str
    ended: asyncio.Event
    exhausted: bool
    """Whether it came to its end by itself."""

    @property
    def leaves_input(self) -> bool:
        """Whether a stop before the end leaves input that the next start goes on with."""
        ...

    def stop(self) -> None:
        """Take in nothing more."""
        ...

    async def run(self) -> None:
        """Make batches until the end or a stop."""
        ...


MakeIntake = Callable[[Callable[[], None]], PipelineIntake]
"""Builds the intake, given what to call when batches became ready."""


class Dispatching(Drainable, Protocol):
    """What has batches worked: Dispatcher or Ringer."""

    settled: asyncio.Event
    is_idle: bool

    def ring(self) -> None:
        """Something may be ready: look."""
        ...

    async def recall(self) -> None:
        """An operator changed the ledger."""
        ...

    async def run(self) -> None:
        """Have batches worked until cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One pipeline as the composition root puts it together.

    Its batches are worked in `pool`, or by others if `dispatching` says how these are told; the pool is then None.
    """

    work: WorkSettings
    pool: Pool | None
    make_intake: MakeIntake
    dispatching: Dispatching | None = None


class Engine:
    """Runs pipelines on one ledger."""

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        *,
        ledger: Ledger,
        clock: Clock,
        events: Events,
        tallies: Tallies,
        janitor: Janitor,
        draw: Callable[[], float],
        drain_settings: DrainSettings,
    ) -> None:
        self._pipelines = pipelines
        self._ledger = ledger
        self._clock = clock
        self._events = events
        self._tallies = tallies
        self._janitor = janitor
        self._draw = draw
        self._drain = drain_settings
        self._stopping = asyncio.Event()
        self.failure: SourceError | None = None
        self._rung = asyncio.Event()
        self._intakes: list[PipelineIntake] = []
        self._dispatchers: list[Dispatching] = []

    def stop(self) -> None:
        """Start the drain; idempotent; to be called in the event loop."""
        self._stopping.set()

    def ring(self) -> None:
        """Something in this process changed the ledger: look at everything again; to be called in the event loop."""
        self._rung.set()

    def wake(self) -> None:
        """Batches became ready, nothing in hand was changed: look for them; to be called in the event loop."""
        for dispatcher in self._dispatchers:
            dispatcher.ring()

    async def run(self) -> Exit:
        """Run until everything is done, or drained after `stop`; `failure` says why a source ended it.

        Raises SourceError, drained, when a source fails before anything was taken in.
        """
        began = asyncio.get_running_loop().time()
        for pool in self._pools():
            await pool.start()
        epoch, taken_over = await self._ledger.do(TakeOver(at=self._clock.now()))
        self._events.emit(TakenOver(epoch=epoch, batches=taken_over))
        self._assemble(epoch)
        stop_listening = self._ledger.listen(self.ring)
        try:
            await self._run_services()
        finally:
            stop_listening()
            for pool in self._pools():
                await pool.stop()
        seconds = asyncio.get_running_loop().time() - began
        ended = await self._conclude(seconds)
        if self.failure is not None:
            if not any(tally.took_in for tally in self._tallies.of.values()):
                raise self.failure
            return Exit.KEPT
        return ended

    def _assemble(self, epoch: int) -> None:
        for pipeline in self._pipelines:
            dispatcher = pipeline.dispatching or self._dispatcher(pipeline, epoch)
            self._dispatchers.append(dispatcher)
            self._intakes.append(pipeline.make_intake(dispatcher.ring))

    def _dispatcher(self, pipeline: Pipeline, epoch: int) -> Dispatcher:
        if pipeline.pool is None:
            raise ValueError(f"{pipeline.work.pipeline}: expected a pool, or who has its batches worked elsewhere")
        return Dispatcher(
            pipeline.work,
            ledger=self._ledger,
            pool=pipeline.pool,
            clock=self._clock,
            events=self._events,
            draw=self._draw,
            epoch=epoch,
        )

    def _pools(self) -> list[Pool]:
        return [pipeline.pool for pipeline in self._pipelines if pipeline.pool is not None]

    async def _run_services(self) -> None:
        async with asyncio.TaskGroup() as group:
            services = [group.create_task(self._janitor.run(), name="janitor")]
            services += [group.create_task(dispatcher.run(), name="dispatcher") for dispatcher in self._dispatchers]
            for intake in self._intakes:
                group.create_task(self._take_in(intake), name=intake.name)
            services.append(group.create_task(self._answer_rings(), name="doorbell"))
            finished = asyncio.ensure_future(self._all_done())
            stopping = asyncio.ensure_future(self._stopping.wait())
            await asyncio.wait({finished, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finished.cancel()
            stopping.cancel()
            if self._stopping.is_set():
                self._events.emit(self._draining())
                await drain(self._intakes, self._dispatchers, settings=self._drain)
                for pool in self._pools():
                    await pool.stop()
                for dispatcher in self._dispatchers:
                    await dispatcher.finish()
            for service in services:
                service.cancel()

    def _draining(self) -> Draining:
        is_ingest = all(pipeline.work.pipeline == PIPELINE for pipeline in self._pipelines)
        who: Literal["engine", "ingest"] = "ingest" if is_ingest else "engine"
        return Draining(drain=self._drain.mode, limit_s=self._drain.limit_s, who=who)

    async def _take_in(self, intake: PipelineIntake) -> None:
        """Run an intake; when its source fails, the run drains as after a stop, so that what runs is not in vain."""
        try:
            await intake.run()
        except SourceError as error:
            self.failure = self.failure or error
            self.stop()

    async def _all_done(self) -> None:
        """Return when every intake is over and nothing is left to work."""
        for intake in self._intakes:
            await intake.ended.wait()
        while not all(dispatcher.is_idle for dispatcher in self._dispatchers) or await self._unfinished():
            await self._something_settled()

    async def _something_settled(self) -> None:
        waits = [asyncio.ensure_future(dispatcher.settled.wait()) for dispatcher in self._dispatchers]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for dispatcher in self._dispatchers:
            dispatcher.settled.clear()
        for wait in waits:
            wait.cancel()

    async def _unfinished(self) -> dict[str, int]:
        """Batches of these pipelines that are not at their end, by pipeline."""
        own = {pipeline.work.pipeline for pipeline in self._pipelines}
        counts: dict[str, int] = {}
        for row in await self._ledger.read(ReadUnfinished()):
            if row.pipeline in own:
                counts[row.pipeline] = counts.get(row.pipeline, 0) + row.batches
        return counts

    async def _conclude(self, seconds: float) -> Exit:
        kept = await self._unfinished()
        for name, tally in self._tallies.of.items():
            tally.seconds, tally.kept = seconds, kept.get(name, 0)
        if kept or any(intake.leaves_input and not intake.exhausted for intake in self._intakes):
            return Exit.KEPT
        own = {pipeline.work.pipeline for pipeline in self._pipelines}
        totals = await self._ledger.read(ReadTotals())
        dead = any(row.state is State.DEAD and row.pipeline in own for row in totals)
        return Exit.DEAD if dead else Exit.DONE

    # --- operators ----------------------------------------------------------------------------------------------

    async def _answer_rings(self) -> None:
        """Another process changed the ledger: look at everything again."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            for dispatcher in self._dispatchers:
                await dispatcher.recall()
                dispatcher.ring()
                dispatcher.settled.set()
