"""A worker host as the engine sees it, and the attempts in it.

Theory of operation: everything is a callback in the event loop. A host starts, gets ready or says that it is unfit,
runs attempts, and ends, which is told only when nothing of it runs any more. What it said before it died still
counts: its socket is emptied before the attempts that are left in it are given up.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from millstream.core.model import AttemptResult, Job
from millstream.errors import HandlerImportError, HostLostError
from millstream.runtime.channel import Connection
from millstream.runtime.nursery import Nursery
from millstream.runtime.processes import resident_bytes
from millstream.runtime.wire import FROM_HOST, Ended, FromHost, Interrupt, Ready, Unfit, Work


@dataclass(slots=True, eq=False, kw_only=True)
class Run:
    """One attempt on its way through a pool.

    `host` is set once it has one, `reason` once it was asked to end, `stuck` once it did not do so in time.
    """

    number: int
    job: Job
    ended: asyncio.Future[AttemptResult]
    host: "HostLink | None" = None
    started_s: float = 0.0
    reason: str | None = None
    stuck: bool = False
    timer: asyncio.TimerHandle | None = None

    def wait(self, seconds: float, *, then: Callable[[], None]) -> None:
        """Give it some real seconds from now, instead of what it had before."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.ended.get_loop().call_later(seconds, then)

    def finish(self, result: AttemptResult | HostLostError) -> None:
        """It is over; an error is what the call raises."""
        if self.timer is not None:
            self.timer.cancel()
        if isinstance(result, HostLostError):
            self.ended.set_exception(result)
        else:
            self.ended.set_result(result)


class HostOwner(Protocol):
    """Who is told what happens in a host."""

    def host_ready(self) -> None:
        """It takes attempts from now on."""
        ...

    def run_ended(self, host: "HostLink", run: Run, result: AttemptResult) -> None:
        """One of its attempts is over."""
        ...

    def host_ended(self, host: "HostLink", status: int | HostLostError) -> None:
        """Nothing of it runs any more; `host.runs` were cut off."""
        ...


class HostLink:
    """One host, from its start to its end.

    `runs` are the attempts in it. It is `ready` from when it has loaded its handler until its socket closes; `worked`
    says whether it ever had an attempt, `unfit` why it can have none.
    """

    def __init__(self, nursery: Nursery, *, pipeline: str, slots: int, owner: HostOwner) -> None:
        """Start it; raises HostLostError when the nursery is gone."""
        self.slots = slots
        self.runs: dict[int, Run] = {}
        self.ready = False
        self.worked = False
        self.unfit: HandlerImportError | None = None
        self._nursery = nursery
        self._owner = owner
        self._pid = 0
        self._number, channel = nursery.start_host(pipeline, slots=slots, on_end=self._ended)
        self._connection = Connection(channel, FROM_HOST, on_message=self._hear, on_end=self._fell_silent)

    @property
    def free(self) -> int:
        """How many more attempts it can take now."""
        return self.slots - len(self.runs) if self.ready else 0

    def work(self, run: Run) -> None:
        """Begin an attempt; it must be ready and have a free slot."""
        self.worked = True
        self.runs[run.number] = run
        run.host = self
        run.started_s = asyncio.get_running_loop().time()
        self._connection.send(Work(run.number, run.job))

    def interrupt(self, run: Run, *, reason: str) -> None:
        """Ask an attempt to end."""
        self._connection.send(Interrupt(run.number, reason))

    def kill(self) -> None:
        """End it and everything in it; idempotent."""
        self._nursery.kill_host(self._number)

    def resident_bytes(self) -> int:
        """The memory it uses; 0 when that cannot be told."""
        return resident_bytes(self._pid) if self.ready else 0

    def _hear(self, message: FromHost) -> None:
        match message:
            case Ready(pid=pid):
                self._pid, self.ready = pid, True
                self._owner.host_ready()
            case Unfit(handler=handler, reason=reason):
                self.unfit = HandlerImportError(handler=handler, reason=reason)
            case Ended(run=number):
                self._owner.run_ended(self, self.runs.pop(number), message.result())
            case _:
                assert_never(message)

    def _fell_silent(self) -> None:
        """It is dying, if it did not close its socket; nothing more can be got out of it in any case."""
        self.ready = False
        self.kill()

    def _ended(self, status: int | HostLostError) -> None:
        self.ready = False
        self._connection.drain()
        self._connection.close()
        self._owner.host_ended(self, status)
