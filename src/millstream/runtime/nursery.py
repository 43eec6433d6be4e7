"""The engine's hold on the nursery, the process that starts worker hosts and commands.

Theory of operation: the engine runs no user code and has threads, so it must not fork; the nursery is forked from
it before the first thread starts and forks for it from then on. When the engine goes, however it goes, the nursery
ends everything that it started and then itself. What the engine has open when it starts the nursery stays open
there and in the hosts until the last of them is gone, a lock on the state folder above all; take the lock first, and
never unlock it explicitly, which would unlock it for all of them.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from millstream.errors import HostLostError
from millstream.runtime.batch import MakeHandler, ReadSpool
from millstream.runtime.channel import Connection, send
from millstream.runtime.host import HostSetup
from millstream.runtime.nursery_process import run_nursery
from millstream.runtime.processes import describe_status, fork
from millstream.runtime.wire import FROM_NURSERY, HostEnded, KillHost, StartHost

OnEnd = Callable[[int | None], None]
"""Called with the exit status of a host, or None when the nursery is gone and so the host."""


class Nursery:
    """Starts and kills hosts. Use it as a context manager around the event loop, or `close` it after the loop."""

    def __init__(self, control: socket.socket, *, pid: int) -> None:
        """Use `Nursery.start`."""
        self._control = control
        self._pid = pid
        ...
