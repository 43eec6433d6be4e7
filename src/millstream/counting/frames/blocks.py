"""Many blocks scanned in one call.

Theory of operation: a call costs more than a small block does, and an array of its own for each block is one too many.
So consecutive blocks give two columns together, and beside them, for each block, only what deciding about it asks for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millstream.counting.model import Frames, Reject, Times, Users

BLOCK_NUMBERS = 6
"""Numbers in a row about a block."""

_NEWLINE = ord("\n")
_NO_TIMES = np.empty(0, np.int64)
_NO_USERS = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFrames:
    """What is known of one block of lines.

    Its frames are those of the columns up to `end`, from the end of the block before; `lowest` and `highest` are its
    times' (0 without frames), `lines` counts all that are not blank. `newlines_before` has for each reject how many
    newlines of the block come before its line.
    """

    end: int
    lowest: int
    highest: int
    lines: int
    newlines: int
    rejects: tuple[Reject, ...]
    newlines_before: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedBlocks:
    """The frames of consecutive blocks as two columns, which may be read-only, and what is known of each block."""

    times: Times
    users: Users
    blocks: list[BlockFrames]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged:
    """Scanned blocks of a file.

    A row of `blocks` is one of them: the end of its frames in the columns, lowest and highest time, lines, newlines and
    the end of its rejects. Each of those starts at a byte of the file.
    """

    times: Times
    users: Users
    blocks: NDArray[np.int64]
    rejects: tuple[Reject, ...]
    newlines_before: list[int]
    is_last: bool


def one_by_one(scan_lines: Callable[[bytes], Frames], blocks: Sequence[bytes]) -> ScannedBlocks:
    """Consecutive blocks, each scanned by a call of its own."""
    scanned = [scan_lines(block) for block in blocks]
    known: list[BlockFrames] = []
    end = 0
    for block, frames in zip(blocks, scanned, strict=True):
        end += len(frames.times)
        known.append(_known(block, frames, end=end))
    return ScannedBlocks(
        times=np.concatenate([_NO_TIMES, *(frames.times for frames in scanned)]),
        users=np.concatenate([_NO_USERS, *(frames.users for frames in scanned)]),
        blocks=known,
    )


def _known(block: bytes, frames: Frames, *, end: int) -> BlockFrames:
    has_any = len(frames.times) > 0
    return BlockFrames(
        end=end,
        lowest=int(frames.times.min()) if has_any else 0,
        highest=int(frames.times.max()) if has_any else 0,
        lines=frames.lines,
        newlines=int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE)),  # a quarter of bytes.count
        rejects=frames.rejects,
        newlines_before=tuple(block.count(b"\n", 0, reject.start) for reject in frames.rejects),
    )
