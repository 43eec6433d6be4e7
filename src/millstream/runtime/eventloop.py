"""One event loop in a thread of its own, for everything that the async handlers of a host await."""

import asyncio
import logging
import queue
import threading
from collections.abc import Awaitable
from functools import partial

from millstream.runtime.interrupt import Interruptible

_LOG = logging.getLogger(__name__)
_Ended = asyncio.Task[tuple[object, BaseException | None]]


class EventLoop:
    """Runs from its creation to the end of the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="async-handlers", daemon=True).start()

    def finish(self, awaitable: Awaitable[object], *, attempt: Interruptible) -> object:
        """Run an awaitable to its end and return its value, or raise its error; blocks, for any thread but the loop's.

        An interrupt of the attempt cancels it; what it does about that is waited for.
        """
        ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        tasks: list[_Ended] = []

        def start() -> None:
            task = self._loop.create_task(_catch(awaitable))
            task.add_done_callback(ended.put)
            tasks.append(task)
            if attempt.cancelled.is_set():  # `stop` came before there was a task
                stop()

        def stop() -> None:
            for task in tasks:
                task.cancel()

        with attempt.stopped_by(partial(self._loop.call_soon_threadsafe, stop)):
            self._loop.call_soon_threadsafe(start)
            value, error = ended.get().result()
        if error is not None:
            raise error
        return value

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                _LOG.warning("a task that a handler left in the background tried to end the host", exc_info=True)


async def _catch(awaitable: Awaitable[object]) -> tuple[object, BaseException | None]:
    """Await, with an error as a value: the SystemExit of a handler would end the event loop."""
    try:
        return await awaitable, None
    except BaseException as error:  # noqa: BLE001 - see above; the attempt raises it again
        return None, error
