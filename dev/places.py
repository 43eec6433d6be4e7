"""Where servers are installed and where they run: the cache folder, locks, free ports."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path


class ServerError(Exception):
    """A server cannot be had or does not start; the text is one line for a person."""


def cache_folder() -> Path:
    """Where things are kept that were downloaded or built; may be deleted at any time."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millstream"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that name meanwhile, against other processes; waits for it. It ends with its process, too."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on; somebody else may take one at any moment, so be ready to ask again."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
