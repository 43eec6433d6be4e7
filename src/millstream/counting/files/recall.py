"""Fetches lines of a file again, for copies of frames that were lost.

Theory of operation: a line was remembered by its block and its number among the block's frames. Scanning the block
again tells which lines of it are frames. Blocks are read from first to last, so a compressed file is passed once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec

from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.model import Reason
from millstream.ports.framefile import Block, FrameFile


class Owed(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A frame that was lost: its block, its number among the frames there, and the newlines before the block."""

    block: int
    frame: int
    newlines: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a file: its number from 1, the byte at which it starts, and its bytes without the newline."""

    number: int
    byte: int
    raw: bytes
    detail: str


def recall(file: FrameFile, scanner: FrameScanner, owed: Sequence[Owed]) -> Iterator[tuple[Owed, Line]]:
    """The lines of `owed`, by place in the file. Raises SourceError when the file cannot be read any more."""
    file.close()
    in_order = sorted(owed, key=lambda frame: (frame.block, frame.frame))
    for block, frames in groupby(in_order, key=lambda frame: frame.block):
        portion = file.read(block, count=1)
        for frame in frames:
            yield (
                frame,
                find_line(portion.blocks[0], scanner, frame=frame.frame, newlines=frame.newlines, reason=frame.reason),
            )
    file.close()


def find_line(block: Block, scanner: FrameScanner, *, frame: int, newlines: int, reason: str) -> Line:
    """The line of frame number `frame` of a block with `newlines` before it."""
    frames = scanner.scan_lines(block.data)
    starts = line_starts(block.data)
    refused = {reject.index for reject in frames.rejects}
    place = [number for number in range(len(starts)) if number not in refused][frame]
    start = starts[place]
    raw = block.data[start:].partition(b"\n")[0]
    return Line(
        number=newlines + block.data.count(b"\n", 0, start) + 1,
        byte=block.start + start,
        raw=raw,
        detail=detail_of(reason, time_s=int(frames.times[frame])),
    )


def line_starts(data: bytes) -> list[int]:
    """Where the lines begin that are not blank."""
    starts = []
    start = 0
    for line in data.split(b"\n"):
        if line.strip(b" \t\r"):
            starts.append(start)
        start += len(line) + 1
    return starts


def detail_of(reason: str, *, time_s: int) -> str:
    """What a copy says about a frame that was lost."""
    if reason == Reason.DROPPED:
        return f"expected a time within the grace of its minute, found {time_s}"
    return f"expected a time near that of the frames around it, found {time_s}"
