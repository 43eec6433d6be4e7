"""How far the input is known: what every partition reported last, and the watermark over all of them.

Theory of operation: the watermark is the lowest of all partitions that are not idle. One that has never reported, or
has too few frames for a clock, holds it where it is; so does one that promised to be idle and did not renew it, for
its reader may be gone and its frames unread. The promise carries wall-clock time, so the clocks of machines must agree
within seconds; where they do not, the watermark waits rather than runs ahead.
"""

from collections.abc import Iterator, Mapping

import msgspec

from millstream.counting.live.partial import Report, named, totals_of
from millstream.counting.model import Totals


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a partition: as `Report` says, with the totals since the beginning."""

    position: int
    end: int
    watermark: int | None
    caught_up: bool
    idle_until_s: float | None
    silent_since_s: float
    at_s: float
    totals: tuple[int, int, int, int, int]

    def counts(self) -> Totals:
        """The totals by name."""
        return named(self.totals)

    def is_idle(self, now_s: float) -> bool:
        """Whether it may be left out of the watermark."""
        return self.idle_until_s is not None and now_s < self.idle_until_s


class Frontier:
    """The last report of each partition."""

    def __init__(self, known: Mapping[int, Known] | None = None) -> None:
        self.known = dict(known or {})

    def take(self, report: Report) -> None:
        """A partition reports. Its watermark never goes back."""
        before = self.known.get(report.partition)
        totals, watermark = report.counts(), report.watermark
        if before is not None:
            totals += before.counts()
            watermark = max((at for at in (before.watermark, watermark) if at is not None), default=None)
        self.known[report.partition] = Known(
            position=report.to,
            end=report.end,
            watermark=watermark,
            caught_up=report.caught_up,
            idle_until_s=report.idle_until_s,
            silent_since_s=report.silent_since_s,
            at_s=report.at_s,
            totals=totals_of(totals),
        )

    def watermark(self, *, partitions: int, now_s: float) -> int | None:
        """Up to where all partitions are known; None when one is not, or when all are idle."""
        held = list(self._holding(partitions, now_s))
        lowest = None
        for watermark in held:
            if watermark is None:
                return None
            lowest = watermark if lowest is None else min(lowest, watermark)
        return lowest

    def silent(self, *, partitions: int, now_s: float) -> bool:
        """Whether nothing is on its way: all partitions are idle."""
        return not any(True for _ in self._holding(partitions, now_s))

    def holder(self, *, partitions: int, now_s: float) -> int | None:
        """The partition that holds the watermark back most; None when nothing does."""
        holding = [number for number in range(partitions) if not self._is_idle(number, now_s)]
        return min(holding, key=lambda number: (self._watermark(number) or -1, number), default=None)

    @property
    def totals(self) -> Totals:
        """Of all partitions since the beginning."""
        totals = Totals()
        for known in self.known.values():
            totals += known.counts()
        return totals

    def _holding(self, partitions: int, now_s: float) -> Iterator[int | None]:
        return (self._watermark(number) for number in range(partitions) if not self._is_idle(number, now_s))

    def _watermark(self, number: int) -> int | None:
        known = self.known.get(number)
        return None if known is None else known.watermark

    def _is_idle(self, number: int, now_s: float) -> bool:
        known = self.known.get(number)
        return known is not None and known.is_idle(now_s)
