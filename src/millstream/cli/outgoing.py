"""The lines that `produce` sends: from files and standard input, no faster than asked for.

Theory of operation: lines come in groups of a few hundred, those of one block. With a rate, a group is cut into slices
that are due at fixed times after the start, so a pause of the input is not made up for by a burst of more than one
slice. Whoever asks to stop is heard between two groups.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from millstream.adapters.framefile import FramePipe, StoredFile
from millstream.cli.stopping import Stop

_BLOCKS_AT_ONCE = 4
_SLICES_PER_S = 20
_QUIET_S = 0.1


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """What was read so far; `damage` says where a file could not be read on, and why."""

    lines: int = 0
    size_bytes: int = 0
    damage: list[str] = field(default_factory=list)

    def count(self, lines: Sequence[bytes]) -> None:
        """Add lines that were sent."""
        self.lines += len(lines)
        self.size_bytes += sum(map(len, lines))


def read_lines(sources: Sequence[StoredFile | FramePipe], outgoing: Outgoing, *, stop: Stop) -> Iterator[list[bytes]]:
    """The lines of the sources, one after the other, without newlines; blank ones are left out.

    Raises SourceError when a source cannot be read; damage of a compressed file is noted, and the next one is read.
    """
    for source in sources:
        blocks = _piped(source, stop) if isinstance(source, FramePipe) else _stored(source, outgoing, stop)
        for data in blocks:
            lines = [line for line in data.split(b"\n") if line and not line.isspace()]
            if lines:
                yield lines


def paced(groups: Iterable[list[bytes]], *, rate_per_s: float | None, stop: Stop) -> Iterator[Sequence[bytes]]:
    """The same lines, each slice when it is due; nothing is held back without a rate. Ends early at a stop."""
    if rate_per_s is None:
        yield from groups
        return
    size = max(1, round(rate_per_s / _SLICES_PER_S))
    due_s = time.monotonic()
    for group in groups:
        for start in range(0, len(group), size):
            lines = group[start : start + size]
            now_s = time.monotonic()
            stop.wait(due_s - now_s)
            if stop.asked:
                return
            yield lines
            due_s = max(due_s, now_s - 1 / _SLICES_PER_S) + len(lines) / rate_per_s


def _stored(file: StoredFile, outgoing: Outgoing, stop: Stop) -> Iterator[bytes]:
    first = 0
    while not stop.asked:
        portion = file.read(first, count=_BLOCKS_AT_ONCE)
        for block in portion.blocks:
            yield block.data
        first += len(portion.blocks)
        if portion.damage is not None:
            outgoing.damage.append(f"{file.path}: {portion.damage}")
        if portion.is_last:
            return


def _piped(pipe: FramePipe, stop: Stop) -> Iterator[bytes]:
    while not stop.asked:
        piece = pipe.next(quiet_s=_QUIET_S)
        yield piece.block.data
        if piece.is_last:
            return
