"""How long callers wait for a database that is away, and what people hear of it meanwhile."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from millstream.core.silence import REMIND_S, Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long calls wait for a database that is away (`away_s`), and for one that does not answer (`answer_s`).

    With `until`, calls wait for one that is away without end as long as that is not set. Who called again instead would
    not know whether a commit whose answer was lost had taken place.
    """

    away_s: float = 60.0
    answer_s: float = 30.0
    until: asyncio.Event | None = None

    def is_over(self, waited_s: float) -> bool:
        """Whether a call that waited for so long is to be told that the database is away."""
        return waited_s >= self.away_s and (self.until is None or self.until.is_set())


class Outage:
    """Tells that the database is away: at once, then now and then, and when it is there again."""

    def __init__(self, address: str, *, tell: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._tell = tell
        self._now = now
        self._silence = Silence(soon_s=0, remind_s=REMIND_S)

    def away(self, reason: str) -> None:
        """It was tried, and is away for this reason."""
        lasted_s = self._silence.lasts(at=self._now())
        if lasted_s is not None:
            so_long = f"away for {lasted_s:.0f} s, " if lasted_s else ""
            self._tell(f"ledger: {self._address}: {reason}; {so_long}trying again")

    def back(self) -> None:
        """It has answered."""
        lasted_s = self._silence.ends(at=self._now())
        if lasted_s is not None:
            self._tell(f"ledger: {self._address} is there again after {lasted_s:.0f} s")
