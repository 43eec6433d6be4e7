"""One clock for all machines: that of the ledger.

Theory of operation: a lease says until when a claim holds, and is written by one machine and judged by another, so
both must mean the same by a moment. Each asks the ledger for its time now and then, and counts on from there by a clock
of its own that nobody sets. The answer was true at some moment between question and answer: where that is short, the
middle is good enough; where it is long, as with a ledger that was held up, what was known before is kept unless it
cannot be. Between two questions time never goes back: when it was ahead it stands still for a moment.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from millstream.errors import LedgerUnreachableError
from millstream.ports import Clock

SKEW_S = 5.0
"""How far the clock of a machine may be off before people are told."""

PROMPT_S = 0.2
"""An answer within this time is worth more than what was known before."""

AGAIN_S = 60.0
LONGEST_SLEEP_S = 30.0

log = logging.getLogger("millstream")


class LedgerClock:
    """Implements ports.Clock by `ask`, which answers with the ledger's time in seconds since the Unix epoch.

    `own` is the clock of this machine, which runs as fast as the wall. It is this machine's time until `adjust` was
    called for the first time.
    """

    speed = 1.0

    def __init__(self, own: Clock, *, ask: Callable[[], Awaitable[float]]) -> None:
        self._own = own
        self._ask = ask
        self._ahead_s = 0.0
        self._latest = 0.0
        self._is_known = False
        self._is_told = False

    async def adjust(self) -> float:
        """Ask once; returns how far the ledger's clock is ahead of the one of this machine, in seconds.

        Tells people, once, when that is too much.
        """
        began = self._own.now()
        theirs = await self._ask()
        ended = self._own.now()
        if ended - began <= PROMPT_S or not self._is_known:
            self._ahead_s = theirs - (began + ended) / 2
        else:
            self._ahead_s = min(max(self._ahead_s, theirs - ended), theirs - began)
        self._is_known = True
        is_off = abs(self._ahead_s) - (ended - began) / 2 > SKEW_S
        if is_off and not self._is_told:
            way = "behind" if self._ahead_s > 0 else "ahead of"
            line = "the clock of this machine is %.1f s %s the ledger's, whose time is used; set the clock by NTP"
            log.warning(line, abs(self._ahead_s), way)
        self._is_told = is_off
        return self._ahead_s

    async def follow(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self._own.sleep_until(self._own.now() + AGAIN_S)
            await self._patiently_adjust()

    async def _patiently_adjust(self) -> None:
        """Adjust; while the ledger is away this machine goes on by what it knew."""
        try:
            await self.adjust()
        except LedgerUnreachableError as error:
            log.warning("%s", error)

    def now(self) -> float:
        """See ports.Clock."""
        self._latest = max(self._latest, self._own.now() + self._ahead_s)
        return self._latest

    def civil(self) -> float:
        """See ports.Clock."""
        return self._own.civil() + self._ahead_s

    async def sleep_until(self, when_s: float) -> None:
        """See ports.Clock."""
        while (left_s := when_s - self.now()) > 0:  # noqa: ASYNC110 - it is this clock that sleeps
            await asyncio.sleep(min(left_s, LONGEST_SLEEP_S))
