"""Processes that tests start, and that end with them."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """A process that is waited for at the end of the block, and killed first if the block fails.

    `subprocess.Popen` alone waits in any case: for ever, if what went wrong is that the process does not end.
    """
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
