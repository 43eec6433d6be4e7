"""The dashboard of an engine, as the engine sees it: a process of its own that looks at the ledger.

Theory of operation: a page costs nothing that the engine has to wait for. It is served by a child process, at a lower
priority, that reads the ledger's file beside the engine, as `millstream status` does, and changes it as `millstream
retry` does. The engine only opens the socket, so that an address which cannot be had is told before anything runs,
and holds one end of a pipe: when that closes, however the engine ended, the child ends.
"""

import importlib.util
import logging
import os
import socket
import subprocess
import sys
from types import TracebackType
from typing import Self

from millstream.config import EngineConfig
from millstream.errors import ConfigurationError, MissingExtraError

END_S = 5.0
BACKLOG = 128
PACKAGES = ("fastapi", "uvicorn", "prometheus_client")

log = logging.getLogger("millstream")


class Dashboard:
    """A context manager around the run of an engine; does nothing unless the settings ask for it."""

    def __init__(self, settings: EngineConfig) -> None:
        self._state = settings.state
        self._address = settings.dashboard
        self._socket: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self.url: str | None = None
        """Where the page is."""

    def __enter__(self) -> Self:
        """Take the address; raises ConfigurationError, MissingExtraError."""
        if self._address is None:
            return self
        if not all(importlib.util.find_spec(name) for name in PACKAGES):
            raise MissingExtraError(feature="--dashboard", extra="serve")
        self._socket = listen_at(self._address)
        host = self._address.rpartition(":")[0]
        self.url = f"http://{host}:{self._socket.getsockname()[1]}/"
        return self

    def show(self) -> None:
        """Serve the page from now on; the ledger must be there."""
        if self._socket is None:
            return
        self._socket.set_inheritable(True)
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-P",  # a module in the folder of the user must not stand in for one of ours
                "-m",
                "millstream.wiring.dashboard_process",
                self._state,
                str(self._socket.fileno()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(self._socket.fileno(),),
            start_new_session=True,  # a terminal's Ctrl-C is the engine's: the page shows the drain
        )
        self._socket.close()
        log.info("dashboard: %s", self.url)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._child is None:
            return
        if self._child.poll() is not None:
            log.warning("the dashboard had ended before, with exit code %d", self._child.returncode)
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def listen_at(address: str) -> socket.socket:
    """A socket that listens there; raises ConfigurationError when it cannot be had."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
    own = socket.socket(family, socket.SOCK_STREAM)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((host.strip("[]"), int(port)))
        own.listen(BACKLOG)
    except OSError as error:
        own.close()
        problem = f"dashboard: expected an address that is free, found {address}: {os.strerror(error.errno or 0)}"
        raise ConfigurationError([f"{problem}; name another, such as {host}:0 for any"]) from None
    return own
