"""What tests do to a server that is a test's own: end it in all ways, freeze it, and start it again."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from dev.process import Running, wait_until

from servers import session


class Server(Protocol):
    """A module of `dev` that starts servers of one kind."""

    NAME: str

    def start(self, root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
        """Start one with a folder of its own in `root`."""
        ...

    def start_again(self, folder: Path, *, owner: int | None = None) -> Running:
        """Start the one of that folder."""
        ...


class Own:
    """A server of a test's own; its address stays the same over restarts."""

    server: Server

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.address
        """`127.0.0.1:PORT`."""

    def start(self) -> None:
        """Start it again after `stop` or `kill`, with the data it had; waits until it serves."""
        self.running = self.server.start_again(Path(self.running.folder), owner=session.owner())

    def stop(self) -> None:
        """Shut it down in order."""
        self.running.stop()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.running.kill()

    def restart(self) -> None:
        """Shut it down in order and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it with SIGSTOP: connections stay, nothing answers."""
        freeze(self.running)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self.running.send(signal.SIGCONT)


def freeze(running: Running) -> None:
    """Stop a process, and wait until all of its threads have: one that is just at work goes on for a moment."""
    running.send(signal.SIGSTOP)
    threads = [*Path(f"/proc/{running.pid}/task").glob("*/stat")]
    assert wait_until(lambda: all(_state(each) in {"T", "Z", ""} for each in threads), limit_s=10)


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has ended
        return ""


OwnServer = TypeVar("OwnServer", bound=Own)


def lent(kind: type[OwnServer]) -> Iterator[OwnServer]:
    """Start one for a test, and end it afterwards."""
    own = kind(session.had(lambda: kind.server.start(session.folder(), owner=session.owner())))
    yield own
    own.kill()
    shutil.rmtree(own.running.folder, ignore_errors=True)


def shared(server: Server) -> Running:
    """The one that all tests of the session share."""
    return session.shared(server.NAME, start=lambda: server.start(session.shared_folder(), owner=session.owner()))
