"""Counts unique users in standard input.

Theory of operation: standard input is one file whose end is not known yet, cut into the blocks of a file, so the same
bytes give the same results as from a file. What is different: a block that fills slowly is admitted in parts, so that
windows close while the input goes on; when nothing comes for long, open windows are put out as they stand; and lines
cannot be fetched again, so those whose frames wait for the clock are kept.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from millstream.counting.admission.admission import Admission, Admitted
from millstream.counting.admission.clock import RING_LIMIT
from millstream.counting.files.output import Letters, LineSink
from millstream.counting.files.recall import Line, find_line
from millstream.counting.files.rules import CountProgress, CountReport, CountRules, Ending, Watcher
from millstream.counting.files.stride import BlockFacts, Refused, facts_of
from millstream.counting.files.tally import USERS_LIMIT, Tally
from millstream.counting.frames.blocks import ScannedBlocks
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.model import Reason
from millstream.counting.windows.distinct import UserSet
from millstream.ports.framefile import Block

QUIET_S = 0.5
"""How long a block may fill before its lines are admitted as far as they have come."""

NAME = "-"
_BLOCK_SHIFT = 16


class Piece(Protocol):
    """Lines of one block; see FramePipe."""

    @property
    def number(self) -> int:
        """The block's."""
        ...

    @property
    def block(self) -> Block:
        """The lines."""
        ...

    @property
    def ends_block(self) -> bool:
        """Whether they are the last of the block."""
        ...

    @property
    def is_quiet(self) -> bool:
        """Whether no byte came while waiting."""
        ...

    @property
    def is_last(self) -> bool:
        """Whether the input is over."""
        ...


class Pipe(Protocol):
    """Where the lines come from."""

    def next(self, *, quiet_s: float) -> Piece:
        """The rest of the current block, or what there is of it after `quiet_s`. Blocks; raises SourceError."""
        ...


