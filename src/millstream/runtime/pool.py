"""The pool of worker hosts: runs attempts outside of the engine process.

Theory of operation: two lanes of hosts. Attempts run in the crew, whose hosts share the slots. One that was in a host
when that died, together with others, is a suspect and runs alone next time, in a host of one slot that is kept only
while there are suspects: so a crash is charged to the culprit, and costs its neighbours a second try.
"""

import asyncio
import itertools
from contextlib import suppress

from millstream.core.model import AttemptResult, Job
from millstream.runtime.hostlink import Run
from millstream.runtime.lane import Lane, Limits
from millstream.runtime.nursery import Nursery

_MEMORY_CHECK_S = 1.0


class HostPool:
    """A `Pool` of `processes` hosts that share `slots` attempts at a time, for one pipeline of the nursery.

    An attempt that takes longer than `timeout_s` (engine seconds, of which `speed` pass in a real one) is interrupted:
    an async handler is cancelled, a sync one gets an exception that is no `Exception`, a command gets SIGTERM and
    two seconds later SIGKILL. One that goes on for `grace_s` real seconds more is killed with its host, after the
    other attempts in that have ended; a new host takes its place at once. A host that uses more than
    `max_host_bytes` of memory is replaced in the same way.
    """

    def __init__(
        self,
        nursery: Nursery,
        *,
        name: str,
        slots: int = 10,
        processes: int = 1,
        timeout_s: float | None = None,
        speed: float = 1.0,
        grace_s: float = 5.0,
        max_host_bytes: int | None = None,
    ) -> None:
        limits = Limits(timeout_s=timeout_s, speed=speed, grace_s=grace_s)
        hosts = min(processes, slots)
        places = [slots // hosts + (number < slots % hosts) for number in range(hosts)]
        self._crew = Lane(nursery, pipeline=name, places=places, limits=limits)
        self._suspects = Lane(nursery, pipeline=name, places=[1], limits=limits, on_demand=True)
        self._max_host_bytes = max_host_bytes
        self._memory_check: asyncio.TimerHandle | None = None
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        """Start the hosts and return when all are ready; raises HandlerImportError, HostLostError."""
        try:
            await self._crew.start()
        except BaseException:
            await self.stop()
            raise
        self._check_memory()

    async def run(self, job: Job, *, alone: bool = False) -> AttemptResult:
        """Run one attempt to its end, see `Pool.run`; raises HostLostError when the nursery is gone.

        Cancelling the call interrupts the attempt as a time-out does, and takes as long; `stop` makes it quick.
        """
        lane = self._suspects if alone else self._crew
        run = Run(number=next(self._numbers), job=job, ended=asyncio.get_running_loop().create_future())
        lane.submit(run)
        try:
            return await asyncio.shield(run.ended)
        except asyncio.CancelledError:
            lane.interrupt(run, reason="cancelled")
            while not run.ended.done():  # however often it is cancelled: the caller may count on the attempt's end
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([run.ended])
            raise

    async def stop(self) -> None:
        """Kill all hosts; attempts in them or in the queue end as lost, uncharged. Idempotent."""
        if self._memory_check is not None:
            self._memory_check.cancel()
        await self._crew.stop()
        await self._suspects.stop()

    def _check_memory(self) -> None:
        if self._max_host_bytes is not None:
            self._crew.relieve(max_host_bytes=self._max_host_bytes)
            self._memory_check = asyncio.get_running_loop().call_later(_MEMORY_CHECK_S, self._check_memory)
