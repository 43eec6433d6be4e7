"""Counts of blocks that were never in a file, and what they come to after each step."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from counting.files.counted import Memory, rules
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.files import count as counting
from millstream.counting.files.count import FileCount
from millstream.counting.files.part import Part
from millstream.counting.files.rules import CountRules, Watcher
from millstream.counting.files.stride import BlockFacts, Blocks, Refused, Stride
from millstream.counting.files.striding import stride_length
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.model import Reason
from millstream.counting.windows.windows import Emit

NOW_S = 3_999_999_940


@dataclass(frozen=True, slots=True)
class MadeBlock:
    """The times of a block's frames, and how many of its lines are none."""

    times: Sequence[int]
    rejects: int = 0


@dataclass(eq=False)
class MadeFile:
    """Some blocks under a name."""

    path: str
    blocks: Sequence[MadeBlock]
    size_bytes: int = 0
    mtime_ns: int = 0
    is_seekable: bool = False
    identity: None = None

    def close(self) -> None:
        pass

    def read(self, first: int, *, count: int) -> None:
        raise AssertionError("no copies are kept, so nothing is read")


class MadeSupply:
    """Hands the blocks out in strides of the usual length."""

    def take(self, part: Part, *, following: Sequence[Part]) -> Stride:
        first, blocks = part.block, part.file.blocks[part.block : part.block + stride_length(part.block)]
        times = np.array([time for block in blocks for time in block.times], np.int64)
        return Stride(
            first=first,
            times=times,
            users=(times * 7919 % 13).astype(np.uint64),
            blocks=Blocks.of(_facts(blocks)),
            is_last=first + len(blocks) == len(part.file.blocks),
            damage=None,
            read_bytes=0,
        )

    def close(self) -> None:
        pass


def _facts(blocks: Sequence[MadeBlock]):
    end = 0
    for block in blocks:
        end += len(block.times)
        lowest, highest = (min(block.times), max(block.times)) if block.times else (0, 0)
        refused = tuple(Refused(number, number, Reason.MALFORMED, "torn", b"{") for number in range(block.rejects))
        lines = len(block.times) + block.rejects
        yield BlockFacts(end, lowest, highest, lines, lines + 1, refused)


def rules_with(clock: ClockSettings, *, grace_s: int, emit: Emit, zone: str) -> CountRules:
    return replace(rules(grace_s=grace_s, emit=emit, zone=zone), clock=clock)


def states(files: Sequence[Sequence[MadeBlock]], *, by: CountRules, scanner: FrameScanner, look: bool = True):
    """What the count of these files put out, and everything that it knew between two steps, by its blocks so far."""
    seen: dict[tuple[int, ...], object] = {}
    sink, made = Memory(), [MadeFile(f"{number}", blocks) for number, blocks in enumerate(files)]
    alarms = itertools.count()

    def remember() -> bool:
        parts = [part.mark(mtime_ns=0, is_over=False) for part in count._parts]
        if look:
            count._tally.flush()
            users = count._tally.everyone.content()
            known = (count._tally.mark(), count._tally.windows.dump(), users and users.users.tolist(), sink.data)
            seen[tuple(part.block for part in parts)] = (parts, known)
        return False

    count = FileCount(
        made,
        rules=by,
        scanner=scanner,
        supply=MadeSupply(),
        sink=sink,
        letters_sink=None,
        watcher=Watcher(progress=lambda _: None, losses=lambda _: next(alarms)),
        allow_loss=True,
        upper_s=NOW_S,
        is_stopped=remember,
    )
    before = counting.LOOK_EVERY_BLOCKS
    try:
        counting.LOOK_EVERY_BLOCKS = 1
        report = count.run()
    finally:
        counting.LOOK_EVERY_BLOCKS = before
    return seen, (sink.data, report.totals, next(alarms), report.users)