class LiveCount:
    """One count of standard input; used once."""

    def __init__(
        self,
        pipe: Pipe,
        *,
        rules: CountRules,
        scanner: FrameScanner,
        sink: LineSink,
        letters_sink: LineSink | None,
        watcher: Watcher,
        allow_loss: bool,
        idle_s: float,
        is_stopped: Callable[[], bool],
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` tells the latest time that is possible, in Unix seconds."""
        self._pipe = pipe
        self._rules = rules
        self._scanner = scanner
        self._sink = sink
        self._letters = Letters(letters_sink)
        self._watcher = watcher
        self._allow_loss = allow_loss
        self._idle_s = idle_s
        self._now = now
        self._monotonic = monotonic
        self._is_stopped = is_stopped
        self._ending: Ending | None = None
        self._was_told_losses = False
        self._admission = Admission(rules.clock, grace_s=rules.grace_s, calendar=rules.calendar)
        self._tally = Tally(
            rules.windows(),
            everyone=UserSet(USERS_LIMIT),
            sink=sink,
            grace_s=rules.grace_s,
            emit=rules.emit,
            on_loss=self._on_loss,
        )
        self._newlines = self._in_block = self._read_bytes = 0
        self._began = self._last_byte = self._next_tell = monotonic()
        self._was_silent = False
        self._kept: dict[int, tuple[int, Line]] = {}
        self._recent: deque[tuple[float, int]] = deque()

    def run(self) -> CountReport:
        """Count until the end, a stop, or too many losses. Blocks. Raises MillstreamError."""
        while self._ending is None:
            piece = self._pipe.next(quiet_s=QUIET_S)
            if self._is_stopped():  # goes before the end: what is ended at a terminal is ended together
                self._ending = Ending.STOPPED
                self._take(piece)
            elif piece.is_last:
                self._settle()
                self._tally.finish()
                self._ending = self._ending or Ending.COMPLETE
            else:
                self._take(piece)
                self._pass_time(piece)
        self._tally.flush()
        self._sink.flush()
        return self._report()

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _take(self, piece: Piece) -> None:
        """Count a piece."""
        frames = self._scanner.scan_blocks([piece.block.data])
        facts = facts_of(piece.block, frames.blocks[0])
        self._read_bytes = piece.block.start + len(piece.block.data)
        lost_before = self._tally.counts.lost
        self._tally.counts.frames += facts.lines
        self._refuse(facts.refused)
        if facts.end or (piece.ends_block and self._in_block):
            self._admit(piece, frames, facts)
        self._tally.watch(lost_before)
        self._newlines += facts.newlines
        self._in_block = 0 if piece.ends_block else self._in_block + facts.end
        watermark = self._admission.watermark
        if watermark is not None:
            self._tally.reach(watermark)

    def _admit(self, piece: Piece, frames: ScannedBlocks, facts: BlockFacts) -> None:
        upper_s = int(self._now())
        if piece.ends_block and facts.end:
            tail = frames.times[-RING_LIMIT:].tolist()
            if self._admission.admit_plain(
                lowest=facts.lowest, highest=facts.highest, tail=tail, frames=facts.end, upper_s=upper_s
            ):
                self._tally.take_plain(frames.times, frames.users, start=0, end=len(frames.times))
                return
        first = (piece.number << _BLOCK_SHIFT) + self._in_block
        admitted = self._admission.admit(
            frames.times,
            frames.users,
            np.arange(facts.end, dtype=np.int64) + first,
            upper_s=upper_s,
            ends_block=piece.ends_block,
            use=RING_LIMIT if piece.ends_block else self._use(facts.end),
        )
        self._tally.take(admitted)
        if self._letters.are_kept:
            self._send_copies(admitted, piece.block, first=first)
            self._keep_waiting(frames, piece.block, first=first)

    def _use(self, frames: int) -> int:
        """How many frames the last second had."""
        now = self._monotonic()
        self._recent.append((now, frames))
        while self._recent[0][0] < now - 1.0:
            self._recent.popleft()
        return min(sum(count for _, count in self._recent), RING_LIMIT)

    def _settle(self) -> None:
        lost_before = self._tally.counts.lost
        admitted = self._admission.settle()
        self._tally.take(admitted)
        if self._letters.are_kept:
            self._send_copies(admitted, Block(start=0, data=b""), first=0)
        self._tally.watch(lost_before)

    # --- time -------------------------------------------------------------------------------------------------------

    def _pass_time(self, piece: Piece) -> None:
        now = self._monotonic()
        if not piece.is_quiet:
            self._last_byte, self._was_silent = now, False
        elif now - self._last_byte >= self._idle_s and not self._was_silent:
            self._was_silent = True
            self._fall_silent()
        if now >= self._next_tell or piece.is_quiet:
            self._next_tell = now + QUIET_S
            self._tally.put(self._tally.early(now))
            self._sink.flush()
            self._watcher.progress(
                CountProgress(
                    read_bytes=self._read_bytes,
                    total_bytes=None,
                    totals=self._tally.counts.totals(),
                    watermark=self._tally.watermark,
                    windows=self._tally.final,
                )
            )

    def _fall_silent(self) -> None:
        """Nothing has come for long: what can be told is told, and stays open."""
        self._tally.take(self._admission.settle(ended=False))
        self._tally.flush()
        self._tally.put(self._tally.windows.silence())

    # --- copies -----------------------------------------------------------------------------------------------------

    def _refuse(self, refused: tuple[Refused, ...]) -> None:
        self._tally.counts.rejected += len(refused)
        for line in refused:
            self._letters.write(
                reason=line.reason,
                detail=line.detail,
                source=NAME,
                line=self._newlines + line.newlines + 1,
                byte=line.byte,
                raw=line.raw,
            )

    def _send_copies(self, admitted: Admitted, block: Block, *, first: int) -> None:
        for positions, reason in ((admitted.dropped, Reason.DROPPED), (admitted.quarantined, Reason.QUARANTINED)):
            for position in positions.tolist():
                kept = self._kept.pop(position, None)
                line = kept[1] if kept else self._line(block, position - first, reason=reason)
                self._letters.write(
                    reason=reason, detail=line.detail, source=NAME, line=line.number, byte=line.byte, raw=line.raw
                )

    def _keep_waiting(self, frames: ScannedBlocks, block: Block, *, first: int) -> None:
        """Keep the lines of the frames that wait now."""
        if not self._admission.waiting:
            self._kept.clear()
            return
        watermark = self._admission.watermark
        clock = self._rules.clock
        horizon = -1 if watermark is None else watermark + clock.lateness_s + clock.ahead_s
        self._kept = {position: kept for position, kept in self._kept.items() if kept[0] > horizon}
        for frame in np.flatnonzero(frames.times > horizon).tolist():
            line = self._line(block, frame, reason=Reason.QUARANTINED)
            self._kept[first + frame] = (int(frames.times[frame]), line)

    def _line(self, block: Block, frame: int, *, reason: Reason) -> Line:
        return find_line(block, self._scanner, frame=frame, newlines=self._newlines, reason=reason)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _on_loss(self) -> None:
        if not self._was_told_losses:
            self._was_told_losses = True
            self._watcher.losses(self._tally.counts.totals())
        if not self._allow_loss:
            self._ending = Ending.LOSSES

    def _report(self) -> CountReport:
        seconds = self._monotonic() - self._began
        return CountReport(
            ending=self._ending or Ending.STOPPED,
            totals=self._tally.counts.totals(),
            users=self._tally.everyone.estimate(),
            windows=self._tally.final,
            open=tuple(standing.window.key for standing in self._tally.windows.open()),
            seconds=seconds,
            frames_per_s=self._tally.counts.frames / seconds if seconds > 0 else 0.0,
            scanner=self._scanner.name,
        )
