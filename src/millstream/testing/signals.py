"""Wait for what the engine does, instead of sleeping until it probably has.

Theory of operation: the engine tells its listeners everything that happens as typed events. `Signals` is a listener
that remembers them and wakes whoever waits for one.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from millstream.runtime.events import Event

E = TypeVar("E", bound=Event)


class Signals:
    """A listener for tests: `engine_events.add(signals)`, then `await signals.wait_for(BatchClosed)`.

    Belongs to one event loop. What came before the call counts, too, so there is no race between cause and wait.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Remember `event` and wake the waiting."""
        self.events.append(event)
        self._arrived.set()

    def of(self, kind: type[E], *, where: Callable[[E], bool] | None = None) -> list[E]:
        """The events of one kind so far, those that `where` accepts."""
        return [event for event in self.events if isinstance(event, kind) and (where is None or where(event))]

    async def wait_for(
        self, kind: type[E], *, where: Callable[[E], bool] | None = None, count: int = 1, timeout_s: float = 10.0
    ) -> list[E]:
        """Wait until `count` such events came and return them; raises TimeoutError after `timeout_s` real seconds."""
        async with asyncio.timeout(timeout_s):
            while len(found := self.of(kind, where=where)) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return found
