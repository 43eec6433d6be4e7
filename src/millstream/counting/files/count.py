"""Counts unique users in files.

Theory of operation: `Fold` decides the order, `Part` counts a block of a file, `Tally` gathers what comes of it. Here
they are put together, and what is between two blocks happens here: progress, checkpoints, stops. A checkpoint costs at
most a small share of the time, so the larger the state, the rarer it is; what was done since is done again after a
crash, into an output that is cut back to where the checkpoint was.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from millstream.counting.admission.admission import Admission
from millstream.counting.files.checkpoint import Checkpoint, Checkpoints, UsersMark
from millstream.counting.files.fold import Fold, Supply
from millstream.counting.files.output import Letters, LineSink
from millstream.counting.files.part import Part, PartMark
from millstream.counting.files.rules import CountProgress, CountReport, CountRules, Ending, Watcher
from millstream.counting.files.stride import ClockScanner
from millstream.counting.files.tally import USERS_LIMIT, Tally
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.model import Totals
from millstream.counting.windows.distinct import Portion, UserSet
from millstream.ports.framefile import FrameFile

TELL_EVERY_S = 0.2
CHECKPOINT_EVERY_S = 0.5
CHECKPOINT_SHARE = 0.04
"""At most this share of the time goes into checkpoints."""

LOOK_EVERY_BLOCKS = 8


class DatedFile(FrameFile, Protocol):
    """A file that says when it was last written to."""

    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """Where a count keeps what it goes on from; `before` is what an earlier run left, `settings` what it must share."""

    checkpoints: Checkpoints
    settings: Mapping[str, str]
    before: Checkpoint | None


class FileCount:
    """One count of some files; used once."""

    def __init__(
        self,
        files: Sequence[DatedFile],
        *,
        rules: CountRules,
        scanner: FrameScanner,
        supply: Supply,
        sink: LineSink,
        letters_sink: LineSink | None,
        watcher: Watcher,
        allow_loss: bool,
        upper_s: int,
        is_stopped: Callable[[], bool],
        resumption: Resumption | None = None,
    ) -> None:
        """`upper_s` is the latest time that is possible, in Unix seconds: now, or when the earlier run began."""
        before = resumption.before if resumption else None
        self._rules = rules
        self._scanner = scanner
        self._supply = supply
        self._sink = sink
        self._letters_sink = letters_sink
        self._letters = Letters(letters_sink)
        self._watcher = watcher
        self._allow_loss = allow_loss
        self._resumption = resumption
        self._upper_s = before.upper_s if before else upper_s
        self._files = files
        self._is_stopped = is_stopped
        self._ending: Ending | None = None
        self._was_told_losses = False
        self._frames_before = 0
        self._seconds_before = before.seconds if before else 0.0
        self._tally = Tally(
            rules.windows(before.windows if before else None),
            everyone=_users_of(before.everyone) if before else UserSet(USERS_LIMIT),
            sink=sink,
            grace_s=rules.grace_s,
            emit=rules.emit,
            on_loss=self._on_loss,
            mark=before.tally if before else None,
        )
        self._frames_before = self._tally.counts.frames
        self._block_clock = (
            scanner.block_clock(rules.clock, grace_s=rules.grace_s) if isinstance(scanner, ClockScanner) else None
        )
        marks = {mark.path: mark for mark in before.parts} if before else {}
        self._parts = [self._part(file, marks.get(file.path)) for file in files]
        self._over = {path for path, mark in marks.items() if mark.is_over}
        self._fold = Fold(
            [part for part in self._parts if part.path not in self._over],
            supply=supply,
            tally=self._tally,
            upper_s=self._upper_s,
            between=self._between,
        )
        self._blocks = 0
        self._began = self._next_tell = time.monotonic()
        self._next_checkpoint = self._began + CHECKPOINT_EVERY_S if resumption else float("inf")

    def run(self) -> CountReport:
        """Count until the end, a stop, or too many losses. Blocks.

        Raises MillstreamError when a file cannot be read any more, or the output or a checkpoint not be written.
        """
        try:
            self._fold.run()
            if self._fold.is_over and self._ending is None:
                self._tally.finish()
                self._ending = Ending.COMPLETE
            if self._resumption is not None:
                self._save()
            self._sink.sync()
        finally:
            self._supply.close()
        return self._report(self._ending or Ending.STOPPED)

    def _part(self, file: FrameFile, mark: PartMark | None) -> Part:
        admission = Admission(
            self._rules.clock,
            grace_s=self._rules.grace_s,
            calendar=self._rules.calendar,
            note=mark.note if mark else None,
        )
        return Part(
            file,
            admission,
            tally=self._tally,
            letters=self._letters,
            scanner=self._scanner,
            pending_frames=self._rules.clock.pending_frames,
            block_clock=self._block_clock,
            mark=mark,
        )

    # --- between two blocks -----------------------------------------------------------------------------------------

    def _between(self, blocks: int) -> bool:
        self._blocks += blocks
        if self._ending is None and self._blocks < LOOK_EVERY_BLOCKS:
            return False
        self._blocks = 0
        if self._ending is None and self._is_stopped():
            self._ending = Ending.STOPPED
        now = time.monotonic()
        if now >= self._next_tell:
            self._next_tell = now + TELL_EVERY_S
            self._watcher.progress(self._progress())
            self._tally.put(self._tally.early(now))
            self._sink.flush()
        if now >= self._next_checkpoint and self._ending is None:
            self._save()
            cost_s = time.monotonic() - now
            self._next_checkpoint = now + cost_s + max(CHECKPOINT_EVERY_S, cost_s / CHECKPOINT_SHARE)
        return self._ending is not None

    def _on_loss(self) -> None:
        if not self._was_told_losses:
            self._was_told_losses = True
            self._watcher.losses(self._tally.counts.totals())
        if not self._allow_loss:
            self._ending = Ending.LOSSES

    def _progress(self) -> CountProgress:
        return CountProgress(
            read_bytes=sum(part.read_bytes for part in self._parts),
            total_bytes=sum(part.file.size_bytes for part in self._parts),
            totals=self._tally.counts.totals(),
            watermark=self._tally.watermark,
            windows=self._tally.final,
        )

    def _save(self) -> None:
        if self._resumption is None:
            return
        tally = self._tally.mark()
        over = {part.path for part in self._parts} - self._fold.paths
        parts = [
            part.mark(mtime_ns=file.mtime_ns, is_over=part.path in over)
            for part, file in zip(self._parts, self._files, strict=True)
        ]
        self._resumption.checkpoints.write(
            Checkpoint(
                settings=dict(self._resumption.settings),
                upper_s=self._upper_s,
                seconds=self._seconds(),
                parts=parts,
                windows=self._tally.windows.dump(),
                everyone=_mark_of(self._tally.everyone),
                tally=tally,
                output_bytes=self._sink.sync(),
                letters_bytes=self._letters_sink.sync() if self._letters_sink else 0,
                is_finished=self._ending is Ending.COMPLETE,
            )
        )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    def _report(self, ending: Ending) -> CountReport:
        own_s = time.monotonic() - self._began
        return CountReport(
            ending=ending,
            totals=self._tally.counts.totals(),
            users=self._tally.everyone.estimate(),
            windows=self._tally.final,
            open=tuple(standing.window.key for standing in self._tally.windows.open()),
            seconds=self._seconds(),
            frames_per_s=(self._tally.counts.frames - self._frames_before) / own_s if own_s > 0 else 0.0,
            scanner=self._scanner.name,
            damages=tuple((part.path, part.damage) for part in self._parts if part.damage),
        )


def report_of(checkpoint: Checkpoint, *, scanner: str) -> CountReport:
    """What a count that was finished by an earlier run came to."""
    frames, rejected, quarantined, late, dropped = checkpoint.tally.totals
    return CountReport(
        ending=Ending.BEFORE,
        totals=Totals(frames=frames, rejected=rejected, quarantined=quarantined, late=late, dropped=dropped),
        users=_users_of(checkpoint.everyone).estimate(),
        windows=checkpoint.tally.final,
        open=(),
        seconds=checkpoint.seconds,
        frames_per_s=frames / checkpoint.seconds if checkpoint.seconds > 0 else 0.0,
        scanner=scanner,
        damages=tuple((mark.path, mark.damage) for mark in checkpoint.parts if mark.damage),
    )


def _mark_of(users: UserSet) -> UsersMark:
    content = users.content()
    if content is None:
        return UsersMark()
    if content.users is not None:
        return UsersMark(hashes=content.users.astype("<u8").tobytes())
    return UsersMark(sketch=content.sketch.serialize())


def _users_of(mark: UsersMark) -> UserSet:
    users = UserSet(USERS_LIMIT)
    if mark.hashes is not None:
        users.add(np.frombuffer(mark.hashes, dtype="<u8").astype(np.uint64))
    if mark.sketch is not None:
        users.join(Portion.from_bytes(mark.sketch))
    return users
