"""How long callers wait for a database that is away, and what people hear of it meanwhile."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

REMIND_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long calls wait for a database that is away (`away_s`), and for one that does not answer (`answer_s`).

    With `until`, calls wait for one that is away without end as long as that is not set.
    """

    away_s: float = 60.0
    answer_s: float = 30.0
    until: asyncio.Event | None = None

    def is_over(self, waited_s: float) -> bool:
        """Whether a call that waited for so long is to be told that the database is away."""
        return waited_s >= self.away_s and (self.until is None or self.until.is_set())


class Outage:
    """Tells that the database is away: at once, then every ten seconds, and when it is there again."""

    def __init__(self, address: str, *, tell: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._tell = tell
        self._now = now
        self._since: float | None = None
        self._told_at = 0.0

    def away(self, reason: str) -> None:
        """It was tried, and is away for this reason."""
        now = self._now()
        if self._since is None:
            self._since = self._told_at = now
            self._tell(f"ledger: {self._address}: {reason}; trying again")
        elif now - self._told_at >= REMIND_S:
            self._told_at = now
            self._tell(f"ledger: {self._address}: {reason}; away for {now - self._since:.0f} s, trying again")

    def back(self) -> None:
        """It has answered."""
        if self._since is not None:
            self._tell(f"ledger: {self._address} is there again after {self._now() - self._since:.0f} s")
            self._since = None
