"""Hosts of one pipeline and the attempts that wait for them.

Theory of operation: a lane has places, each of a number of slots, and keeps a host in every place: one that died is
replaced, with a growing pause while hosts die before they have worked. An attempt that does not end when it is asked
to makes its host *retire*: another takes its place at once, the attempts beside it may finish, then the host is
killed, and only then is the stuck attempt over. So a zombie never works beside its successor, and neighbours lose
nothing. Everything happens in callbacks of the event loop, each of which leaves the lane in order.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from millstream.core.model import AttemptResult, Retry
from millstream.core.units import format_duration, format_size
from millstream.errors import HandlerImportError, HostLostError
from millstream.runtime.attempt import STOPPED
from millstream.runtime.hostlink import HostLink, Run
from millstream.runtime.nursery import Nursery
from millstream.runtime.processes import describe_status

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long an attempt may take.

    `timeout_s` is in engine seconds, of which `speed` pass in a real one; None: as long as it likes. `grace_s`, in
    real seconds, is how long it may take to end after it was asked to.
    """

    timeout_s: float | None
    speed: float
    grace_s: float


class Lane:
    """`places` are the slots of each host. A lane `on_demand` has hosts only while it has attempts."""

    def __init__(
        self,
        nursery: Nursery,
        *,
        pipeline: str,
        places: Sequence[int],
        limits: Limits,
        on_demand: bool = False,
    ) -> None:
        self._nursery = nursery
        self._pipeline = pipeline
        self._limits = limits
        self._on_demand = on_demand
        self._vacant = list(places)
        self._hosts: list[HostLink] = []
        self._retired: set[HostLink] = set()
        self._queue: deque[Run] = deque()
        self._started: asyncio.Future[None] | None = None
        self._stopping = False
        self._deserted = asyncio.Event()
        self._stillborn = 0

    async def start(self) -> None:
        """Start a host in each place and return when all are ready.

        Raises HandlerImportError when the handler cannot be loaded, HostLostError when the nursery is gone.
        """
        self._started = asyncio.get_running_loop().create_future()
        self._fill_places()
        await self._started

    def submit(self, run: Run) -> None:
        """Begin an attempt as soon as there is a slot for it, in order of arrival."""
        if self._stopping:
            run.finish(STOPPED)
            return
        self._queue.append(run)
        self._fill_places()
        self._dispatch()

    def interrupt(self, run: Run, *, reason: str) -> None:
        """End an attempt, with `reason` as its error; one that is over or was interrupted before is left alone."""
        if run.ended.done() or run.reason is not None:
            return
        run.reason = reason
        if run.host is None:
            self._queue.remove(run)
            run.finish(AttemptResult(outcome=Retry(error=reason)))
        else:
            run.host.interrupt(run, reason=reason)
            run.wait(self._limits.grace_s, then=partial(self._give_up, run, run.host))

    def relieve(self, *, max_host_bytes: int) -> None:
        """Replace hosts that have grown above a limit; one that is so large from its start gets to work first."""
        for host in [host for host in self._hosts if host.worked and host.resident_bytes() > max_host_bytes]:
            _LOG.info("%s: a worker host uses more than %s, replacing it", self._pipeline, format_size(max_host_bytes))
            self._retire(host)

    async def stop(self) -> None:
        """Kill all hosts and return when nothing of them runs any more; idempotent."""
        self._stopping = True
        self._end_start(HostLostError("the workers were stopped while they started"))
        while self._queue:
            self._queue.popleft().finish(STOPPED)
        for host in (*self._hosts, *self._retired):
            host.kill()
        if self._hosts or self._retired:
            await self._deserted.wait()

    # --- what hosts tell --------------------------------------------------------------------------------------

    def host_ready(self) -> None:
        """See HostOwner."""
        if all(host.ready for host in self._hosts):
            self._end_start()
        self._dispatch()

    def run_ended(self, host: HostLink, run: Run, result: AttemptResult) -> None:
        """See HostOwner."""
        run.finish(result)
        unneeded = self._on_demand and not self._queue and not host.runs
        if unneeded or host in self._retired:
            self._retire(host)
        self._dispatch()

    def host_ended(self, host: HostLink, status: int | HostLostError) -> None:
        """See HostOwner."""
        for run in host.runs.values():
            run.finish(status if isinstance(status, HostLostError) else self._post_mortem(run, host, status))
        if host in self._hosts:
            self._hosts.remove(host)
            self._replace(host, status)
        self._retired.discard(host)
        if self._stopping and not self._hosts and not self._retired:
            self._deserted.set()

    # --- hosts ------------------------------------------------------------------------------------------------

    def _fill_places(self) -> None:
        while self._vacant and not self._stopping and (self._queue or not self._on_demand):
            try:
                host = HostLink(self._nursery, pipeline=self._pipeline, slots=self._vacant[-1], owner=self)
            except HostLostError as error:
                self._fail(error)
                return
            self._vacant.pop()
            self._hosts.append(host)

    def _vacate(self, slots: int) -> None:
        self._vacant.append(slots)
        self._fill_places()

    def _retire(self, host: HostLink) -> None:
        """Replace a host, and kill it once only stuck attempts are left in it; called again whenever one ends."""
        if host in self._hosts:
            self._hosts.remove(host)
            self._retired.add(host)
            self._vacate(host.slots)
        if all(run.stuck for run in host.runs.values()):
            host.kill()

    def _replace(self, host: HostLink, status: int | HostLostError) -> None:
        """Replace a host that ended unasked, but not too fast while that keeps happening before it has worked."""
        if isinstance(status, HostLostError) or self._stopping:
            self._vacate(host.slots)
            return
        how = describe_status(status)
        reason = f"the worker host died while it loaded the handler ({how})"
        error = host.unfit or HandlerImportError(handler=self._pipeline, reason=reason)
        if not self._end_start(error):
            _LOG.warning("%s: replacing a worker host that died: %s", self._pipeline, host.unfit or how)
        self._stillborn = 0 if host.worked else self._stillborn + 1
        pause_s = min(_FIRST_PAUSE_S * 2 ** (self._stillborn - 1), _LONGEST_PAUSE_S) if self._stillborn else 0.0
        asyncio.get_running_loop().call_later(pause_s, self._vacate, host.slots)

    def _end_start(self, error: HandlerImportError | HostLostError | None = None) -> bool:
        """Let `start` return or raise; returns whether it was still waiting."""
        if self._started is None or self._started.done():
            return False
        if error is None:
            self._started.set_result(None)
        else:
            self._started.set_exception(error)
        return True

    def _fail(self, error: HostLostError) -> None:
        self._end_start(error)
        while self._queue:
            self._queue.popleft().finish(error)

    # --- attempts ---------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        while self._queue and (host := self._least_loaded()) is not None:
            run = self._queue.popleft()
            host.work(run)
            if self._limits.timeout_s is not None:
                reason = f"timed out after {format_duration(self._limits.timeout_s)}"
                run.wait(self._limits.timeout_s / self._limits.speed, then=partial(self.interrupt, run, reason=reason))

    def _least_loaded(self) -> HostLink | None:
        host = max(self._hosts, key=attrgetter("free"), default=None)
        return host if host is not None and host.free else None

    def _give_up(self, run: Run, host: HostLink) -> None:
        run.stuck = True
        _LOG.warning("%s: %s (%s) does not end, retiring its worker host", self._pipeline, run.job.id, run.reason)
        self._retire(host)

    def _post_mortem(self, run: Run, host: HostLink, status: int) -> AttemptResult:
        """How an attempt ended that was in a host when that ended."""
        if self._stopping:
            return STOPPED
        seconds = asyncio.get_running_loop().time() - run.started_s
        if run.stuck:
            return AttemptResult(outcome=Retry(error=str(run.reason)), seconds=seconds)
        error = f"worker host died: {describe_status(status)}"
        if len(host.runs) == 1:
            return AttemptResult(outcome=Retry(error=error), seconds=seconds, lost=True)
        error = f"{error} while {len(host.runs)} attempts ran in it"
        return AttemptResult(outcome=Retry(error=error), seconds=seconds, charged=False, alone=True, lost=True)
