"""Signals for verbs that run until they are asked to stop.

Theory of operation: the first SIGINT or SIGTERM is a request: it sets a flag and wakes whoever waits on the
descriptor. The second one ends the process as Python does by itself. Nothing is interrupted half-way.
"""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether a person or the system asked to stop; a context manager, of the main thread."""

    def __init__(self) -> None:
        self.asked = False
        self.descriptor, self._wake = os.pipe()
        """Readable once it was asked."""

    def __enter__(self) -> Self:
        self._earlier = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        os.close(self.descriptor)
        os.close(self._wake)

    def wait(self, limit_s: float) -> None:
        """Wait so long, or until it is asked."""
        if not self.asked and limit_s > 0:
            select.select([self.descriptor], [], [], limit_s)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(self._wake, b"!")
