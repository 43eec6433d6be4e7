"""What the kernel is asked for, so that workers are killable as a whole and none outlives its engine.

Theory of operation: every host and every command leads a process group, so that a signal reaches what it started
too. On Linux a worker is killed when the nursery dies, and whatever a worker leaves behind when it dies becomes
the nursery's child instead of disappearing under process 1. Elsewhere those two have no counterpart and are left out.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_NICE = 5
"""Workers give way to the engine, so that deadlines are met while every handler burns CPU."""

_OOM_SCORE = "500"
"""The kernel takes a worker before the engine when memory runs out."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies; must run in the nursery's only thread.

    Left out where the kernel does not list children: orphans that cannot be found could only be waited for.
    """
    if _LIBC is not None and _children_file().exists():
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fork(work: Callable[[], None]) -> int:
    """Call `work` in a new process and return its id; the new process never returns into the caller's code.

    Raises OSError when the system has no process to spare.
    """
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the last border there is: two processes would run the caller
            traceback.print_exc()
        os._exit(os.EX_SOFTWARE)
    return pid


def fork_worker(work: Callable[[], None]) -> int:
    """`fork` from the nursery: the child leads a process group and is killed when the nursery dies."""
    nursery = os.getpid()

    def become_worker() -> None:
        os.setpgid(0, 0)
        os.nice(_NICE)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != nursery:  # it died before it was asked for
                return
            with suppress(OSError):  # a container may have /proc read-only
                Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
        work()

    pid = fork(become_worker)
    with suppress(OSError):  # in both processes, as either may need the group first
        os.setpgid(pid, pid)
    return pid


def signal_group(leader: int, *, signum: int = signal.SIGKILL) -> None:
    """Send a signal to everything in the process group of a worker, right after it was reaped at the latest.

    Until its group is empty the worker's id is not given out again; an empty group is no error.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signum)


def end_children() -> None:
    """Kill all children of this process, and theirs as they are handed up, and wait until the last is gone."""
    while True:
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def resident_bytes(pid: int) -> int:
    """The physical memory a process uses; 0 where that cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def describe_status(status: int) -> str:
    """How a process ended, in words: `status` is its exit code, or minus the signal that killed it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"killed by signal {-status}"


def _children() -> list[int]:
    try:
        return [int(pid) for pid in _children_file().read_text().split()]
    except OSError:
        return []


def _children_file() -> Path:
    return Path(f"/proc/self/task/{os.getpid()}/children")
