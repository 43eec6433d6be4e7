"""Server processes: started apart from their parent, known by a record in their folder, ended by process id.

Theory of operation: a server belongs to a folder of its own that holds its data, its log and `server.json`, so any
process can find it, and end it, later. A process id alone may have gone to somebody else since; it is believed only
while the command line of that process names the folder. A server that has an owner, such as a test session, is
watched (see `watch.py`) and ends with it, however that ended.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dev.places import ServerError

RECORD = "server.json"
LOG = "server.log"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that was started: its kind, its process, its address, and the folder that is its own.

    `farewell` is the signal that ends it in order.
    """

    name: str
    pid: int
    address: str
    folder: str
    farewell: int = signal.SIGTERM

    @property
    def is_alive(self) -> bool:
        """Whether that process is still there, and is that server."""
        return self.folder in command_line(self.pid)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self) -> None:
        """End it, at first politely; idempotent. Its folder stays."""
        for number, limit_s in ((signal.Signals(self.farewell), STOP_LIMIT_S), (signal.SIGKILL, STOP_LIMIT_S)):
            self.send(signal.SIGCONT)
            self.send(number)
            if wait_until(lambda: not self.is_alive, limit_s=limit_s):
                return
        raise ServerError(f"{self.name}: process {self.pid} does not end")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.send(signal.SIGKILL)
        wait_until(lambda: not self.is_alive, limit_s=STOP_LIMIT_S)

    def forget(self) -> None:
        """Delete its folder with all of its data; what it started may still be writing while it ends."""
        wait_until(self._is_forgotten, limit_s=STOP_LIMIT_S)

    def _is_forgotten(self) -> bool:
        shutil.rmtree(self.folder, ignore_errors=True)
        return not Path(self.folder).exists()

    def save(self) -> None:
        """Leave the record in its folder, whole or not at all."""
        target = Path(self.folder) / RECORD
        draft = target.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(target)


def find(root: Path, *, name: str = "*") -> list[Running]:
    """The servers whose folders lie in `root`."""
    found = []
    for path in sorted(root.glob(f"{name}-*/{RECORD}")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(Running(**json.loads(path.read_text())))
    return found


def launch(
    command: Sequence[str],
    *,
    name: str,
    folder: Path,
    address: str,
    is_ready: Callable[[], bool],
    owner: int | None = None,
    farewell: signal.Signals = signal.SIGTERM,
) -> Running:
    """Start a server and wait until it serves; `command` must name `folder`. It ends with the process `owner`.

    Raises ServerError, with the last line of its log, when it ends at once or is not ready in time.
    """
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    running = Running(name=name, pid=process.pid, address=address, folder=str(folder), farewell=farewell)
    if owner is not None:
        _watch(owner, running)
    if (
        not wait_until(lambda: process.poll() is not None or is_ready(), limit_s=START_LIMIT_S)
        or process.poll() is not None
    ):
        running.kill()
        process.wait()
        raise ServerError(f"{name}: it does not start: {last_line(folder / LOG)}")
    running.save()
    # It outlives this process, and whoever ends it waits for its end by name: there is nothing left to collect here.
    process.returncode = 0
    return running


def command_line(pid: int) -> str:
    """The command line of a process, empty when it has ended."""
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    asked = ["ps", "-o", "command=", "-ww", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def last_line(path: Path) -> str:
    """The last line that says anything."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def wait_until(condition: Callable[[], bool], *, limit_s: float) -> bool:
    """Ask again and again, with short pauses; returns whether it came true in time."""
    until = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _watch(owner: int, running: Running) -> None:
    watch = Path(__file__).with_name("watch.py")
    watcher = subprocess.Popen(
        [sys.executable, str(watch), str(owner), str(running.pid), running.folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    watcher.returncode = 0  # it ends by itself
