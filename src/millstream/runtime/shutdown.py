"""The drain, in one place.

The order, and why:

1. intake stops, so nothing new is accepted; open minibatches are kept with their deadline (`keep`) or closed
   (`close`), and everything accepted is committed: from here on nothing can be lost;
2. claims that have no worker yet go back to the ledger (`keep`), or are worked with what was just closed (`close`);
3. running attempts get what is left of the limit, and end by themselves;
4. nothing more is claimed; what still runs is ended and given back uncharged, and the next start works it again.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


class Stoppable(Protocol):
    """An intake, as the drain sees it."""

    ended: asyncio.Event

    def stop(self) -> None:
        """Take in nothing more."""
        ...


class Drainable(Protocol):
    """A dispatcher, as the drain sees it."""

    def stop_claiming(self) -> None:
        """Claim nothing more."""
        ...

    def give_back_unstarted(self) -> None:
        """Give back what has no worker yet."""
        ...

    async def finish(self, *, until_idle: bool = False) -> None:
        """Wait until nothing is in hand, or nothing ready either."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainSettings:
    """`keep` open minibatches for the next start or `close` and work them now; `limit_s` is in real seconds."""

    mode: Literal["keep", "close"] = "keep"
    limit_s: float = 30.0


async def drain(intakes: Sequence[Stoppable], dispatchers: Sequence[Drainable], *, settings: DrainSettings) -> None:
    """Carry out the order above; the caller then ends what still runs."""
    for intake in intakes:
        intake.stop()
    for intake in intakes:
        await intake.ended.wait()
    close = settings.mode == "close"
    if not close:
        for dispatcher in dispatchers:
            dispatcher.stop_claiming()
            dispatcher.give_back_unstarted()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.limit_s):
            for dispatcher in dispatchers:
                await dispatcher.finish(until_idle=close)
    for dispatcher in dispatchers:
        dispatcher.stop_claiming()
