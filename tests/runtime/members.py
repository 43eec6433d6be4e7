"""What members of a supervised group do in tests; importable by name, as they are started as processes of their own."""

import os
import signal
import sys
from pathlib import Path

from millstream.errors import FencedError, MillstreamError
from millstream.runtime.supervisor import Link


def steady(link: Link, start: int, folder: str) -> None:
    """Say who it is, and live until it is asked to end."""
    link.news((os.getpid(), start))
    while not link.stopping:
        signal.sigtimedwait((), 0.02)
    Path(folder, f"ended-{os.getpid()}").touch()
    link.news("ended")


def stubborn(link: Link, start: int) -> None:
    """Never listen."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    link.news((os.getpid(), start))
    while True:
        signal.pause()


def fenced_once(link: Link, start: int, folder: str) -> None:
    """Lose the work at the first start."""
    if start == 0:
        raise FencedError(reason="somebody else has it")
    steady(link, start, folder)


def unable(link: Link, start: int) -> None:
    """Say that it cannot work at all."""
    raise MillstreamError("broker: expected one, found none")


def surprised(link: Link, start: int, folder: str) -> None:
    """Meet something at the first start that nobody thought of."""
    if start == 0:
        raise KeyError("surprise")
    steady(link, start, folder)


def broken(link: Link, start: int, folder: str) -> None:
    """End with an exit code at the first start."""
    if start == 0:
        sys.exit(3)
    steady(link, start, folder)


def interrupted(link: Link, start: int) -> None:
    """Wait for something, and say so when a stop ends the wait."""
    link.news((os.getpid(), start))
    while not link.stopping:
        signal.sigtimedwait((), 0.02)
    raise MillstreamError("broker: nobody waits for it any longer")
