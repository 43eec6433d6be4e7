"""A pool without processes: for the simulator, for tests, and for users who test their handlers."""

import asyncio
import threading
from collections.abc import Awaitable

from millstream.core.model import AttemptResult, Job
from millstream.runtime.attempt import STOPPED, build_handler, run_attempt
from millstream.runtime.batch import Context, Handler, MakeHandler, ReadSpool


class InlinePool:
    """A `Pool` that calls the handler of one pipeline in the event loop; up to `slots` async ones at a time.

    Attempts end as in a `HostPool`, as far as one process can do that: there are no time-outs, a sync handler cannot
    be interrupted, a crash is a crash of the caller, and a command has nowhere to run.
    """

    def __init__(
        self,
        make: MakeHandler,
        *,
        name: str,
        slots: int = 10,
        read: ReadSpool | None = None,
        scratch: str = "",
    ) -> None:
        self._make = make
        self._name = name
        self._slots = asyncio.Semaphore(slots)
        self._read = read
        self._scratch = scratch
        self._handler: Handler | None = None
        self._attempts: dict[asyncio.Task[AttemptResult], threading.Event] = {}

    async def start(self) -> None:
        """Build the handler; raises HandlerImportError."""
        self._handler = build_handler(self._make, pipeline=self._name)

    async def run(self, job: Job, *, alone: bool = False) -> AttemptResult:
        """Run one attempt to its end, see `Pool.run`; `alone` changes nothing, as nobody survives a crash here."""
        del alone
        if self._handler is None:
            return STOPPED
        cancelled = threading.Event()
        context = Context(job, scratch=self._scratch, cancelled=cancelled)
        task = asyncio.get_running_loop().create_task(self._work(job, handler=self._handler, context=context))
        self._attempts[task] = cancelled
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            self._interrupt(task)
            await asyncio.wait([task])
            raise
        finally:
            del self._attempts[task]
        return STOPPED if cancelled.is_set() else task.result()

    async def stop(self) -> None:
        """End all attempts as lost, uncharged; idempotent."""
        self._handler = None
        running = [task for task in self._attempts if not task.done()]
        for task in running:
            self._interrupt(task)
        if running:
            await asyncio.wait(running)

    async def _work(self, job: Job, *, handler: Handler, context: Context) -> AttemptResult:
        async with self._slots:
            return await run_attempt(job, handler=handler, context=context, read=self._read, settle=_settle)

    def _interrupt(self, task: asyncio.Task[AttemptResult]) -> None:
        self._attempts[task].set()
        task.cancel()


async def _settle(awaitable: Awaitable[object]) -> object:
    return await awaitable
