"""An event loop in a thread of its own, for those who block."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")

SLICE_S = 0.2
"""How soon a thread that waits notices that it was interrupted."""


class LoopThread:
    """Runs coroutines of other threads; started by its construction, ended by `stop`."""

    def __init__(self, *, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[object, object, _T]) -> Future[_T]:
        """Begin; the future belongs to the caller, who may cancel it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[object, object, _T]) -> _T:
        """Begin, and wait for the end; raises what it raises."""
        return result_of(self.submit(work))

    def stop(self) -> None:
        """Cancel what still runs, and end the thread; idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


def result_of(future: Future[_T]) -> _T:
    """Its result, waited for in slices: an exception that is raised in this thread from outside gets through then."""
    while True:
        try:
            return future.result(SLICE_S)
        except TimeoutError:
            if future.done():  # it is the outcome, or came just now
                return future.result()
        except BaseException:
            future.cancel()
            raise
