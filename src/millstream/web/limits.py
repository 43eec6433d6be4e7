"""How often a caller may ask: token buckets in bounded memory.

Theory of operation: a bucket fills at a steady rate up to its burst; a request takes one token. A bucket that is full
again says nothing that an absent one does not, so it is dropped. When more callers ask within that time than are
remembered one by one, the newcomers share one bucket: memory stays bounded however many addresses ask.
"""

from collections import OrderedDict
from dataclasses import dataclass

REMEMBERED = 10_000
SHARED = ""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class Buckets:
    """One bucket for each caller; times are seconds of any clock that does not step back."""

    def __init__(self, *, per_s: float, burst: int, remembered: int = REMEMBERED) -> None:
        self._per_s = per_s
        self._burst = burst
        self._remembered = remembered
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: str, *, now_s: float) -> float:
        """Take a token: 0.0, or the seconds after which there will be one."""
        bucket = self._bucket(caller, now_s=now_s)
        bucket.tokens = min(self._burst, bucket.tokens + max(0.0, now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_s
        bucket.tokens -= 1
        return 0.0

    def _bucket(self, caller: str, *, now_s: float) -> _Bucket:
        if caller not in self._buckets:
            self._drop_full(now_s)
            if len(self._buckets) >= self._remembered:
                caller = SHARED
        bucket = self._buckets.setdefault(caller, _Bucket(tokens=self._burst, at_s=now_s))
        self._buckets.move_to_end(caller)
        return bucket

    def _drop_full(self, now_s: float) -> None:
        """Forget who has not asked for so long that its bucket is full; the oldest come first."""
        fills_in_s = self._burst / self._per_s
        while self._buckets:
            oldest = next(iter(self._buckets))
            if now_s - self._buckets[oldest].at_s < fills_in_s:
                return
            del self._buckets[oldest]
