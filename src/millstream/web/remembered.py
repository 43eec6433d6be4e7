"""An answer that costs something, asked for no more often than it is worth.

Theory of operation: counting all batches or jobs takes the longer the more there are. So an answer is given again until
twenty times as long has passed as it took: at most one part in twenty of the ledger's time goes into counting, however
many look.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

SHARE = 20
FRESH_S = 0.5

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The answer of `ask`, as it was a moment ago; whoever asks while it is being found waits for it."""

    def __init__(self, ask: Callable[[], Awaitable[Value]], *, monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._found: tuple[Value] | None = None
        self._good_until_s = float("-inf")

    async def get(self) -> Value:
        """The answer; raises what `ask` raises."""
        async with self._lock:
            began_s = self._monotonic()
            if self._found is None or began_s >= self._good_until_s:
                self._found = (await self._ask(),)
                ended_s = self._monotonic()
                self._good_until_s = ended_s + max(FRESH_S, SHARE * (ended_s - began_s))
            return self._found[0]
