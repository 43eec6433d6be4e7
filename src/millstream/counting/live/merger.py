"""Stage 2 of live counting: join the deltas of all partitions, close windows, commit results and state.

Theory of operation: one thread repeats one step: read deltas, join them, and commit when there is something to say.
Windows move only in the step that commits, so what was put out, what was saved and how far was read are always of one
moment, and all of it is one transaction. Before a window ends the merger asks whether the input got a partition: its
frames may be among those that moved the watermark, and it holds the window until it is read as far as the others.
After a crash the next merger fences this one, reads the state, replays the deltas of minutes that may still change
(see `places`), and only then lets the watermark move again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from millstream.counting.live.faultpoints import (
    MERGER_AFTER_COMMIT,
    MERGER_AFTER_POLL,
    MERGER_AFTER_RESTORE,
    MERGER_BEFORE_COMMIT,
    MERGER_DURING_REPLAY,
    Faults,
    no_faults,
)
from millstream.counting.live.frontier import Frontier, Known
from millstream.counting.live.identity import FIELDS, frames_identity
from millstream.counting.live.partial import unpack
from millstream.counting.live.places import Places
from millstream.counting.live.status import CONTROL_KEY, Control, closed_records, control_in
from millstream.counting.model import ALL_SIZES, MINUTE_S, Delta, Result, Size, Status, Totals
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.windows import Emit, Windows
from millstream.errors import CountStateError, IdentityError, TransactionAbortedError
from millstream.ports.framelog import DeltaLog, DeltaRecord

HISTORY_S = 3600
"""Early results are for people who watch; of frames older than this nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergerSettings:
    """What the merger counts and when it commits.

    `sizes` are those that are put out. `lateness_s` and `grace_s` must be those of the workers. A commit takes place
    every `commit_every_s` while there is something to say, and no sooner than `urgent_every_s` after the last one when
    a window has ended. `group` and `input` are names, for people who ask how the count stands.
    """

    group: str
    input: str
    sizes: int = ALL_SIZES
    emit: Emit = Emit.EARLY
    exact: bool = False
    lateness_s: int = 5
    grace_s: int = 60
    fields: str = FIELDS
    commit_every_s: float = 0.25
    urgent_every_s: float = 0.05


