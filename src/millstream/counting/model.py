"""The values of counting: sizes of windows, frames, deltas, results."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Users = NDArray[np.uint64]

MINUTE_S = 60


class Size(StrEnum):
    """The sizes of windows, from small to large. A week is that of ISO 8601, which starts on Monday."""

    bit: int
    """The size as a member of a set of sizes held in an integer; a stored value, as it is asked for at every delta."""

    def __new__(cls, value: str) -> Self:
        """The next size, whose bit is the next one."""
        size = str.__new__(cls, value)
        size._value_ = value
        size.bit = 1 << len(cls.__members__)
        return size

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


SIZES = tuple(Size)
ALL_SIZES = (1 << len(SIZES)) - 1


class Status(StrEnum):
    """How far a result can be trusted."""

    EARLY = "early"
    """Still open."""
    ONTIME = "ontime"
    """The watermark passed its end."""
    UPDATE = "update"
    """Late frames changed it."""
    FINAL = "final"
    """Its grace is over: never revised."""


class Reason(StrEnum):
    """Why a frame is not counted; the text is what dead letters and summaries say."""

    MALFORMED = "malformed"
    """Not one JSON object and nothing else."""
    NO_USER = "no user"
    """No `uid`, or one that is no user: null, a boolean, empty, an object."""
    NO_TIME = "no time"
    """No `ts`, or one that is no time: null, NaN, text, milliseconds, a negative."""
    TOO_LONG = "too long"
    """Longer than a frame may be."""
    QUARANTINED = "quarantined"
    """A frame whose time the clock will not believe."""
    DROPPED = "dropped"
    """Past the grace of its minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A line or value that is no frame.

    `index` is its place among the lines of its block (blank lines not counted) or among the values; `start` the byte
    within the block at which it starts (0 for a value); `detail` says for a person what was expected and found.
    """

    index: int
    start: int
    reason: Reason
    detail: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The frames of one block, in order of arrival.

    `times` are Unix seconds, `users` the xxh3-64 of the UTF-8 of each uid (seed 0), both of one length. `lines` counts
    what was looked at: `lines == len(times) + len(rejects)`. `rejects` are in order of `index`.
    """

    times: Times
    users: Users
    rejects: tuple[Reject, ...]
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What some frames of one minute add: the unit of everything after admission.

    `minute` is the minute's start in Unix seconds; `counted` the sizes of windows in which they count, `late` those for
    which they were late (each a set of `Size.bit`); `frames` how many; `users` their users, maybe repeated, maybe
    without those that an earlier delta of the same reader and minute had.
    """

    minute: int
    users: Users
    frames: int
    counted: int = ALL_SIZES
    late: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts of frames, one word each.

    `frames` are all lines or values that were read, `late` those that were late for their minute. What is neither
    rejected nor quarantined nor dropped was counted in its minute, or waits for the clock.
    """

    frames: int = 0
    rejected: int = 0
    quarantined: int = 0
    late: int = 0
    dropped: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            frames=self.frames + other.frames,
            rejected=self.rejected + other.rejected,
            quarantined=self.quarantined + other.quarantined,
            late=self.late + other.late,
            dropped=self.dropped + other.dropped,
        )

    @property
    def lost(self) -> int:
        """Frames that are not in their minute: rejected, quarantined or dropped."""
        return self.rejected + self.quarantined + self.dropped


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """A half-open stretch of event time, in Unix seconds."""

    by: Size
    start: int
    end: int

    @property
    def key(self) -> str:
        """How the window is called: `minute:1468244340`."""
        return f"{self.by}:{self.start}"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a window as it is put out; what its fields mean stands in docs/unique-users.md.

    `low` and `high` are bounds of two standard deviations when `exact` is false. `watermark` is how far event time was
    known, in Unix seconds, None before anything is. The highest `revision` of a key wins.
    """

    by: Size
    start: int
    end: int
    users: int
    low: int
    high: int
    exact: bool
    status: Status
    revision: int
    frames: int
    late: int
    watermark: int | None

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"{self.by}:{self.start}"

    def encode(self) -> bytes:
        """One JSON object, without a newline."""
        return msgspec.json.encode(self)
