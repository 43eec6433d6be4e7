"""The source `sim:messages`: simulated messages that arrive at random in engine time.

Theory of operation: when a message is due follows from the seed alone, counted from the engine time at which the
source was first opened; that time is part of the position. So after a restart the same messages come at their
original times, and those that were due in between come at once, as from a real queue.
"""

import json
import math

from millstream import simulate
from millstream.core.model import Lines
from millstream.ports import Clock

MAX_RECORDS = 8_192
"""The most messages in one block: what is due after a long outage comes in several."""


class SimulatedMessages:
    """A `Source` of JSON messages at random intervals (a Poisson process), the same for the same seed.

    It ends `duration_s` engine seconds after it was first opened, or never when that is None.
    """

    replayable = True

    def __init__(self, clock: Clock, *, rate_per_s: float, duration_s: float | None, seed: int) -> None:
        duration = "" if duration_s is None else f"&duration={duration_s:g}s"
        self.name = f"sim:messages?rate={rate_per_s:g}/s{duration}&seed={seed}"
        self.bounded = duration_s is not None
        self._clock = clock
        self._rate_per_s = rate_per_s
        self._duration_s = math.inf if duration_s is None else duration_s
        self._seed = seed

    async def open(self, position: str | None) -> None:
        """Continue after `position`, or begin now when it is None."""
        done = {"index": 0, "started_at": self._clock.now(), "elapsed_s": 0.0}
        if position is not None:
            done = json.loads(position)
        self._index = int(done["index"])
        self._started_at = done["started_at"]
        self._elapsed_s = done["elapsed_s"]
        self._arrivals = simulate.arrivals(
            rate_per_s=self._rate_per_s,
            seed=self._seed,
            started_at=self._started_at,
            index=self._index,
            elapsed_s=self._elapsed_s,
        )
        self._ahead_s, self._ahead = next(self._arrivals)

    async def read(self) -> Lines | None:
        """Wait for the next message; returns all that are due by then, at most MAX_RECORDS."""
        await self._clock.sleep_until(self._started_at + min(self._ahead_s, self._duration_s))
        if self._ahead_s > self._duration_s:
            return None
        now = self._clock.now()
        lines: list[bytes] = []
        while self._is_due(now) and len(lines) < MAX_RECORDS:
            lines.append(self._ahead)
            self._elapsed_s = self._ahead_s
            self._ahead_s, self._ahead = next(self._arrivals)
        self._index += len(lines)
        return Lines(data=b"".join(lines), count=len(lines), read_at=now, position=self._position())

    def leftovers(self) -> Lines | None:
        """None: what was not handed over comes again after a restart."""
        return None

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _is_due(self, now: float) -> bool:
        return self._ahead_s <= self._duration_s and self._started_at + self._ahead_s <= now

    def _position(self) -> str:
        done = {"index": self._index, "started_at": self._started_at, "elapsed_s": self._elapsed_s}
        return json.dumps(done, separators=(",", ":"))
