"""One file while it is folded: where it is, its event clock, and the frames of which copies are owed.

Theory of operation: the position of a frame is its block and its number among the frames of the block. The lines of
frames that are lost are not at hand any more when that is decided, so their positions are kept, with how many newlines
there are before their block, and the lines are fetched again in one go (`recall`): of a plain file now and then, of a
compressed one when it has been counted. That depends on nothing but the file, so the copies come in the same order
however the file is read.
"""

from collections import deque

import msgspec
import numpy as np

from millstream.counting.admission.admission import Admission, Admitted
from millstream.counting.admission.passing import BlockClock, Columns, Passed
from millstream.counting.admission.pending import Positions
from millstream.counting.files.output import Letters
from millstream.counting.files.recall import Owed, recall
from millstream.counting.files.stride import BlockFacts, Refused, Stride
from millstream.counting.files.tally import Tally
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.model import Reason
from millstream.ports.framefile import FrameFile

BLOCK_SHIFT = 16
"""A block has fewer frames than 2 to the power of this: each is a byte of its stretch, at least."""

OWED_AT_ONCE = 10_000
"""Copies that a plain file may owe."""

_Mark = tuple[int, int, int]


class PartMark(msgspec.Struct, frozen=True, kw_only=True):
    """What a part goes on from."""

    path: str
    size_bytes: int
    mtime_ns: int
    block: int = 0
    newlines: int = 0
    arrived: int = 0
    note: str = ""
    is_over: bool = False
    damage: str | None = None
    owed: list[Owed] = []
    marks: list[tuple[int, int, int]] = []


