"""Sort frames into minutes, and tell for which windows they are late.

Theory of operation: all frames of one minute share their windows, so lateness is a matter of the minute and the
watermark alone. A frame is late for a window whose end the watermark has reached, and is not counted in it once the
watermark has reached its end plus grace. The two differ by size: a frame too late for its minute may be in time for its
hour.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millstream.counting.model import ALL_SIZES, MINUTE_S, Size, Times
from millstream.counting.windows.calendar import Calendar

_MINUTE_BIT = Size.MINUTE.bit


class Verdict(NamedTuple):
    """The sizes of windows in which the frames of a minute count, and of those the ones for which they are late."""

    counted: int
    late: int

    @property
    def dropped(self) -> bool:
        """Whether they are past the grace of their minute."""
        return not self.counted & _MINUTE_BIT

    @property
    def late_for_minute(self) -> bool:
        """Whether they count in their minute, but late."""
        return bool(self.late & _MINUTE_BIT)


IN_TIME = Verdict(ALL_SIZES, 0)


def judge(minute: int, *, watermark: int | None, grace_s: int, calendar: Calendar) -> Verdict:
    """What becomes of frames of the minute that starts at `minute`, in Unix seconds."""
    if watermark is None or minute + MINUTE_S > watermark:
        return IN_TIME
    counted = late = 0
    ends = [(_MINUTE_BIT, minute + MINUTE_S), *((window.by.bit, window.end) for window in calendar.windows(minute))]
    for bit, end in ends:
        if end + grace_s > watermark:
            counted |= bit
            late |= bit if end <= watermark else 0
    return Verdict(counted, late)


def by_minute(times: Times) -> Iterator[tuple[int, NDArray[np.intp] | slice]]:
    """Each minute that occurs, from early to late, and the places of its frames in order of arrival."""
    if not len(times):
        return
    minutes = times // MINUTE_S
    order = np.argsort(minutes, kind="stable")
    ordered = minutes[order]
    if ordered[0] == ordered[-1]:
        yield int(ordered[0]) * MINUTE_S, slice(None)
        return
    borders = (np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist()
    for start, end in zip([0, *borders], [*borders, len(times)], strict=True):
        yield int(ordered[start]) * MINUTE_S, order[start:end]
