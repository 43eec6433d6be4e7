"""A file that one process holds locked, with its id in it for whoever comes too late."""

import fcntl
import os


def lock_or_owner(descriptor: int) -> str | None:
    """Lock an open file until it is closed, which the end of the process does, too.

    Returns None, or the id of the process that has it ("unknown" before that has written it down); the file stays open
    either way. Never waits.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 32, 0).decode("ascii", "replace") or "unknown"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return None
