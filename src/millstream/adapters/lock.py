"""One engine per state folder.

Theory of operation: the lock is a flock that the engine's worker processes inherit, so it is free only when the last of
them is gone: a successor never works beside an orphan. The file holds the engine's process id; when that process is
dead but the lock is not free, its workers are just being ended, and waiting for a moment is right.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from millstream.errors import StateLockedError

ORPHANS_GET_S = 10.0
LOOK_EVERY_S = 0.05


class StateLock:
    """Holds the lock of a state folder from construction to `release`.

    Raises StateLockedError when a living engine has it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        os.set_inheritable(self._file, True)  # noqa: FBT003 - the signature of the standard library
        give_up_at = time.monotonic() + ORPHANS_GET_S
        while not self._try():
            pid = self._owner()
            if _lives(pid) or time.monotonic() > give_up_at:
                os.close(self._file)
                raise StateLockedError(state=str(folder), pid=pid)
            time.sleep(LOOK_EVERY_S)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def fileno(self) -> int:
        """The descriptor that worker processes must keep open."""
        return self._file

    def release(self) -> None:
        """Let go of it; it is free once worker processes are gone, too."""
        os.close(self._file)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _owner(self) -> int:
        with contextlib.suppress(ValueError):
            return int(os.pread(self._file, 32, 0))
        return 0


def running_engine(folder: Path) -> int | None:
    """The process id of the engine that works on `folder`, or None."""
    try:
        file = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(file, 32, 0) or b"0")
    finally:
        os.close(file)
    return None


def _lives(pid: int) -> bool:
    """Whether the process exists and has not merely not been waited for."""
    if pid == 0:  # somebody only looked whether an engine runs
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
