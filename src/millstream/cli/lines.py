"""What a count says on standard error: messages, and in a terminal a line of progress that is drawn anew.

Theory of operation: in a terminal both go through one console, or they would overwrite each other. Anywhere else there
is nothing to draw, so messages are written as they are, and what draws is not even loaded, which would take longer than
to count a small file.
"""

import os
import sys
from contextlib import suppress
from typing import Protocol

from millstream.cli.output import printable, say, stderr_console

_ASKED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables by which a pipe can be said to be a terminal; what they mean is decided by what draws."""


class Lines(Protocol):
    """Takes messages and progress."""

    is_drawn: bool
    """Whether anybody sees progress."""

    def say(self, text: str, *, style: str = "") -> None:
        """Write a message, a line."""
        ...

    def draw(self, text: str) -> None:
        """Draw the line of progress in place of the one before."""
        ...

    def stop(self) -> None:
        """Take the line of progress away; idempotent."""
        ...


def stderr_lines() -> Lines:
    """Those of standard error."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return DrawnLines() if is_terminal or any(name in os.environ for name in _ASKED) else PlainLines()


class PlainLines:
    """A file, a pipe, or nobody. Implements Lines."""

    is_drawn = False

    def say(self, text: str, *, style: str = "") -> None:
        """See Lines."""
        del style
        if sys.stderr is not None:
            with suppress(OSError):  # nobody reads it any more
                sys.stderr.write(printable(text) + "\n")
                sys.stderr.flush()

    def draw(self, text: str) -> None:
        """See Lines."""

    def stop(self) -> None:
        """See Lines."""


class DrawnLines:
    """A terminal. Implements Lines."""

    def __init__(self) -> None:
        from rich.live import Live  # noqa: PLC0415 - for a terminal

        self._console = stderr_console()
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self.is_drawn = self._console.is_terminal

    def say(self, text: str, *, style: str = "") -> None:
        """See Lines."""
        say(self._console, text, style=style)

    def draw(self, text: str) -> None:
        """See Lines."""
        from rich.text import Text  # noqa: PLC0415 - for a terminal

        if not self._live.is_started:
            self._live.start()
        self._live.update(Text(text), refresh=True)

    def stop(self) -> None:
        """See Lines."""
        self._live.stop()
