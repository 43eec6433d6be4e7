"""Result records become columns: one row per window, its highest revision.

Theory of operation: rows are appended to one flat array of integers per size, so two years of minutes stay small; at
the end a stable sort by start and revision puts the row that counts last among those of its window. What is no result
is counted and told, never drawn.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from millstream.counting.model import SIZES, Result, Size, Status

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

LINE_LIMIT = 65_536
"""Bytes of a line that may be a result; a longer one is damaged, and is not held in memory."""

_LAST_S = 253_370_764_800
"""The start of the year 9999, which is as far as a calendar goes."""
_MOST = 2**53
"""Counts beyond are no counts, and a picture could not tell them apart."""
_STATUSES = tuple(Status)
_COLUMNS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows of one size in order of their starts; all arrays are of one length, at least 1.

    `starts` and `ends` are Unix seconds. `ontime` is what was put out when the watermark passed the end, -1 where no
    such record was read. `revised` says that late frames were counted or that the value changed after `ontime`, `early`
    that the window is still open, `exact` that `low` and `high` equal `users`.
    """

    size: Size
    starts: Whole
    ends: Whole
    users: Whole
    low: Whole
    high: Whole
    ontime: Whole
    revised: Flags
    early: Flags
    exact: Flags

    def __len__(self) -> int:
        return len(self.starts)


class Reading:
    """Collects records, and counts the lines that are none.

    `records` counts results, `damaged` lines that are no results; `first_damaged` says where the first one was, and
    what is wrong with it.
    """

    def __init__(self) -> None:
        self.records = self.damaged = 0
        self.first_damaged = ""
        self._rows: dict[Size, array[int]] = {size: array("q") for size in SIZES}
        self._decode = msgspec.json.Decoder(Result).decode

    def add(self, lines: Iterable[bytes | None], *, name: str) -> None:
        """Take the lines of the source `name`; None stands for a line beyond LINE_LIMIT, blank lines are no lines."""
        for number, line in enumerate(lines, start=1):
            if line is None:
                self._refuse(f"longer than {LINE_LIMIT} bytes", where=f"{name}:{number}")
            elif not line.isspace():
                try:
                    self._take(self._decode(line))
                except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                    self._refuse(str(error), where=f"{name}:{number}")

    def _take(self, found: Result) -> None:
        if not 0 <= found.start < found.end < _LAST_S:
            raise ValueError(f"expected start before end within the years 1970 to 9998, found {found.key}")
        counts = (found.low, found.users, found.high, found.revision, found.late)
        if not (0 <= found.low <= found.users <= found.high and all(0 <= count < _MOST for count in counts)):
            raise ValueError("expected 0 <= low <= users <= high")
        status = _STATUSES.index(found.status)
        self._rows[found.by].extend(
            (found.start, found.end, found.users, found.low, found.high, found.exact, status, *counts[3:])
        )
        self.records += 1

    def _refuse(self, reason: str, *, where: str) -> None:
        self.damaged += 1
        self.first_damaged = self.first_damaged or f"{where}: {reason}"

    def windows(self, sizes: Iterable[Size]) -> tuple[Windows, ...]:
        """The windows of each of these sizes of which there are any, from small to large."""
        wanted = set(sizes)
        return tuple(_windows(size, rows) for size, rows in self._rows.items() if rows and size in wanted)


def whole_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a file, None in the place of one beyond LINE_LIMIT."""
    while line := file.readline(LINE_LIMIT):
        if len(line) < LINE_LIMIT or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_LIMIT)
        yield None


def _windows(size: Size, rows: "array[int]") -> Windows:
    table = np.frombuffer(rows, dtype=np.int64).reshape(-1, _COLUMNS).T
    # Stable, so of equal revisions the one that was read last is the one that counts.
    table = table[:, np.lexsort((table[7], table[0]))]
    begins = np.flatnonzero(np.diff(table[0], prepend=-1))
    status, last = table[6], np.append(begins[1:], table.shape[1]) - 1
    ontime = np.full(len(begins), -1, dtype=np.int64)
    of_window = np.repeat(np.arange(len(begins)), np.diff(begins, append=table.shape[1]))
    said = status == _STATUSES.index(Status.ONTIME)
    ontime[of_window[said]] = table[2][said]
    starts, ends, users, low, high, exact, status, _, late = table[:, last]
    return Windows(
        size=size,
        starts=starts,
        ends=ends,
        users=users,
        low=low,
        high=high,
        ontime=ontime,
        revised=(late > 0) | ((ontime >= 0) & (ontime != users)),
        early=status == _STATUSES.index(Status.EARLY),
        exact=exact.astype(np.bool_),
    )
