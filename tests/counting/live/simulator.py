"""A deterministic simulator of live counting: the real two stages on a log in memory, and everything that goes wrong.

One seed is one schedule: who steps when, how much a poll brings, who dies where, who comes back as a zombie. `Trial`
runs it to the end; `Expected` says by brute force what must have come out, and `violations` compares.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from millstream.counting.admission.admission import Admission
from millstream.counting.frames.scanner import PythonScanner
from millstream.counting.live.merger import Merger, MergerSettings
from millstream.counting.live.worker import StageOne, StageOneSettings
from millstream.counting.model import MINUTE_S, Delta, Result, Size, Status, Totals, Window
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.distinct import UserSet
from millstream.counting.windows.windows import Emit
from millstream.errors import FencedError, MillstreamError
from millstream.ports.framelog import DeltaLog
from millstream.testing.faults import Crash
from millstream.testing.framelog_broker import MemoryBroker
from millstream.testing.framelog_memory import MemoryDeltaLog, MemoryFrameLog

START_S = 1_468_244_384
SENTINEL_S = START_S + 800 * 86_400
"""Frames of this time close every window of those before."""
NOW_S = 1_600_000_000.0
CALENDAR = Calendar("UTC")
SCANNER = PythonScanner()
NEVER_S = 1e12

Arrival = tuple[int, bytes | None]
"""A partition, and a value that is written to it."""


def frame(user: int, time_s: int) -> bytes:
    """A frame."""
    return b'{"uid":"u%d","ts":%d}' % (user, time_s)


@dataclass(slots=True)
class Expected:
    """What must come out: users, frames and late frames by window; totals; dead letters by partition and offset."""

    users: dict[Window, set[int]] = field(default_factory=lambda: defaultdict(set))
    frames: Counter[Window] = field(default_factory=Counter)
    late: Counter[Window] = field(default_factory=Counter)
    totals: Totals = field(default_factory=Totals)
    letters: set[tuple[int, int]] = field(default_factory=set)
    limit: int | None = None
    """Users up to which windows larger than a minute are exact."""

    def value(self, window: Window) -> tuple[int, int, int]:
        """Users, frames and late frames of a window."""
        users = UserSet(None if window.by is Size.MINUTE else self.limit)
        users.add(np.array(sorted(self.users[window]), dtype=np.uint64))
        return users.estimate().users, self.frames[window], self.late[window]

    def count(self, delta: Delta) -> None:
        """Count a delta in each of its windows."""
        minute = Window(by=Size.MINUTE, start=delta.minute, end=delta.minute + MINUTE_S)
        for window in (minute, *CALENDAR.windows(delta.minute)):
            if delta.counted & window.by.bit:
                self.users[window].update(delta.users.tolist())
                self.frames[window] += delta.frames
                self.late[window] += delta.frames if delta.late & window.by.bit else 0


def from_frames(values: Iterable[bytes | None]) -> Expected:
    """By looking at each frame alone: right when every frame is in time."""
    expected = Expected()
    for value in values:
        found = SCANNER.scan_values([value])
        minute = int(found.times[0]) // MINUTE_S * MINUTE_S
        expected.count(Delta(minute=minute, users=found.users, frames=1))
        expected.totals += Totals(frames=1)
    return expected


def from_admission(partitions: Sequence[Sequence[bytes | None]], settings: StageOneSettings) -> Expected:
    """By admitting each partition without disturbance, in whole blocks."""
    expected = Expected()
    for number, values in enumerate(partitions):
        admission = Admission(settings.clock, grace_s=settings.grace_s, calendar=CALENDAR)
        for start in range(0, len(values), settings.block):
            block = values[start : start + settings.block]
            found = SCANNER.scan_values(block)
            offsets = np.delete(np.arange(start, start + len(block)), [r.index for r in found.rejects])
            ends = len(block) == settings.block
            admitted = admission.admit(found.times, found.users, offsets, upper_s=int(NOW_S), ends_block=ends)
            for delta in admitted.deltas:
                expected.count(delta)
            expected.totals += Totals(
                frames=found.lines,
                rejected=len(found.rejects),
                quarantined=len(admitted.quarantined),
                late=admitted.late,
                dropped=len(admitted.dropped),
            )
            gone = [start + r.index for r in found.rejects] + admitted.quarantined.tolist() + admitted.dropped.tolist()
            expected.letters |= {(number, offset) for offset in gone}
    return expected


@dataclass(frozen=True, kw_only=True)
class Chaos:
    """How often what happens in a step, as probabilities; `points` are the fault points at which processes may die."""

    crash: float = 0.02
    rebalance: float = 0.02
    pause: float = 0.02
    takeover: float = 0.02
    compact: float = 0.02
    abort: float = 0.02
    points: frozenset[str] | None = None


class Trial:
    """One schedule."""

    def __init__(
        self,
        seed: int,
        *,
        settings: StageOneSettings,
        chaos: Chaos,
        partitions: int = 3,
        emit: Emit | None = None,
        fencing: bool = True,
        stage_one: Callable[..., StageOne] = StageOne,
        stage_two: Callable[..., Merger] = Merger,
        delta_log: Callable[[MemoryDeltaLog], DeltaLog] = lambda log: log,
    ) -> None:
        self.rng = random.Random(seed)
        self.broker = MemoryBroker(partitions=partitions, cooperative=self.rng.random() < 0.5, fencing=fencing)
        self.now_s = NOW_S
        self.reached: Counter[str] = Counter()
        self.crashed: Counter[str] = Counter()
        self.fenced = 0
        self.wrong: list[str] = []
        self._settings, self._chaos = settings, chaos
        self._merger_settings = MergerSettings(
            group="g",
            input="in",
            emit=emit or self.rng.choice(list(Emit)),
            lateness_s=settings.clock.lateness_s,
            grace_s=settings.grace_s,
        )
        self._stage_one, self._stage_two, self._delta_log = stage_one, stage_two, delta_log
        self._armed = True
        self._workers: dict[int, tuple[StageOne, MemoryFrameLog]] = {}
        self._paused: dict[int, tuple[StageOne, MemoryFrameLog]] = {}
        self._zombies: list[tuple[StageOne, MemoryFrameLog]] = []
        self._dead: list[str] = []
        self._merger: Merger | None = None
        self._old_mergers: list[Merger] = []
        self._start(0)

    # --- what happens ----------------------------------------------------------------------------------------------

    def feed(self, arrivals: Iterable[Arrival], *, at_once: int = 12) -> None:
        """Let frames arrive, a few at a time, while everything goes wrong."""
        waiting = list(arrivals)
        while waiting:
            count = self.rng.randint(1, at_once)
            for partition, value in waiting[:count]:
                self.broker.append(partition, [value])
            del waiting[:count]
            self.disturb()
            self.step()

    def settle(self) -> None:
        """Let nothing more go wrong, and wait until everything that came is counted."""
        self._armed = False
        self.broker.refuse = 0
        self._resume()
        for member in self._dead:
            self.broker.group.leave(member)
        self._dead.clear()
        self.broker.expire_transactions()
        for slot in [slot for slot in (0, 1) if slot not in self._workers]:
            self._start(slot)
        for _ in range(400):
            self.step()
            if self._is_done():
                self._armed = True
                return
        self.wrong.append("it does not come to rest")

    def pass_time(self, seconds: float) -> None:
        """Nothing arrives for a while, and nothing goes wrong."""
        self._armed = False
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.step()
        self._armed = True

    def step(self) -> None:
        """Everybody may take a step, in some order."""
        self.now_s += self.rng.uniform(0.02, 0.4)
        turns = [*self._workers, "merger"]
        self.rng.shuffle(turns)
        for who in turns:
            if who == "merger":
                self._step_merger()
            elif who in self._workers:
                self._step_worker(who)

    def disturb(self) -> None:
        """Some things go wrong, or none."""
        chaos = self._chaos
        troubles: list[tuple[float, Callable[[], None]]] = [
            (chaos.rebalance, self._change_workers),
            (chaos.pause, self._pause),
            (0.1, self._resume),
            (chaos.takeover, self._take_over),
            (chaos.compact, self.broker.state.compact),
            (chaos.abort, self._refuse),
            (0.3, self._expire_dead),
            (0.05, self.broker.expire_transactions),
            (0.3, self._start_if_none),
            (1.0, self._wake_workers),
            (1.0, self._wake_merger),
        ]
        for likelihood, trouble in troubles:
            if self.rng.random() < likelihood:
                trouble()

    def _pause(self) -> None:
        """A process stands still, most often for so long that its session runs out."""
        if self._workers:
            slot = self.rng.choice(list(self._workers))
            self._paused[slot] = self._workers.pop(slot)
            if self.rng.random() < 0.7:
                self.broker.group.leave(self._paused[slot][1].member)

    def _take_over(self) -> None:
        self.broker.expire_merger()
        if self._merger is not None:
            self._old_mergers.append(self._merger)
        self._merger = None

    def _refuse(self) -> None:
        self.broker.refuse += 1

    def _expire_dead(self) -> None:
        if self._dead:
            self.broker.group.leave(self._dead.pop())

    def _start_if_none(self) -> None:
        if not self._workers:
            self._start(self.rng.randrange(2))

    # --- processes -------------------------------------------------------------------------------------------------

    def _faults(self, point: str) -> None:
        self.reached[point] += 1
        if point == "merger.during_restore" and self.rng.random() < 0.3:
            self.broker.state.compact()
        points = self._chaos.points
        if self._armed and (points is None or point in points) and self.rng.random() < self._chaos.crash:
            self.crashed[point] += 1
            raise Crash

    def _start(self, slot: int) -> None:
        """A process starts in a slot; whoever was there before is a zombie."""
        for held in (self._workers, self._paused):
            if slot in held:
                self._zombies.append(held.pop(slot))
                self._dead.append(self._zombies[-1][1].member)
        log = MemoryFrameLog(self.broker, slot=str(slot), batch=self._some, faults=self._faults)
        worker = self._stage_one(
            log, SCANNER, settings=self._settings, calendar=CALENDAR, now=self._now, faults=self._faults
        )
        self._workers[slot] = (worker, log)

    def _some(self, available: int) -> int:
        return self.rng.randint(0, min(available, 40))

    def _now(self) -> float:
        return self.now_s

    def _change_workers(self) -> None:
        slot = self.rng.randrange(3)
        if slot in self._workers and len(self._workers) > 1:
            _, log = self._workers.pop(slot)
            log.close()
        else:
            self._start(slot)

    def _resume(self) -> None:
        for slot, paused in self._paused.items():
            if slot in self._workers:
                self._dead.append(paused[1].member)
            else:
                self._workers[slot] = paused
        self._paused.clear()

    def _step_worker(self, slot: int) -> None:
        worker, log = self._workers[slot]
        try:
            worker.step(0)
        except FencedError:
            self.fenced += 1
            del self._workers[slot]
            log.close()
        except Crash:
            self._zombies.append(self._workers.pop(slot))
            self._dead.append(log.member)
            if self.rng.random() < 0.7:
                self._start(slot)

    def _step_merger(self) -> None:
        if self._merger is None:
            log = MemoryDeltaLog(self.broker, batch=self._some, faults=self._faults)
            self._merger = self._stage_two(
                self._delta_log(log),
                settings=self._merger_settings,
                calendar=CALENDAR,
                now=self._now,
                faults=self._faults,
            )
        try:
            self._merger.step(0)
        except FencedError:
            self.fenced += 1
            self._merger = None
        except Crash:
            self._old_mergers.append(self._merger)
            self._merger = None
            self.broker.expire_merger()
        except MillstreamError as error:
            self.wrong.append(f"the merger stops: {error}")
            self._merger = None

    def _wake_workers(self) -> None:
        """A worker that was thought dead goes on where it was; only after a successor has started in its place."""
        self._armed, armed = False, self._armed
        running = {log._transactional_id: log._epoch for _, log in self._workers.values()}
        for zombie in list(self._zombies):
            worker, log = zombie
            if running.get(log._transactional_id, 0) > log._epoch and self.rng.random() < 0.3:
                self._zombies.remove(zombie)
                try:
                    worker.commit()
                except FencedError:
                    self.fenced += 1
        self._armed = armed

    def _wake_merger(self) -> None:
        """So does a merger, after another one has started."""
        if not self._old_mergers or self._merger is None or not self._merger.active or self.rng.random() > 0.3:
            return
        self._armed, armed = False, self._armed
        old = self._old_mergers.pop()
        try:
            if old.active and old.replayed:
                old._commit(self.now_s)
        except FencedError:
            self.fenced += 1
        self._armed = armed

    # --- the end ---------------------------------------------------------------------------------------------------

    def _is_done(self) -> bool:
        broker = self.broker
        read = all(
            log.end == 0 or (number in broker.bookmarks and broker.bookmarks[number].offset == log.end)
            for number, log in enumerate(broker.input)
        )
        return read and not broker.open and self._merger_is_done()

    def _merger_is_done(self) -> bool:
        merger = self._merger
        if merger is None or not merger.active or merger._dirty or not merger.replayed:
            return False
        last = [[entry.offset for entry in log.committed()][-1:] for log in self.broker.deltas]
        read = merger._places.read()
        return all(not offsets or read.get(number, 0) > offsets[0] for number, offsets in enumerate(last))

    @property
    def merger(self) -> Merger:
        """The one at work."""
        assert self._merger is not None
        return self._merger

    def results(self) -> dict[str, list[Result]]:
        """What a reader of committed records sees, by window, without those of sentinels."""
        found: dict[str, list[Result]] = defaultdict(list)
        for key, value in self.broker.committed_results():
            result = msgspec.json.decode(value, type=Result)
            if result.start < SENTINEL_S - 400 * 86_400:
                found[key].append(result)
        return found

    def close_everything(self) -> None:
        """Frames from far ahead move the watermark past every window."""
        for partition in range(len(self.broker.input)):
            self.broker.append(partition, [frame(0, SENTINEL_S)] * 70)
        self.settle()

    def input_values(self) -> list[list[bytes | None]]:
        """The values of each partition."""
        return [[entry.value for entry in log.committed()] for log in self.broker.input]

    def violations(self, expected: Expected, *, final: bool = True, sentinels: int = 70) -> list[str]:
        """What is not as it must be, in the committed results, totals and dead letters.

        `sentinels` are the frames of each partition that `expected` does not know.
        """
        wrong = list(self.wrong)
        found = self.results()
        for window in expected.users:
            if window.start < SENTINEL_S - 400 * 86_400:
                wrong += _compared(window, found.pop(window.key, []), expected.value(window), final=final)
        wrong += [f"{key} should not be there" for key in found]
        if final:
            totals = expected.totals + Totals(frames=sentinels * len(self.broker.input))
            if self.merger.totals != totals:
                wrong.append(f"totals are {self.merger.totals}, not {totals}")
        letters = Counter(tuple(map(int, entry.key.split(":")[:2])) for entry in self.broker.dead_letters.committed())
        if letters != Counter(expected.letters):
            wrong.append(f"dead letters: {letters - Counter(expected.letters)} too many")
        if self._merger is not None and self._merger.refused:
            wrong.append(f"{self._merger.refused} frames refused")
        return wrong


def _compared(window: Window, results: list[Result], expected: tuple[int, int, int], *, final: bool) -> list[str]:
    """What is wrong with the results of one window."""
    if not results:
        return [f"{window.key} is missing"]
    last = results[-1]
    finals = [result for result in results if result.status is Status.FINAL]
    wrong = []
    if final and (len(finals) != 1 or last.status is not Status.FINAL):
        wrong.append(f"{window.key}: {len(finals)} final results, the last is {last.status}")
    if [result.revision for result in results] != list(range(1, len(results) + 1)):
        wrong.append(f"{window.key}: revisions {[result.revision for result in results]}")
    if (last.users, last.frames, last.late) != expected:
        wrong.append(
            f"{window.key}: users, frames, late: {last.users}, {last.frames}, {last.late}, expected {expected}"
        )
    return wrong
