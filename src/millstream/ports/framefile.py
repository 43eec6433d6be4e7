"""The port of files of frames: lines, in blocks that the input fixes.

Theory of operation: a block is the lines whose first byte lies in one stretch of `BLOCK_BYTES` of a file, decompressed
if it was compressed. Blocks are numbered from 0; a long line leaves blocks empty behind it. So what a block holds is a
function of the file alone, and reading may begin at any block, by anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

BLOCK_BYTES = 64 << 10
LONGEST_LINE_BYTES = 16 << 20
"""What is longer is handed over cut to one byte more than this, which is enough to see that it is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Whole lines, each with its newline except a last one of the file that has none.

    `start` is the byte of the (decompressed) file at which the first of them starts.
    """

    start: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Consecutive blocks.

    `is_last` says that nothing follows; `damage` why what follows cannot be read, with `is_last` then true.
    `read_bytes` is how far into the file, as it is stored, reading went: for showing progress.
    """

    blocks: Sequence[Block]
    is_last: bool
    damage: str | None
    read_bytes: int


class FrameFile(Protocol):
    """One file of frames."""

    path: str
    """As it was named."""
    size_bytes: int
    """As it is stored, when it was first looked at."""
    is_seekable: bool
    """Whether any block can be read at no cost for those before it."""
    identity: tuple[int, int] | None
    """Device and inode of a file that others may open by its path, too; None for anything else."""

    def read(self, first: int, *, count: int) -> Portion:
        """At most `count` blocks from block `first` on, fewer only at the end.

        Blocks. A file that is not seekable remembers where it is, for a `read` that goes on there. Raises SourceError
        when the file cannot be read, or is no longer what it was.
        """
        ...

    def close(self) -> None:
        """Forget where reading was; idempotent, and `read` is still possible."""
        ...