class Merger:
    """The merger: call `step` again and again, from one thread; `now` is the wall clock in Unix seconds.

    FencedError ends it: only a fresh process may go on.
    """

    def __init__(
        self,
        log: DeltaLog,
        *,
        settings: MergerSettings,
        calendar: Calendar,
        now: Callable[[], float],
        faults: Faults = no_faults,
    ) -> None:
        self.active = False
        """Whether this is the merger at work, and not one that waits for another to go."""
        self.aborts = 0
        """Transactions after which it started again."""
        self._log, self._settings, self._calendar, self._now, self._faults = log, settings, calendar, now, faults
        self._identity = frames_identity(
            fields=settings.fields, calendar=calendar, lateness_s=settings.lateness_s, grace_s=settings.grace_s
        )
        self._windows = self._restored({})
        self._frontier = Frontier()
        self._places = Places(starts={}, saved={})
        self._closed = 0
        self._newest = 0
        self._dirty = self._unsilenced = False
        self._committed_s = now()

    def step(self, timeout_s: float) -> bool:
        """Read what arrives within `timeout_s` and commit when it is time; False while another merger is at work.

        Raises:
            IdentityError: the state, or a delta, was made by other rules than these.
            CountStateError: the state is damaged, or gone.
            DeltaRecordError: a delta cannot be read.
            DeltasLostError: deltas that are needed are gone.
        """
        if not self.active and not self._start():
            return False
        for record in self._log.poll(self._patience_s(timeout_s)):
            self._take(record)
            if not self.replayed:
                self._faults(MERGER_DURING_REPLAY)
        self._faults(MERGER_AFTER_POLL)
        now_s = self._now()
        if self.replayed and self._is_time(now_s):
            self._commit(now_s)
        return True

    def close(self) -> None:
        """Let another one take over; idempotent."""
        self.active = False
        self._log.close()

    @property
    def replayed(self) -> bool:
        """Whether windows may move: everything that an earlier merger had read was read again."""
        return self._places.replayed

    @property
    def watermark(self) -> int | None:
        """How far windows were closed, in Unix seconds of event time."""
        return self._windows.watermark

    @property
    def known(self) -> Mapping[int, Known]:
        """What each partition reported last."""
        return self._frontier.known

    @property
    def totals(self) -> Totals:
        """Of all partitions, since the count began."""
        return self._frontier.totals

    @property
    def closed(self) -> int:
        """How many windows became final since the count began."""
        return self._closed

    @property
    def refused(self) -> int:
        """Frames that came for minutes which were final already."""
        return self._windows.refused

    # --- starting --------------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        restored = self._log.start()
        if restored is None:
            return False
        control = control_in(restored.state)
        if control is None and any(restored.positions.values()):
            found = "nothing, though deltas were counted already or are gone; count again under another --group"
            raise CountStateError(key=CONTROL_KEY, expected="the merger's record", found=found)
        if control is not None and control.identity != self._identity:
            raise IdentityError(
                what=f"what group {self._settings.group} counted so far",
                differences=f"{control.identity} before, {self._identity} now",
            )
        self._windows = self._restored(restored.state)
        self._frontier = Frontier(control.known if control else None)
        saved, needed = (control.read, control.needed) if control else ({}, {})
        self._places = Places(starts=restored.positions, saved=saved, needed=needed)
        self._places.check()
        self._closed = control.closed if control else 0
        self._dirty, self._unsilenced = False, True
        self.active = True
        self._faults(MERGER_AFTER_RESTORE)
        return True

    def _restored(self, state: Mapping[str, bytes]) -> Windows:
        settings = self._settings
        return Windows.restore(
            state,
            sizes=settings.sizes,
            calendar=self._calendar,
            grace_s=settings.grace_s,
            emit=settings.emit,
            exact=settings.exact,
        )

    # --- reading ---------------------------------------------------------------------------------------------------

    def _take(self, record: DeltaRecord) -> None:
        partial = unpack(record.payload, partition=record.partition, offset=record.offset)
        if partial.identity != self._identity:
            raise IdentityError(
                what=f"the delta record at offset {record.offset} of partition {record.partition}",
                differences=f"{partial.identity} there, {self._identity} here",
            )
        replayed = self._places.reach(record.partition, record.offset)
        for delta in partial.deltas:
            self._windows.add(delta, replayed=replayed)
        open_minutes = [delta.minute for delta in partial.deltas if self._may_change(delta)]
        self._places.note(record.partition, record.offset, minutes=open_minutes)
        self._newest = max(self._newest, *(delta.minute for delta in partial.deltas), 0)
        if replayed:
            return
        self._dirty = True
        self._unsilenced = self._unsilenced or bool(partial.deltas)
        if partial.report is not None:
            self._frontier.take(partial.report)

    def _may_change(self, delta: Delta) -> bool:
        """Whether the minute of a delta is still to be put out, so that the delta must be kept."""
        watermark = self._windows.watermark
        past = watermark is not None and delta.minute + MINUTE_S + self._settings.grace_s <= watermark
        return bool(delta.counted & Size.MINUTE.bit) and not past

    # --- committing ------------------------------------------------------------------------------------------------

    def _patience_s(self, timeout_s: float) -> float:
        if not self._dirty or not self.replayed:
            return timeout_s
        return max(0.0, min(timeout_s, self._committed_s + self._settings.commit_every_s - self._now()))

    def _is_time(self, now_s: float) -> bool:
        """Every now and then, and at once when a window has ended."""
        elapsed_s, settings = now_s - self._committed_s, self._settings
        if not 0 <= elapsed_s < settings.commit_every_s:  # clocks are set back, too
            return True
        return elapsed_s >= settings.urgent_every_s and self._a_minute_ended(now_s)

    def _a_minute_ended(self, now_s: float) -> bool:
        reached, before = self._reached(now_s), self._windows.watermark
        return reached is not None and (before is None or reached // MINUTE_S > before // MINUTE_S)

    def _commit(self, now_s: float) -> None:
        self._committed_s = now_s
        if (self._a_minute_ended(now_s) or self._is_silent(now_s)) and not self._log.look():
            return  # a partition may have been added, and hold the windows that would end now
        results = self._move(now_s)
        if not results and not self._dirty:
            return
        if self._windows.watermark is not None:
            self._places.forget(self._windows.watermark, grace_s=self._settings.grace_s)
        final = [result for result in results if result.status is Status.FINAL]
        state = [*self._windows.changes(), *closed_records(final, first=self._closed)]
        self._closed += len(final)
        state.append((CONTROL_KEY, msgspec.json.encode(self._control(now_s))))
        self._faults(MERGER_BEFORE_COMMIT)
        try:
            self._log.commit([(result.key, result.encode()) for result in results], state, self._places.positions())
        except TransactionAbortedError:
            self.aborts += 1
            self.active = False
            return
        self._faults(MERGER_AFTER_COMMIT)
        self._dirty = False

    def _move(self, now_s: float) -> list[Result]:
        """Let windows end by what is known now."""
        windows = self._windows
        moments = [at for at in (self._reached(now_s), windows.watermark) if at is not None]
        results = windows.advance(max(moments)) if moments else []
        if self._is_silent(now_s):
            results += windows.silence()
            self._unsilenced = False
        if self._newest > now_s - HISTORY_S:
            results += windows.early(now_s)
        return results

    def _is_silent(self, now_s: float) -> bool:
        """Whether all partitions fell silent since it was last told."""
        return self._unsilenced and self._frontier.silent(partitions=self._log.partitions(), now_s=now_s)

    def _reached(self, now_s: float) -> int | None:
        return self._frontier.watermark(partitions=self._log.partitions(), now_s=now_s)

    def _control(self, now_s: float) -> Control:
        return Control(
            group=self._settings.group,
            input=self._settings.input,
            identity=self._identity,
            at_s=now_s,
            grace_s=self._settings.grace_s,
            partitions=self._log.partitions(),
            known=self._frontier.known,
            read=self._places.read(),
            needed=self._places.positions(),
            watermark=self._windows.watermark,
            closed=self._closed,
            refused=self._windows.refused,
        )
