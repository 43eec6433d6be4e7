"""Counts many files as one, in event-time order.

Theory of operation: it is always the next block of the file whose watermark is lowest that is folded (of several, the
one whose path sorts first), and a file of which nothing is known yet comes before all others. So event time goes on in
all files together, windows close when the last of them has passed, and neither the order of the files nor who reads
them makes a difference. A file that begins late is not touched between its first block and its turn.

Where a scanner brings a clock that passes runs of blocks, a run goes no further than to where a window may close or
another file has its turn, and what looks at things between two blocks looks between two runs.
"""

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Protocol

from millstream.counting.files.part import Part
from millstream.counting.files.stride import Stride
from millstream.counting.files.tally import Tally

NOT_KNOWN = -(1 << 63)
"""Stands for the watermark of a file that has none yet: before all others."""

AHEAD = 9
"""So many files, the one at hand included, may be read ahead."""


class Supply(Protocol):
    """Where strides come from."""

    def take(self, part: Part, *, following: Sequence[Part]) -> Stride:
        """The stride of `part` that begins with its next block; blocks.

        `following` are the parts that come after it as things stand, for reading ahead. Raises SourceError when it
        cannot be read.
        """
        ...

    def close(self) -> None:
        """Stop reading; idempotent."""
        ...


class Fold:
    """The order in which the blocks of some files are counted."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        supply: Supply,
        tally: Tally,
        upper_s: int,
        between: Callable[[int], bool],
    ) -> None:
        """`between` is told how many blocks were folded since its last call; when it answers true, `run` returns."""
        self._supply = supply
        self._tally = tally
        self._upper_s = upper_s
        self._between = between
        self._order = sorted(((_key(part), part.path, part) for part in parts), key=lambda entry: entry[:2])

    @property
    def is_over(self) -> bool:
        """Whether all files have been counted."""
        return not self._order

    @property
    def paths(self) -> set[str]:
        """The files that have not been counted to their end."""
        return {path for _, path, _ in self._order}

    def run(self) -> None:
        """Fold until all is counted, or `between` wants a pause; may be called again. Raises SourceError."""
        while self._order:
            part = self._order[0][2]
            if part.wants_stride:
                part.stride = self._supply.take(part, following=[entry[2] for entry in self._order[1:AHEAD]])
            if part.stride is not None and self._fold(part, part.stride):
                return

    def _fold(self, part: Part, stride: Stride) -> bool:
        """Fold a stride for as long as its file is the one to go on with; whether a pause is wanted."""
        after = self._order[1][:2] if len(self._order) > 1 else None
        reach, between = self._tally.reach, self._between
        last = stride.first + len(stride.blocks)
        while part.block < last:
            blocks = self._advance(part, stride, after)
            key = _key(part)
            known = key if after is None or key < after[0] else after[0]
            if known != NOT_KNOWN:
                reach(known)
            is_behind = after is not None and (key, part.path) > after
            wants_pause = between(blocks)
            if is_behind or wants_pause:
                self._move(part, key)
                return wants_pause
        if stride.is_last:
            part.damage = stride.damage
            del self._order[0]
            part.settle()
        return False

    def _advance(self, part: Part, stride: Stride, after: tuple[int, str] | None) -> int:
        """Fold the next block of a stride, or a run of them; how many. `after` is the key and path of the next file."""
        until_s = self._tally.next_stop
        if until_s is not None and part.passes_runs:
            if after is not None:
                until_s = min(until_s, after[0] if part.path > after[1] else after[0] + 1)
            blocks = part.fold_run(stride, upper_s=self._upper_s, until_s=until_s)
            if blocks:
                return blocks
        part.fold(stride, part.block - stride.first, upper_s=self._upper_s)
        return 1

    def _move(self, part: Part, key: int) -> None:
        """Put the first file where it belongs now."""
        del self._order[0]
        insort(self._order, (key, part.path, part), key=lambda entry: entry[:2])


def _key(part: Part) -> int:
    watermark = part.watermark
    return NOT_KNOWN if watermark is None else watermark
