"""The engine's time, from the machine's clocks.

Theory of operation: at its start the clock notes the wall time once and goes on by a clock that nobody sets and that
counts while a laptop sleeps, so a deadline is neither early nor late because an operator or NTP stepped the wall
clock. Across restarts time goes on from the wall. With a speed other than 1 engine time runs that much faster from an
anchor that the ledger keeps, so that it goes on where it was after a restart.
"""

import asyncio
import json
import time
from dataclasses import dataclass

LONGEST_SLEEP_S = 30.0
CLOCK_ANCHOR = "clock"
"""What a ledger keeps the anchor under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """At wall time `wall_s` it was engine time `engine_s`, running `speed` times as fast; what the ledger keeps."""

    engine_s: float
    wall_s: float
    speed: float

    @classmethod
    def loads(cls, text: str) -> "Anchor":
        """Read what `dumps` wrote."""
        return cls(**json.loads(text))

    def dumps(self) -> str:
        """As JSON text."""
        return json.dumps({"engine_s": self.engine_s, "wall_s": self.wall_s, "speed": self.speed})

    def at(self, wall_s: float) -> float:
        """Engine time at a wall time."""
        return self.engine_s + (wall_s - self.wall_s) * self.speed

    def rescaled(self, speed: float, *, wall_s: float) -> "Anchor":
        """The same axis of time, running at another speed from `wall_s` on."""
        return Anchor(engine_s=self.at(wall_s), wall_s=wall_s, speed=speed)


def _monotonic() -> float:
    """Seconds of a clock that is never set, and counts while the machine sleeps where there is such a clock."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


class SystemClock:
    """Implements ports.Clock; without an anchor engine time is wall time."""

    def __init__(self, anchor: Anchor | None = None) -> None:
        wall_s = time.time()
        self.anchor = anchor or Anchor(engine_s=wall_s, wall_s=wall_s, speed=1.0)
        self.speed = self.anchor.speed
        self._began_engine_s = self.anchor.at(wall_s)
        self._began_s = _monotonic()

    def now(self) -> float:
        """See ports.Clock."""
        return self._began_engine_s + (_monotonic() - self._began_s) * self.speed

    def civil(self) -> float:
        """See ports.Clock."""
        return self.anchor.at(time.time())

    async def sleep_until(self, when_s: float) -> None:
        """See ports.Clock."""
        while (left_s := (when_s - self.now()) / self.speed) > 0:  # noqa: ASYNC110 - it is this clock that sleeps
            await asyncio.sleep(min(left_s, LONGEST_SLEEP_S))
