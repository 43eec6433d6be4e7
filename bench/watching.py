"""What families of processes take: seconds of processors, and memory, from /proc.

A family is a process with all below it. The time of members that ended is in that of whoever collected them, so what a
family has taken never shrinks. Memory is the proportional set size, in which pages that several share count once.
"""

import os
import resource
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO, Self

LOOK_EVERY_S = 0.2
LOOK_OFTEN_S = 0.1
"""For a single process that is there for seconds."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)
"""Of the process and of its collected children, in user and system mode: fields behind the name in /proc/PID/stat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run took: seconds of the wall and of processors, peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str], *, environment: Mapping[str, str], output: IO[bytes] | None = None) -> Usage:
    """Run a command to its end, and watch it; raises CalledProcessError when it fails."""
    began, cpu_before_s = time.perf_counter(), _children_s()
    process = subprocess.Popen(command, env=environment, stdout=output)
    with Peaks([process.pid], every_s=LOOK_OFTEN_S) as peaks:
        code = process.wait()
        wall_s = time.perf_counter() - began
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Usage(wall_s=wall_s, cpu_s=_children_s() - cpu_before_s, peak_mb=peaks.mb[process.pid])


def family(pid: int) -> Iterator[int]:
    """A process and all below it; what ends meanwhile is left out."""
    yield pid
    for thread in _threads(pid):
        for child in _read(thread / "children").split():
            yield from family(int(child))


def taken_s(pids: Iterable[int]) -> float:
    """Processor seconds that the families of these processes have taken so far."""
    ticks = 0
    for member in {member for pid in pids for member in family(pid)}:
        fields = _read(Path(f"/proc/{member}/stat")).rpartition(")")[2].split()
        ticks += sum(map(int, fields[_TIMES]))
    return ticks / _TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Memory of the family of a process at this moment."""
    return sum(map(_memory_kb, family(pid))) / 1e3


class Peaks:
    """The most memory that families had meanwhile: a context manager; `mb` is by the first process of a family."""

    def __init__(self, pids: Iterable[int], *, every_s: float = LOOK_EVERY_S) -> None:
        self.mb = dict.fromkeys(pids, 0.0)
        self._every_s = every_s
        self._is_over = Event()
        self._watcher = Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while True:
            for pid, most_mb in self.mb.items():
                self.mb[pid] = max(most_mb, memory_mb(pid))
            if self._is_over.wait(self._every_s):
                return


def load() -> str:
    """How busy the machine is, in words for a table; other work on it makes figures worse."""
    return f"{os.getloadavg()[0]:.1f} at {time.strftime('%H:%M')}"


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _threads(pid: int) -> list[Path]:
    """The folders of the threads of a process that may be gone."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _memory_kb(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    """The text of a file of a process that may be gone."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
