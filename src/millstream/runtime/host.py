"""The worker host: a process that runs user code, and nothing else.

Theory of operation: forked by the nursery, it builds the handler, says that it is ready and works what the engine
sends: sync handlers in as many threads as it has slots, the awaitables of async handlers in one event loop that is
shared by all, with the attempt's thread waiting. The main thread only listens, so that an interrupt or the end of
the engine is heard while all slots are busy.
"""

import logging
import os
import queue
import socket
import threading
import time
import traceback
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from millstream.core.model import AttemptResult, Job, Retry
from millstream.errors import HandlerImportError
from millstream.runtime.attempt import build_handler, run_attempt
from millstream.runtime.batch import Context, Handler, MakeHandler, ReadSpool
from millstream.runtime.channel import Receiver, send
from millstream.runtime.eventloop import EventLoop
from millstream.runtime.interrupt import AttemptInterrupted, Interruptible
from millstream.runtime.spawning import Spawner
from millstream.runtime.wire import TO_HOST, Ended, FromHost, Interrupt, Ready, Unfit, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSetup:
    """What hosts are made of; they inherit it through fork, so it may hold any closure.

    `makers` builds each pipeline's handler and `readers` reads its spool; `scratch` is a folder for temporary
    files. With `is_quiet`, tracebacks of handlers and the standard error of commands are not shown.
    """

    makers: Mapping[str, MakeHandler]
    readers: Mapping[str, ReadSpool]
    scratch: str
    is_quiet: bool


def run_host(pipeline: str, *, slots: int, engine: socket.socket, nursery: socket.socket, setup: HostSetup) -> None:
    """Be a host until the engine closes its socket or dies; called in a newly forked process."""
    if setup.is_quiet:
        logging.getLogger("millstream").setLevel(logging.CRITICAL)
    try:
        handler = build_handler(setup.makers[pipeline], pipeline=pipeline)
    except HandlerImportError as error:
        _tell(engine, Unfit(error.handler, error.reason))
        return
    host = _Host(
        engine,
        handler=handler,
        read=setup.readers.get(pipeline),
        spawner=Spawner(nursery, is_quiet=setup.is_quiet),
        scratch=setup.scratch,
    )
    host.work(slots)


def _tell(engine: socket.socket, message: FromHost) -> None:
    with suppress(ConnectionError):  # it died, and so shall we
        send(engine, message)


class _Host:
    def __init__(
        self,
        engine: socket.socket,
        *,
        handler: Handler,
        read: ReadSpool | None,
        spawner: Spawner,
        scratch: str,
    ) -> None:
        self._engine = engine
        self._handler = handler
        self._read = read
        self._spawner = spawner
        self._scratch = scratch
        self._sending = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[Work, Interruptible]] = queue.SimpleQueue()
        self._attempts: dict[int, Interruptible] = {}
        self._event_loop = EventLoop()

    def work(self, slots: int) -> None:
        """Work until the engine is gone; whatever still runs then ends with the process."""
        for number in range(slots):
            threading.Thread(target=self._serve_slot, name=f"slot-{number}", daemon=True).start()
        _tell(self._engine, Ready(os.getpid()))
        orders = Receiver(self._engine, TO_HOST)
        while (messages := orders.receive()) is not None:
            for message in messages:
                match message:
                    case Work(run=run):
                        attempt = self._attempts[run] = Interruptible()
                        self._waiting.put((message, attempt))
                    case Interrupt(run=run, reason=reason):
                        self._interrupt(run, reason=reason)
                    case _:
                        assert_never(message)

    def _interrupt(self, run: int, *, reason: str) -> None:
        attempt = self._attempts.get(run)
        if attempt is not None:
            attempt.interrupt(reason)

    def _serve_slot(self) -> None:
        try:
            while True:
                work, attempt = self._waiting.get()
                result = self._run(work.job, attempt=attempt)
                del self._attempts[work.run]
                with self._sending:
                    _tell(self._engine, Ended.of(work.run, result=result))
        finally:  # by a bug only; better no host than one that takes attempts and never ends them
            traceback.print_exc()
            os._exit(os.EX_SOFTWARE)

    def _run(self, job: Job, *, attempt: Interruptible) -> AttemptResult:
        started = time.perf_counter()
        try:
            return attempt.run(partial(self._drive, job, attempt))
        except AttemptInterrupted:
            return AttemptResult(outcome=Retry(error=str(attempt.reason)), seconds=time.perf_counter() - started)

    def _drive(self, job: Job, attempt: Interruptible) -> AttemptResult:
        """Run an attempt to its end in this thread: what it awaits blocks the thread, so it never suspends."""

        async def settle(awaitable: Awaitable[object]) -> object:
            return self._event_loop.finish(awaitable, attempt=attempt)

        context = Context(
            job,
            spawn=partial(self._spawner.spawn, attempt),
            scratch=self._scratch,
            cancelled=attempt.cancelled,
        )
        running = run_attempt(job, handler=self._handler, context=context, read=self._read, settle=settle)
        try:
            running.send(None)
        except StopIteration as end:
            result: AttemptResult = end.value
            return result
        raise RuntimeError("an attempt in a host awaits nothing but what `settle` blocks for")
