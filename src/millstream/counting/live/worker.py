"""Stage 1 of live counting: read a share of the input's partitions, admit frames, commit deltas.

Theory of operation: one thread repeats one step: read what is there, admit it, and commit now and then. A commit is one
transaction of deltas, copies of what was left out, and bookmarks; a bookmark holds the position and the whole state of
admission. So nothing in memory needs to survive: after a crash, an abort or a change of shares a partition goes on
from its bookmark. What is remembered besides (users that were told already) saves work only, and follows commits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from millstream.counting.admission.clock import ClockSettings
from millstream.counting.frames.scanner import FrameScanner
from millstream.counting.live.faultpoints import (
    AFTER_COMMIT_BEFORE_CACHE,
    AFTER_POLL,
    BEFORE_COMMIT,
    ON_LOST,
    ON_REVOKE,
    Faults,
    no_faults,
)
from millstream.counting.live.identity import FIELDS, frames_identity
from millstream.counting.live.partition import BLOCK, Partition, PartitionSettings, letters_of
from millstream.counting.model import Totals
from millstream.counting.windows.calendar import Calendar
from millstream.errors import TransactionAbortedError
from millstream.ports.framelog import Bookmark, CaughtUp, DeadLetter, FrameLog, Run

LETTERS_AT_ONCE = 2_000
"""Dead letters that may wait for a commit; a frame may be megabytes long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOneSettings:
    """How stage 1 reads and commits.

    `grace_s` is how long after its end a window takes frames, `idle_s` how long a partition must be silent to be idle.
    A commit takes place every `commit_every_s`, or as soon as `commit_users` new users wait. A partition whose
    watermark is more than `align_s` of event time ahead of another one of this worker waits for it. `dead_letters`
    says whether frames that are left out are copied; they are counted in any case. `block` is how many offsets are
    judged by one watermark; to be the same as long as the group lives.
    """

    clock: ClockSettings = field(default_factory=ClockSettings)
    grace_s: int = 60
    fields: str = FIELDS
    idle_s: float = 10.0
    commit_every_s: float = 0.5
    commit_users: int = 65_536
    align_s: int = 600
    dead_letters: bool = True
    block: int = BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far stage 1 is with a partition: next offset, end offset as far as known, watermark in Unix seconds."""

    partition: int
    position: int | None
    end: int
    watermark: int | None
    idle: bool


class StageOne:
    """A worker: call `step` again and again, from one thread; `now` is the wall clock in Unix seconds.

    FencedError ends it: only a fresh process may go on.
    """

    def __init__(
        self,
        log: FrameLog,
        scanner: FrameScanner,
        *,
        settings: StageOneSettings,
        calendar: Calendar,
        now: Callable[[], float],
        faults: Faults = no_faults,
    ) -> None:
        self.totals = Totals()
        """What was committed since the start."""
        self.aborts = 0
        """Transactions that had to be repeated."""
        self._log, self._scanner, self._now, self._faults = log, scanner, now, faults
        self._settings, self._calendar = settings, calendar
        self._each = PartitionSettings(
            clock=settings.clock,
            grace_s=settings.grace_s,
            idle_s=settings.idle_s,
            dead_letters=settings.dead_letters,
            block=settings.block,
        )
        self._identity = frames_identity(
            fields=settings.fields, calendar=calendar, lateness_s=settings.clock.lateness_s, grace_s=settings.grace_s
        )
        self._partitions: dict[int, Partition] = {}
        self._held: frozenset[int] | None = frozenset()
        self._committed_s = now()

    def step(self, timeout_s: float) -> int:
        """Read what arrives within `timeout_s`, and commit when it is time; returns how many values were read."""
        arrived = self._log.poll(self._patience_s(timeout_s), self)
        self._faults(AFTER_POLL)
        now_s = self._now()
        count = 0
        for one in arrived:
            partition = self._partitions.get(one.partition)
            if partition is None:  # it went, or was forgotten after an abort, while the log was looking for more
                continue
            match one:
                case Run():
                    count += len(one.values)
                    self._read(partition, one, now_s=now_s)
                case CaughtUp(end=end):
                    partition.reach_end(end)
        if self._is_time(now_s):
            self.commit()
        self._align(now_s)
        return count

    def commit(self) -> None:
        """Commit everything that was read. An abort is not an error: the log tells again what to go on from."""
        now_s = self._now()
        for partition in self._partitions.values():
            # With the promise of idleness goes everything that waits; after it, the watermark may pass it by.
            partition.rest(now_s)
        due = [partition for partition in self._partitions.values() if partition.due(now_s)]
        self._committed_s = now_s
        if not due:
            return
        payloads = [
            (partition.number, payload)
            for partition in due
            for payload in partition.payloads(identity=self._identity, now_s=now_s)
        ]
        bookmarks = {partition.number: partition.bookmark() for partition in due}
        letters = [letter for partition in due for letter in self._letters(partition)]
        self._faults(BEFORE_COMMIT)
        try:
            self._log.commit(payloads, bookmarks, letters)
        except TransactionAbortedError:
            self.aborts += 1
            self._forget(list(self._partitions))
            return
        self._faults(AFTER_COMMIT_BEFORE_CACHE)
        for partition in due:
            self.totals += partition.totals
            partition.committed(now_s)

    def close(self) -> None:
        """Commit what was read, and leave the group. A FencedError is raised after leaving."""
        try:
            self.commit()
        finally:
            self._forget(list(self._partitions))
            self._log.close()

    def progress(self) -> list[Progress]:
        """How far each partition of this worker is."""
        now_s = self._now()
        return [
            Progress(
                partition=number,
                position=partition.position,
                end=max(partition.end, partition.position or 0),
                watermark=partition.watermark,
                idle=partition.idle(now_s),
            )
            for number, partition in sorted(self._partitions.items())
        ]

    # --- ports.Rebalanced ------------------------------------------------------------------------------------------

    def assigned(self, bookmarks: Mapping[int, Bookmark | None]) -> None:
        """Go on from the bookmarks, with nothing remembered.

        Raises:
            NoteRefusedError: a bookmark was made with other settings, or by another version.
        """
        now_s = self._now()
        for number, bookmark in bookmarks.items():
            self._partitions[number] = Partition(
                number, bookmark=bookmark, settings=self._each, calendar=self._calendar, now_s=now_s
            )
        self._held = None

    def revoked(self, partitions: Sequence[int]) -> None:
        """Commit while it is possible, and forget."""
        self._faults(ON_REVOKE)
        self.commit()
        self._forget(partitions)

    def lost(self, partitions: Sequence[int]) -> None:
        """Forget."""
        self._faults(ON_LOST)
        self._forget(partitions)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _read(self, partition: Partition, run: Run, *, now_s: float) -> None:
        if run.values:
            partition.read(run, self._scanner.scan_values(run.values), now_s=now_s)

    def _forget(self, partitions: Sequence[int]) -> None:
        for number in partitions:
            self._partitions.pop(number, None)
        self._held = None

    def _letters(self, partition: Partition) -> list[DeadLetter]:
        """The copies of what was left out; values that are in memory no more are fetched."""
        if not partition.missing:
            return letters_of(partition, [])
        values = self._log.fetch(partition.number, partition.missing)
        return letters_of(partition, [(offset, values.get(offset)) for offset in partition.missing])

    def _patience_s(self, timeout_s: float) -> float:
        """Not to sleep when a commit is due."""
        now_s = self._now()
        if not any(partition.due(now_s) for partition in self._partitions.values()):
            return timeout_s
        return max(0.0, min(timeout_s, self._committed_s + self._settings.commit_every_s - now_s))

    def _is_time(self, now_s: float) -> bool:
        partitions = self._partitions.values()
        return (
            not 0 <= now_s - self._committed_s < self._settings.commit_every_s  # clocks are set back, too
            or sum(partition.users for partition in partitions) >= self._settings.commit_users
            or sum(len(partition.letters) for partition in partitions) >= LETTERS_AT_ONCE
        )

    def _align(self, now_s: float) -> None:
        """Let partitions wait that are far ahead, or their open minutes would pile up in a replay."""
        known = {
            number: partition.watermark
            for number, partition in self._partitions.items()
            if partition.watermark is not None and not partition.idle(now_s)
        }
        lowest = min(known.values(), default=0)
        ahead = frozenset(number for number, at in known.items() if at > lowest + self._settings.align_s)
        if ahead == self._held:
            return
        for number, partition in self._partitions.items():
            partition.hold(held=number in ahead, now_s=now_s)
        self._log.pause(sorted(ahead))
        self._held = ahead
