"""End an attempt early, from another thread.

Theory of operation: an attempt runs in a thread of its own. An interrupt raises `AttemptInterrupted` in that thread
at its next Python instruction, unless the thread waits for something that can be stopped (a command, a task in the
event loop): then that is stopped, and the exception follows. The exception must never hit the thread after its
attempt, so both sides take a lock, and one that is still on its way when the attempt ends is called back.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")
_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


class AttemptInterrupted(BaseException):
    """Raised inside a handler whose time is up or that was cancelled; not an Exception, so that it gets through."""


class Interruptible:
    """One attempt, which another thread may interrupt at most once.

    `cancelled` is set by the interrupt, `reason` says why; both stand still once `run` has returned.
    """

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.reason: str | None = None
        self._lock = threading.RLock()
        self._thread: int | None = None
        self._over = False
        self._stops: list[Callable[[], object]] = []

    def run(self, call: Callable[[], _T]) -> _T:
        """Call in this thread, once; raises AttemptInterrupted when an interrupt came before the call returned."""
        try:
            try:
                self._begin()
                result = call()
            finally:
                self._end()
        except AttemptInterrupted:
            self._end()  # again: the exception may have hit the first one half-way, and there is no second exception
            raise
        self._raise_if_interrupted()
        return result

    def interrupt(self, reason: str) -> None:
        """End the attempt, also one that has not begun; one that is over or was interrupted before is left alone."""
        with self._lock:
            if self._over or self.reason is not None:
                return
            self.reason = reason
            self.cancelled.set()
            for stop in self._stops:
                stop()
            if self._thread is not None and not self._stops:
                _raise_in(ctypes.c_ulong(self._thread), ctypes.py_object(AttemptInterrupted))

    @contextmanager
    def stopped_by(self, stop: Callable[[], object]) -> Iterator[None]:
        """While inside, an interrupt calls `stop` (from its own thread); leaving then raises AttemptInterrupted."""
        with self._lock:
            self._raise_if_interrupted()
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)
        self._raise_if_interrupted()

    def _begin(self) -> None:
        with self._lock:
            self._raise_if_interrupted()
            self._thread = threading.get_ident()

    def _end(self) -> None:
        with self._lock:
            self._over = True
        if self.reason is not None:
            _raise_in(ctypes.c_ulong(threading.get_ident()), None)  # call back what may be on its way

    def _raise_if_interrupted(self) -> None:
        if self.reason is not None:
            raise AttemptInterrupted(self.reason)
