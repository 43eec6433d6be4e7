"""What reading ahead gives: consecutive blocks of a file, scanned.

Theory of operation: a file is read in strides (`striding`). Scanning keeps of a block only what folding it asks for:
its frames as a part of two arrays, how many lines it has, the earliest and the latest time, and what was no frame.
Strides travel between processes, so they are plain data. What is known of blocks is kept as rows of numbers, because a
scanner or a clock that is not Python gives and takes them so; values are made of the rows of those blocks that somebody
looks at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from millstream.counting.admission.clock import ClockSettings
from millstream.counting.admission.passing import BlockClock
from millstream.counting.files.striding import stride_length
from millstream.counting.frames.blocks import BLOCK_NUMBERS, BlockFrames, Ranged
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.model import Reason, Times, Users
from millstream.ports.framefile import BLOCK_BYTES, Block, FrameFile

PORTION_BLOCKS = 4
"""Blocks that are read at once: a quarter of a megabyte stays in the caches and in the heap; more costs page faults."""


class ScanRange(Protocol):
    """What a scanner calls `scan_range` that reads plain files itself, without the interpreter's lock."""

    def __call__(
        self, path: str, *, identity: tuple[int, int], size_bytes: int, first: int, count: int
    ) -> Ranged | None:
        """Blocks of the file with this device and inode; None if it must be read in another way."""
        ...


@runtime_checkable
class ClockScanner(Protocol):
    """A scanner that comes with a clock which passes blocks faster than this Python."""

    def block_clock(self, settings: ClockSettings, *, grace_s: int) -> BlockClock:
        """A clock with these settings, for frames with this grace."""
        ...


class Refused(NamedTuple):
    """A line that is no frame: how many newlines of its block are before it, and its first byte within the file."""

    newlines: int
    byte: int
    reason: Reason
    detail: str
    raw: bytes


class BlockFacts(NamedTuple):
    """What is known of one block: its frames are those of the stride up to `end`, from the end of the block before.

    `lowest` and `highest` are its times' (0 without frames), `lines` counts all that are not blank.
    """

    end: int
    lowest: int
    highest: int
    lines: int
    newlines: int
    refused: tuple[Refused, ...]


class Blocks(Sequence[BlockFacts]):
    """What is known of consecutive blocks; `rows` are as in `Ranged.blocks`, `refused` are all their rejects."""

    __slots__ = ("_refused", "rows")

    def __init__(self, rows: NDArray[np.int64], refused: Sequence[Refused]) -> None:
        self.rows = rows
        self._refused = refused

    @classmethod
    def of(cls, facts: Iterable[BlockFacts]) -> Self:
        """The same, of values."""
        refused: list[Refused] = []
        rows: list[tuple[int, ...]] = []
        for block in facts:
            refused += block.refused
            rows.append((*block[:-1], len(refused)))
        return cls(np.array(rows, np.int64).reshape(-1, BLOCK_NUMBERS), refused)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> BlockFacts: ...
    @overload
    def __getitem__(self, index: slice) -> list[BlockFacts]: ...
    def __getitem__(self, index: int | slice) -> BlockFacts | list[BlockFacts]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        end, lowest, highest, lines, newlines, refused = self.rows[number].tolist()
        known = int(self.rows[number - 1, -1]) if number and refused else 0
        return BlockFacts(end, lowest, highest, lines, newlines, tuple(self._refused[known:refused]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocks) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def start(self, index: int) -> int:
        """Where the frames of a block begin in the columns."""
        return int(self.rows[index - 1, 0]) if index else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stride:
    """Scanned blocks, from block `first` on; `is_last`, `damage` and `read_bytes` as in Portion."""

    first: int
    times: Times
    users: Users
    blocks: Blocks
    is_last: bool
    damage: str | None
    read_bytes: int


def read_stride(file: FrameFile, scanner: FrameScanner, *, first: int) -> Stride:
    """Read and scan the stride of `file` from block `first` on. Raises SourceError."""
    # By its name, because asking whether it implements a protocol takes longer than all else that is done here.
    scan_range: ScanRange | None = getattr(scanner, "scan_range", None)
    if scan_range is not None and file.is_seekable and file.identity is not None:
        found = scan_range(
            file.path, identity=file.identity, size_bytes=file.size_bytes, first=first, count=stride_length(first)
        )
        if found is not None:
            return _stride_of(found, first=first, size_bytes=file.size_bytes)
    times: list[Times] = []
    users: list[Users] = []
    facts: list[BlockFacts] = []
    end, length = 0, stride_length(first)
    while True:
        portion = file.read(first + len(facts), count=min(length - len(facts), PORTION_BLOCKS))
        scanned = scanner.scan_blocks([block.data for block in portion.blocks])
        times.append(scanned.times)
        users.append(scanned.users)
        facts += [
            facts_of(block, known, before=end) for block, known in zip(portion.blocks, scanned.blocks, strict=True)
        ]
        end += len(scanned.times)
        if portion.is_last or len(facts) == length:
            break
    return Stride(
        first=first,
        times=np.concatenate(times),
        users=np.concatenate(users),
        blocks=Blocks.of(facts),
        is_last=portion.is_last,
        damage=portion.damage,
        read_bytes=portion.read_bytes,
    )


def _stride_of(found: Ranged, *, first: int, size_bytes: int) -> Stride:
    refused = [
        Refused(before, reject.start, reject.reason, reject.detail, reject.raw)
        for reject, before in zip(found.rejects, found.newlines_before, strict=True)
    ]
    return Stride(
        first=first,
        times=found.times,
        users=found.users,
        blocks=Blocks(found.blocks, refused),
        is_last=found.is_last,
        damage=None,
        read_bytes=min((first + stride_length(first)) * BLOCK_BYTES, size_bytes),
    )


def facts_of(block: Block, known: BlockFrames, *, before: int = 0) -> BlockFacts:
    """What is known of a block, or of a part of one; `before` it there are so many frames of the stride."""
    refused = tuple(
        Refused(
            newlines=newlines,
            byte=block.start + reject.start,
            reason=reject.reason,
            detail=reject.detail,
            raw=reject.raw,
        )
        for reject, newlines in zip(known.rejects, known.newlines_before, strict=True)
    )
    return BlockFacts(
        end=before + known.end,
        lowest=known.lowest,
        highest=known.highest,
        lines=known.lines,
        newlines=known.newlines,
        refused=refused,
    )
