"""The guard against losing frames quietly.

Theory of operation: of every `SPAN` frames in a row, as they are counted, more than `LIMIT` rejected, quarantined or
dropped ones are a sign that something is wrong with the input or with the settings, not with single frames. Blocks that
lose nothing cost nothing: only those that do are remembered, until they are `SPAN` frames back.
"""

from collections import deque
from collections.abc import Iterable

SPAN = 100_000
LIMIT = 5_000


class LossGuard:
    """Watches how many of the last `SPAN` frames were lost; goes on from the `losses` of an earlier one."""

    def __init__(self, losses: Iterable[tuple[int, int]] = ()) -> None:
        self._losses = deque(losses)
        self._lost = sum(lost for _, lost in self._losses)

    @property
    def losses(self) -> list[tuple[int, int]]:
        """What it remembers: after how many frames so many were lost."""
        return list(self._losses)

    def lose(self, lost: int, *, frames: int) -> bool:
        """Note that the last of `frames` frames in all cost `lost`; whether that is too many now."""
        self._losses.append((frames, lost))
        self._lost += lost
        while self._losses[0][0] <= frames - SPAN:
            self._lost -= self._losses.popleft()[1]
        return self._lost > LIMIT
