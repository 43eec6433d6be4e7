"""Frames that wait because they are ahead of the clock, or because there is no clock yet.

Theory of operation: a frame far ahead is either the first after a gap or a lie. The frames after it decide: when the
clock arrives there in time, it is released; when it waits for too many frames, or too many wait, it is given up. Few
ever wait, so plain objects do. How long a frame waited is told in plausible frames of the partition and measured at the
start of a block, so that it does not depend on the portions in which a block arrives.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millstream.counting.model import Times, Users

Positions = NDArray[np.int64]
"""Where frames are in their input: offsets of a Kafka partition, numbers of lines of a file."""

NEVER = 1 << 62
"""Later than any time, and more than any number of frames."""


class Waiting(NamedTuple):
    """A frame that waits; `arrived` is its number among the plausible frames of the partition."""

    arrived: int
    time: int
    user: int
    position: int


class Arrivals(NamedTuple):
    """Some frames in order of arrival, as arrays of one length."""

    times: Times
    users: Users
    positions: Positions

    def where(self, chosen: NDArray[np.bool_]) -> "Arrivals":
        """Those that are chosen."""
        return Arrivals(self.times[chosen], self.users[chosen], self.positions[chosen])


class Pending:
    """The frames of one partition that wait, in order of arrival."""

    __slots__ = ("_frames", "earliest")

    earliest: int
    """The smallest time of all that wait, `NEVER` if none does."""

    def __init__(self, frames: Iterable[Waiting] = ()) -> None:
        self._keep(list(frames))

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def oldest(self) -> int:
        """The number of the frame that waits for longest, `NEVER` if none does."""
        return self._frames[0].arrived if self._frames else NEVER

    @property
    def frames(self) -> tuple[Waiting, ...]:
        """All of them."""
        return tuple(self._frames)

    def hold(self, arrivals: Arrivals, *, numbers: list[int]) -> None:
        """Let frames wait, which arrived under these numbers."""
        columns = (arrivals.times.tolist(), arrivals.users.tolist(), arrivals.positions.tolist())
        self._keep([*self._frames, *map(Waiting, numbers, *columns)])

    def take(self, chosen: Callable[[Waiting], bool]) -> list[Waiting]:
        """Those that are chosen; they wait no longer."""
        taken = [frame for frame in self._frames if chosen(frame)]
        if taken:
            self._keep([frame for frame in self._frames if not chosen(frame)])
        return taken

    def take_arrived_before(self, number: int) -> list[Waiting]:
        """Those that arrived before the frame of that number; they wait no longer."""
        kept = next((at for at, frame in enumerate(self._frames) if frame.arrived >= number), len(self._frames))
        return self._take_first(kept)

    def take_oldest(self, *, beyond: int) -> list[Waiting]:
        """The oldest, so that at most `beyond` are left; they wait no longer."""
        return self._take_first(max(0, len(self._frames) - beyond))

    def _take_first(self, count: int) -> list[Waiting]:
        taken = self._frames[:count]
        if taken:
            self._keep(self._frames[count:])
        return taken

    def _keep(self, frames: list[Waiting]) -> None:
        self._frames = frames
        self.earliest = min((frame.time for frame in frames), default=NEVER)


def as_arrivals(frames: list[Waiting]) -> Arrivals:
    """The same frames as arrays."""
    return Arrivals(
        np.array([frame.time for frame in frames], np.int64),
        np.array([frame.user for frame in frames], np.uint64),
        np.array([frame.position for frame in frames], np.int64),
    )