class Part:
    """A file of a count; used by one thread."""

    def __init__(
        self,
        file: FrameFile,
        admission: Admission,
        *,
        tally: Tally,
        letters: Letters,
        scanner: FrameScanner,
        pending_frames: int,
        block_clock: BlockClock | None = None,
        mark: PartMark | None = None,
    ) -> None:
        """`block_clock` passes runs of blocks; None does without it."""
        self.file = file
        self.path = file.path
        self.block = mark.block if mark else 0
        self.damage = mark.damage if mark else None
        self.stride: Stride | None = None
        self._read_bytes = self.file.size_bytes if mark and mark.is_over else 0
        self._admission = admission
        self._tally = tally
        self._letters = letters
        self._scanner = scanner
        self._pending_frames = pending_frames
        self._block_clock = block_clock
        self._columns: tuple[Stride, Columns] | None = None
        self._newlines = mark.newlines if mark else 0
        self._arrived = mark.arrived if mark else 0
        self._owed: list[Owed] = list(mark.owed) if mark else []
        self._marks: deque[_Mark] = deque(mark.marks if mark else ())

    @property
    def watermark(self) -> int | None:
        """Up to where the file is complete except for late frames."""
        return self._admission.watermark

    @property
    def read_bytes(self) -> int:
        """How far into the file, as it is stored, reading went."""
        return self._read_bytes if self.stride is None else self.stride.read_bytes

    @property
    def passes_runs(self) -> bool:
        """Whether `fold_run` may fold anything."""
        return self._block_clock is not None and self._admission.watermark is not None

    @property
    def wants_stride(self) -> bool:
        """Whether all blocks that are at hand have been folded, and there are more."""
        stride = self.stride
        return stride is None or (self.block >= stride.first + len(stride.blocks) and not stride.is_last)

    def mark(self, *, mtime_ns: int, is_over: bool) -> PartMark:
        """What `mark` of the constructor takes."""
        return PartMark(
            path=self.path,
            size_bytes=self.file.size_bytes,
            mtime_ns=mtime_ns,
            block=self.block,
            newlines=self._newlines,
            arrived=self._arrived,
            note="" if is_over else self._admission.note(),
            is_over=is_over,
            damage=self.damage,
            owed=self._owed,
            marks=list(self._marks),
        )

    def fold(self, stride: Stride, index: int, *, upper_s: int) -> None:
        """Count the block at `index` of a stride; `upper_s` as in Admission."""
        facts = stride.blocks[index]
        start = stride.blocks.start(index)
        frames = facts.end - start
        counts = self._tally.counts
        lost_before = counts.lost
        counts.frames += facts.lines
        if facts.refused:
            self.refuse(facts.refused)
        if frames:
            tail = stride.times[max(start, facts.end - 63) : facts.end].tolist()
            if self._admission.admit_plain(
                lowest=facts.lowest, highest=facts.highest, tail=tail, frames=frames, upper_s=upper_s
            ):
                self._tally.take_plain(stride.times, stride.users, start=start, end=facts.end)
            else:
                self._take_apart(stride, start, facts, upper_s=upper_s)
        if counts.lost != lost_before or self._owed:
            self._watch(lost_before)
        self.block += 1
        self._newlines += facts.newlines
        self._arrived += frames

    def fold_run(self, stride: Stride, *, upper_s: int, until_s: int) -> int:
        """Count the next blocks of a stride, up to one that `fold` must count; how many.

        The last one is the one that takes the watermark to `until_s`, if one does. Ends as `fold` would, one by one.
        """
        if self._block_clock is None:
            return 0
        first = self.block - stride.first
        passed = self._admission.pass_blocks(
            self._block_clock, self._columns_of(stride), first=first, upper_s=upper_s, until_s=until_s
        )
        if passed is None:
            return 0
        self._tally.counts.frames += passed.lines
        self._count_run(stride, passed, start=stride.blocks.start(first))
        self.block += passed.blocks
        self._newlines += passed.newlines
        self._arrived += passed.frames
        return passed.blocks

    def settle(self) -> None:
        """The file is over: decide about what waits, and send the copies that are owed."""
        lost_before = self._tally.counts.lost
        self._take(self._admission.settle())
        self._tally.watch(lost_before)
        self.send_owed()
        self._read_bytes = self.file.size_bytes
        self.stride = self._columns = None

    def refuse(self, refused: tuple[Refused, ...]) -> None:
        """Count lines that are no frames, and keep copies."""
        self._tally.counts.rejected += len(refused)
        for line in refused:
            self._letters.write(
                reason=line.reason,
                detail=line.detail,
                source=self.path,
                line=self._newlines + line.newlines + 1,
                byte=line.byte,
                raw=line.raw,
            )

    def send_owed(self) -> None:
        """Fetch the lines of lost frames again, and keep copies of them."""
        if self._owed and self._letters.are_kept:
            for owed, line in recall(self.file, self._scanner, self._owed):
                self._letters.write(
                    reason=Reason(owed.reason),
                    detail=line.detail,
                    source=self.path,
                    line=line.number,
                    byte=line.byte,
                    raw=line.raw,
                )
        self._owed = []

    def _columns_of(self, stride: Stride) -> Columns:
        """What a block clock looks at; kept, as a stride often takes several runs."""
        if self._columns is None or self._columns[0] is not stride:
            self._columns = (stride, Columns(stride.times.tobytes(), stride.blocks.rows.tobytes()))
        return self._columns[1]

    def _count_run(self, stride: Stride, passed: Passed, *, start: int) -> None:
        """Count the frames of a run, from `start` of the columns on."""
        times, users, late = stride.times, stride.users, passed.late
        end = start + passed.frames
        for place in (*late.tolist(), end):
            if place > start:
                self._tally.take_plain(times, users, start=start, end=place)
            start = place + 1
        if len(late):
            self._tally.take(self._admission.judge_late(times[late], users[late], watermarks=passed.watermarks))

    def _take_apart(self, stride: Stride, start: int, facts: BlockFacts, *, upper_s: int) -> None:
        """Judge a block frame by frame."""
        count = facts.end - start
        admitted = self._admission.admit(
            stride.times[start : facts.end],
            stride.users[start : facts.end],
            np.arange(count, dtype=np.int64) + (self.block << BLOCK_SHIFT),
            upper_s=upper_s,
            ends_block=True,
        )
        self._marks.append((self.block, self._newlines, self._arrived))
        self._take(admitted)
        if not self._admission.waiting:
            self._marks.clear()
        # What waits longer than this is given up when frames are asked for next, so look back two blocks more.
        while self._marks and self._marks[0][2] + self._pending_frames + (2 << BLOCK_SHIFT) < self._arrived:
            self._marks.popleft()

    def _take(self, admitted: Admitted) -> None:
        self._tally.take(admitted)
        self._owe(admitted.dropped, Reason.DROPPED)
        self._owe(admitted.quarantined, Reason.QUARANTINED)

    def _owe(self, positions: Positions, reason: Reason) -> None:
        if not len(positions) or not self._letters.are_kept:
            return
        newlines = {block: before for block, before, _ in self._marks}
        for position in positions.tolist():
            block = position >> BLOCK_SHIFT
            frame = position & ((1 << BLOCK_SHIFT) - 1)
            self._owed.append(Owed(block=block, frame=frame, newlines=newlines[block], reason=reason))

    def _watch(self, lost_before: int) -> None:
        self._tally.watch(lost_before)
        if self.file.is_seekable and len(self._owed) >= OWED_AT_ONCE:
            self.send_owed()
