"""End a server when its owner is gone: `watch.py OWNER SERVER FOLDER`, two process ids and what to delete then.

Ends when the server has ended, too.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

LOOK_EVERY_S = 0.5


def main() -> None:
    """Look twice a second."""
    owner, server = int(sys.argv[1]), int(sys.argv[2])
    while is_there(server):
        if not is_there(owner):
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, signal.SIGKILL)
            while is_there(server):
                time.sleep(LOOK_EVERY_S)
            shutil.rmtree(sys.argv[3], ignore_errors=True)
            return
        time.sleep(LOOK_EVERY_S)


def is_there(pid: int) -> bool:
    """Whether a process of that number runs; one that ended and was not collected yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - quick to start
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:  # no Linux
        return True


if __name__ == "__main__":
    main()
