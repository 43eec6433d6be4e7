"""The engine's hold on the nursery, the process that starts worker hosts and commands.

Theory of operation: the engine runs no user code and has threads, so it must not fork; the nursery is forked from
it before its first thread starts, and forks for it from then on. When the engine goes, however it goes, the nursery
ends everything that it started and then itself. What the engine has open when it starts the nursery stays open in
the nursery and in hosts until the last of them is gone, the lock on the state folder above all: so take the lock
first, and never unlock it other than by closing it, which leaves their hold on it alone.
"""

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from millstream.errors import HostLostError
from millstream.runtime.batch import MakeHandler, ReadSpool
from millstream.runtime.channel import Receiver, send
from millstream.runtime.host import HostSetup
from millstream.runtime.nursery_process import run_nursery
from millstream.runtime.processes import describe_status, fork
from millstream.runtime.wire import FROM_NURSERY, KillHost, StartHost

OnEnd = Callable[[int | HostLostError], None]
"""Called once, when nothing of a host runs any more, with its exit status, or when the nursery itself is lost."""


class Nursery:
    """Starts and kills hosts for all pools of an engine; a context manager to put around the event loop."""

    def __init__(self, control: socket.socket, *, pid: int) -> None:
        """Made by `start`."""
        self._control = control
        self._pid = pid
        self._messages = Receiver(control, FROM_NURSERY)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._numbers = itertools.count(1)
        self._on_end: dict[int, OnEnd] = {}
        self._lost: HostLostError | None = None

    @classmethod
    def start(
        cls,
        makers: Mapping[str, MakeHandler],
        *,
        readers: Mapping[str, ReadSpool],
        scratch: str,
        is_quiet: bool = False,
    ) -> Self:
        """Fork the nursery; to be called before the engine starts a thread and opens what workers should not have.

        `makers` builds the handler of each pipeline and `readers` reads its spool, both inherited by hosts, so that
        any closure will do; a pipeline of files needs no reader. `scratch` is a folder for temporary files. With
        `is_quiet`, tracebacks of handlers and the standard error of commands are not shown.
        """
        ours, theirs = socket.socketpair()
        setup = HostSetup(makers=makers, readers=readers, scratch=scratch, is_quiet=is_quiet)

        def work() -> None:
            ours.close()
            run_nursery(theirs, setup=setup)

        pid = fork(work)
        theirs.close()
        return cls(ours, pid=pid)

    def start_host(self, pipeline: str, *, slots: int, on_end: OnEnd) -> tuple[int, socket.socket]:
        """Start a host; returns its number and the engine's end of its socket. Called in the event loop.

        Raises HostLostError when the nursery is gone.
        """
        self._attach()
        if self._lost is not None:
            raise self._lost
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        self._on_end[number] = on_end
        with theirs:
            self._order(StartHost(number, pipeline, slots), descriptors=(theirs.fileno(),))
        return number, ours

    def kill_host(self, number: int) -> None:
        """Kill a host with everything it started; `on_end` tells when that is done. Idempotent."""
        self._order(KillHost(number))

    def close(self) -> None:
        """End everything, and return when it is gone; blocks, so call it after the event loop. Idempotent."""
        if self._control.fileno() < 0:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._control)
        with suppress(OSError):  # it may be lost already
            self._control.shutdown(socket.SHUT_RDWR)  # closing would not do if anybody forked a copy of the engine
        self._control.close()
        if self._lost is None:
            os.waitpid(self._pid, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attach(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop and self._lost is None:
            loop.add_reader(self._control, self._hear)
            self._loop = loop

    def _order(self, message: StartHost | KillHost, *, descriptors: tuple[int, ...] = ()) -> None:
        with suppress(ConnectionError):  # the nursery just died, which reading will tell to everybody
            send(self._control, message, descriptors=descriptors)

    def _hear(self) -> None:
        messages = self._messages.receive()
        if messages is None:
            self._lose()
            return
        for message in messages:
            self._on_end.pop(message.host)(message.status)

    def _lose(self) -> None:
        """The nursery is gone, and with it (where the kernel helps) every worker."""
        asyncio.get_running_loop().remove_reader(self._control)
        _, status = os.waitpid(self._pid, 0)
        how = describe_status(os.waitstatus_to_exitcode(status))
        self._lost = HostLostError(f"the process that starts workers is gone ({how}); start the engine again")
        everybody, self._on_end = self._on_end, {}
        for on_end in everybody.values():
            on_end(self._lost)
