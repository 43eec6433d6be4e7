"""Run commands for the attempts of a host.

Theory of operation: the nursery forks, because it has one thread and outlives hosts; everything else happens here,
in the thread of the attempt, which may block: it passes on what the command writes to standard error while it is
written, keeps the tail for the ledger, and waits for the exit status on the command's leash.
"""

import os
import select
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from millstream.errors import HostLostError
from millstream.runtime.channel import send
from millstream.runtime.interrupt import Interruptible
from millstream.runtime.wire import STATUS, StartCommand

_TAIL_BYTES = 4096
_PIPE_BYTES = 1 << 20
"""More than a pipe holds."""


class Spawner:
    """Runs commands through the nursery; any thread of the host may call `spawn`."""

    def __init__(self, nursery: socket.socket, *, is_quiet: bool) -> None:
        self._nursery = nursery
        self._quiet = is_quiet
        self._sending = threading.Lock()

    def spawn(
        self, attempt: Interruptible, argv: Sequence[str], *, env: Mapping[str, str], stdin: int
    ) -> tuple[int, str]:
        """What `Context.spawn` says; raises AttemptInterrupted once the command has ended by an interrupt."""
        request = StartCommand(
            argv=[os.fsencode(word) for word in argv],
            env={os.fsencode(name): os.fsencode(value) for name, value in env.items()},
        )
        leash, nursery_end = socket.socketpair()
        stderr, stderr_end = os.pipe()
        with leash, os.fdopen(stderr, "rb", buffering=0), attempt.stopped_by(partial(_ask_to_end, leash)):
            with nursery_end, os.fdopen(stderr_end, "wb", buffering=0), self._sending:
                send(self._nursery, request, descriptors=(stdin, stderr_end, nursery_end.fileno()))
            return self._wait(leash, stderr=stderr)

    def _wait(self, leash: socket.socket, *, stderr: int) -> tuple[int, str]:
        os.set_blocking(stderr, False)
        poll = select.poll()
        poll.register(stderr, select.POLLIN)
        poll.register(leash, select.POLLIN)
        tail = b""
        running = True
        while running:
            ready = [descriptor for descriptor, _ in poll.poll()]
            running = leash.fileno() not in ready
            # Also when only the leash is ready: the last words were written before it was, but after the look at them.
            data = _read_now(stderr)
            if data:
                self._pass_on(data)
                tail = (tail + data)[-_TAIL_BYTES:]
            elif stderr in ready:
                poll.unregister(stderr)
        status = leash.recv(STATUS.size)
        if not status:
            raise HostLostError("the process that runs commands is gone")
        return STATUS.unpack(status)[0], tail.decode(errors="replace")

    def _pass_on(self, data: bytes) -> None:
        if not self._quiet:
            with suppress(OSError):  # nobody may be reading any more
                os.write(2, data)


def _ask_to_end(leash: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        leash.send(b"end")


def _read_now(pipe: int) -> bytes:
    """Everything there is in a pipe, and nothing when there is nothing."""
    try:
        return os.read(pipe, _PIPE_BYTES)
    except BlockingIOError:
        return b""
