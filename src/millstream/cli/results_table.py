"""What `results` shows: results as they arrive, and the table of the newest windows.

Theory of operation: of each window the highest revision is kept, and of each size only so many of the newest windows,
so a topic of any length is shown in little memory. The lines of the screen are dealt out to the sizes in turn.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Protocol

import msgspec
from rich.table import Table
from rich.text import Text

from millstream.cli.output import make_table, printable
from millstream.cli.stopping import Stop
from millstream.counting.model import SIZES, Result, Size, Status
from millstream.errors import InvalidValueError

KEPT = 500
"""Windows of one size that are kept."""
STYLES = {Status.EARLY: "cyan", Status.ONTIME: "green", Status.UPDATE: "yellow", Status.FINAL: "bold"}
_FORMATS = {Size.MONTH: "%Y-%m", Size.YEAR: "%Y", Size.DAY: "%Y-%m-%d", Size.WEEK: "%G-W%V"}
_POLL_S = 0.2
_OTHER_LINES = 3


class Record(Protocol):
    """A record of the topic."""

    @property
    def value(self) -> bytes | None:
        """What it holds; None is a tombstone."""
        ...


class Reader(Protocol):
    """A reader of the topic."""

    @property
    def is_caught_up(self) -> bool:
        """Whether it was at the end."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing arrives."""
        ...

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """What has arrived."""
        ...


class Feed:
    """The results of a topic, of the sizes that `by` names (`minute,day`; None for all).

    Ends at a stop, or with `once` when everything that was there has been seen. Raises InvalidValueError.
    """

    def __init__(self, reader: Reader, *, by: str | None, stop: Stop, once: bool) -> None:
        self._reader = reader
        self._sizes = sizes_named(by)
        self._stop = stop
        self._once = once
        self._decode = msgspec.json.Decoder(Result).decode
        self.others = 0
        """Records that are no results."""

    @property
    def trouble(self) -> str:
        """Why nothing arrives, or nothing."""
        return self._reader.trouble

    def batches(self) -> Iterator[list[tuple[bytes, Result]]]:
        """Results with what they were written as; empty now and then."""
        while not self._stop.asked:
            yield [pair for record in self._reader.poll(_POLL_S) for pair in self._read(record)]
            if self._once and self._reader.is_caught_up:
                return

    def _read(self, record: Record) -> Iterator[tuple[bytes, Result]]:
        if record.value is None:
            return
        try:
            result = self._decode(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.others += 1
            return
        if result.by in self._sizes:
            yield record.value, result


def sizes_named(by: str | None) -> Sequence[Size]:
    """The sizes that are named, with commas between them, or all; raises InvalidValueError."""
    try:
        return SIZES if by is None else [Size(word.strip()) for word in by.split(",")]
    except ValueError:
        expected = f"some of {','.join(SIZES)}, with commas between them"
        raise InvalidValueError(name="by", expected=expected, found=by) from None


class NewestWindows:
    """The newest windows of each size, in the time of `zone`."""

    def __init__(self, *, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._by_size: dict[Size, dict[int, Result]] = {size: {} for size in SIZES}
        self._results = 0
        self._watermark: int | None = None

    def add(self, results: Iterable[Result]) -> None:
        """Take in results, in any order."""
        for result in results:
            self._results += 1
            windows = self._by_size[result.by]
            known = windows.get(result.start)
            if known is None or result.revision >= known.revision:
                windows[result.start] = result
            if len(windows) > 2 * KEPT:
                self._by_size[result.by] = dict(sorted(windows.items())[-KEPT:])
            if result.watermark is not None:
                self._watermark = max(result.watermark, self._watermark or result.watermark)

    def newest(self, rows: int) -> list[Result]:
        """At most so many windows, those of each size from new to old, small sizes first."""
        shares = deal({size: len(windows) for size, windows in self._by_size.items()}, rows)
        return [
            windows[start]
            for size, windows in self._by_size.items()
            for start in sorted(windows, reverse=True)[: shares[size]]
        ]

    def table(self, *, lines: int, trouble: str = "") -> Table:
        """The table as it is now, at most so many lines high."""
        numbers = ("users", "bounds", "frames", "late", "revision")
        columns = ("window", "start", "users", "bounds", "frames", "late", "revision", "status")
        table = make_table(*columns, numbers=numbers)
        table.columns[-1].no_wrap = True
        size: Size | None = None
        for result in self.newest(max(lines - _OTHER_LINES, 1)):
            table.add_row(
                result.by if result.by is not size else "",
                self._time(result),
                f"{result.users:,}",
                _bounds(result),
                f"{result.frames:,}",
                f"{result.late:,}",
                f"{result.revision:,}",
                Text(result.status, style=STYLES[result.status]),
            )
            size = result.by
        table.caption = Text(self._caption(trouble))
        table.caption_justify = "left"
        return table

    def _time(self, result: Result) -> str:
        return _local(result.start, self._zone, _FORMATS.get(result.by, "%Y-%m-%d %H:%M"))

    def _caption(self, trouble: str) -> str:
        if trouble:
            return f"the broker does not answer: {printable(trouble)}"
        if self._watermark is None:
            return "waiting for results" if not self._results else ""
        return f"watermark {_local(self._watermark, self._zone, '%Y-%m-%d %H:%M:%S')}, times in {self._zone}"


def deal(wanted: Mapping[Size, int], rows: int) -> Mapping[Size, int]:
    """Deal rows out in turn, to each size no more than it wants; small sizes come first."""
    shares: Counter[Size] = Counter()
    while rows > 0 and any(shares[size] < count for size, count in wanted.items()):
        for size, count in wanted.items():
            if rows > 0 and shares[size] < count:
                shares[size] += 1
                rows -= 1
    return shares


def _bounds(result: Result) -> str:
    """How far off the number of users may be."""
    off = max(result.high - result.users, result.users - result.low)
    return "exact" if result.exact else f"\u00b1{off:,}"


def _local(at_s: int, zone: tzinfo, form: str) -> str:
    try:
        return datetime.fromtimestamp(at_s, tz=UTC).astimezone(zone).strftime(form)
    except (OverflowError, ValueError, OSError):
        return f"second {at_s}"
