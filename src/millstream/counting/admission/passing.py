"""Runs of blocks that something faster than this Python passes by the same rules.

Theory of operation: most blocks need no decision: every frame counts, none is ahead of the clock, nothing that waits is
concerned. Of the others, most only have a few frames late for their minute. A `BlockClock` passes blocks of both kinds,
as many as come one after the other, moves the clock at the end of each, and sets the late frames apart, with the
watermark that was before their block: what becomes of them is judged here.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from millstream.counting.admission.judging import by_minute, judge
from millstream.counting.model import Delta, Times, Users
from millstream.counting.windows.calendar import Calendar


class Columns(NamedTuple):
    """Times of frames, and six numbers for each block of them; 64-bit integers in the machine's order.

    The numbers are: end of its frames in `times`, lowest and highest time (0 without frames), lines, newlines, and how
    many lines up to its end were no frames.
    """

    times: bytes
    rows: bytes


class Passed(NamedTuple):
    """What a run came to: blocks, their frames, lines and newlines, the clock after it, and its late frames.

    `late` are places of frames that are late for their minute but within its grace, from first to last, `watermarks`
    what was the watermark before the block of each.
    """

    blocks: int
    frames: int
    lines: int
    newlines: int
    ring: Sequence[int]
    live: int | None
    judging: int | None
    late: NDArray[np.int64]
    watermarks: Times


class BlockClock(Protocol):
    """Passes blocks by the rules of one clock, as `Admission.admit` would one by one. Keeps nothing between calls."""

    def pass_blocks(
        self,
        columns: Columns,
        *,
        first: int,
        ring: Sequence[int],
        live: int | None,
        judging: int | None,
        latest_s: int,
        patience: int,
        waiting_s: int,
        until_s: int,
    ) -> Passed | None:
        """Pass blocks from number `first` on; None if that one is to be admitted frame by frame.

        `ring`, `live` and `judging` are the clock before it. No plausible time is later than `latest_s`. After more
        than `patience` frames one that waits is given up, and `waiting_s` is the smallest time that waits. A run ends
        before a block with lines that are no frames, or with other frames than those in time, or late within the grace
        of their minute while none waits; and with the block that takes the watermark to `until_s`.
        """
        ...


def late_deltas(times: Times, users: Users, watermarks: Times, *, grace_s: int, calendar: Calendar) -> Iterator[Delta]:
    """The deltas of late frames that a run set apart: each is judged by its watermark, which never falls.

    A verdict only ever gets worse with the watermark, so if that of the first frame of a minute is that of the last, it
    is that of all.
    """
    for minute, places in by_minute(times):
        own_users, own_marks = users[places], watermarks[places]
        first, last = int(own_marks[0]), int(own_marks[-1])
        verdicts = [judge(minute, watermark=mark, grace_s=grace_s, calendar=calendar) for mark in (first, last)]
        marks = [first] if verdicts[0] == verdicts[1] else np.unique(own_marks).tolist()
        for mark in marks:
            verdict = judge(minute, watermark=mark, grace_s=grace_s, calendar=calendar)
            some = own_users if len(marks) == 1 else own_users[own_marks == mark]
            yield Delta(minute=minute, users=some, frames=len(some), counted=verdict.counted, late=verdict.late)
