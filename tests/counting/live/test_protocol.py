"""The two stages in the simulator: whatever goes wrong, what was committed equals brute force."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from counting.live.simulator import (
    NEVER_S,
    START_S,
    Arrival,
    Chaos,
    Trial,
    frame,
    from_admission,
    from_frames,
)
from millstream.counting.live import faultpoints
from millstream.counting.live.merger import Merger
from millstream.counting.live.status import CONTROL_KEY
from millstream.counting.live.worker import StageOne, StageOneSettings
from millstream.counting.model import Status
from millstream.counting.windows import agenda
from millstream.counting.windows.state import HEAD_KEY
from millstream.counting.windows.windows import Emit

SETTINGS = StageOneSettings(idle_s=NEVER_S, commit_every_s=0.3, align_s=10**9, block=64)
EVERY_POINT = {
    *faultpoints.WORKER,
    *faultpoints.MERGER,
    *("after_produce", "after_offsets", "after_commit_sent", "merger.during_restore"),
}


def in_time(rng: random.Random, *, count: int, partitions: Sequence[int], start_s: float = START_S) -> list[Arrival]:
    """Frames none of which is late for its partition, sometimes with a gap."""
    arrivals: list[Arrival] = []
    time_s = float(start_s)
    for _ in range(count):
        time_s += rng.expovariate(1.0)
        if rng.random() < 0.004:
            time_s += rng.choice([90, 4_000, 100_000])
        arrivals.append((rng.choice(partitions), frame(rng.randrange(60), int(time_s) - rng.randrange(4))))
    return arrivals


def damaged(rng: random.Random, *, count: int) -> list[Arrival]:
    """Frames of which some are late, some far too late, some have a flipped bit, and some are none.

    How late is chosen so that nothing depends on when a watermark passed within a block.
    """
    arrivals: list[Arrival] = []
    for number in range(count):
        time_s, kind, user = START_S + number * 2 // 5, rng.random(), rng.randrange(60)
        if number < 150:  # the clocks start
            time_s -= rng.randrange(4)
        elif kind < 0.05:
            time_s -= rng.randint(6, 10)
        elif kind < 0.10:
            time_s -= rng.choice([300, 3_000, 9_000, 90_000, 3_000_000])
        elif kind < 0.15:
            time_s ^= 1 << rng.randint(13, 24)
        else:
            time_s -= rng.randrange(4)
        value = rng.choice([b"", None, b"{", b'{"uid":"u1"}']) if rng.random() < 0.03 else frame(user, time_s)
        arrivals.append((rng.randrange(3), value))
    return arrivals


def clean_trial(seed: int, *, chaos: Chaos | None = None, **changes) -> tuple[Trial, list[str]]:
    """Clean frames, with a partition that is added on the way now and then."""
    trial = Trial(seed, settings=SETTINGS, chaos=chaos or Chaos(), **changes)
    rng = random.Random(seed)
    if rng.random() < 0.3:
        arrivals = in_time(rng, count=150, partitions=range(3))
        trial.feed(arrivals)
        trial.broker.add_partition()
        # Event time goes on from where it was: frames of a new partition are no older than those of the others.
        latest_s = max(int(value.split(b":")[-1][:-1]) for _, value in arrivals if value) + 4
        later = in_time(rng, count=200, partitions=range(4), start_s=latest_s)
        trial.feed(later)
        arrivals += later
    else:
        arrivals = in_time(rng, count=300, partitions=range(3))
        trial.feed(arrivals)
    trial.settle()
    trial.close_everything()
    expected = from_frames(value for _, value in arrivals)
    expected.limit = agenda.WINDOW_LIMIT
    return trial, trial.violations(expected)


def damaged_trial(seed: int) -> tuple[Trial, list[str]]:
    """Damaged frames, compared with an undisturbed admission of each partition."""
    settings = StageOneSettings(idle_s=NEVER_S, commit_every_s=0.3, align_s=10**9, block=8)
    trial = Trial(seed, settings=settings, chaos=Chaos())
    arrivals = damaged(random.Random(seed), count=450)
    trial.feed(arrivals)
    trial.settle()
    trial.close_everything()
    expected = from_admission(trial.input_values(), settings)
    return trial, trial.violations(expected, sentinels=0)


def idle_trial(seed: int) -> tuple[Trial, list[str]]:
    """Partitions that fall silent and come back; last, all are silent, and everything counted must be out."""
    settings = StageOneSettings(idle_s=10, commit_every_s=0.3, block=64)
    trial = Trial(seed, settings=settings, chaos=Chaos(), emit=Emit.EARLY)
    rng = random.Random(seed)
    arrivals: list[Arrival] = []
    time_s = START_S
    for _ in range(6):
        active = rng.sample(range(3), rng.randint(1, 3))
        for _ in range(rng.randint(1, 3)):
            few = [
                (rng.choice(active), frame(rng.randrange(60), time_s + at - rng.randrange(4)))
                for at in sorted(rng.randrange(50) for _ in range(rng.randint(1, 30)))
            ]
            trial.feed(few)
            trial.settle()
            arrivals += few
            time_s += 50
        trial.pass_time(rng.choice([0, 5, 12, 40]))
    trial.pass_time(40)
    wrong = trial.violations(from_frames(value for _, value in arrivals), final=False)
    early = {results[-1].status for results in trial.results().values()} & {Status.EARLY}
    return trial, wrong + [f"the last word of a silent topic is {status}" for status in early]


def violated(
    trial: Callable[[int], tuple[Trial, list[str]]], seeds: range
) -> tuple[dict[int, list[str]], Counter[str]]:
    """What was violated by seed, and where processes died."""
    wrong: dict[int, list[str]] = {}
    crashed: Counter[str] = Counter()
    for seed in seeds:
        ran, found = trial(seed)
        crashed += ran.crashed
        if found:
            wrong[seed] = found[:3]
    return wrong, crashed


# --- what must hold -------------------------------------------------------------------------------------------------


def test_clean_frames_are_counted_exactly_once_whatever_goes_wrong():
    """Every window gets one final result with exactly its users and frames, and no revision goes back."""
    wrong, crashed = violated(clean_trial, range(150))

    assert not wrong
    assert sum(crashed.values()) > 500


def test_damaged_frames_are_counted_as_in_an_undisturbed_run():
    """Late and dropped frames, totals and dead letters are those of an admission that nothing disturbs."""
    wrong, _ = violated(damaged_trial, range(60))

    assert not wrong


def test_silent_partitions_hold_nothing_back_and_lose_nothing():
    """While a partition is silent the others go on, when it comes back nothing is lost, and silence hides nothing."""
    wrong, _ = violated(idle_trial, range(40))

    assert not wrong


def test_estimates_are_those_of_an_undisturbed_run(monkeypatch: pytest.MonkeyPatch):
    """Windows that become sketches on the way give the same estimates, whatever goes wrong, before or after that."""
    monkeypatch.setattr(agenda, "WINDOW_LIMIT", 25)

    wrong, _ = violated(clean_trial, range(20))

    assert not wrong


@pytest.mark.parametrize("point", sorted(EVERY_POINT))
def test_a_crash_at_this_point_changes_nothing(point: str):
    """Processes that die at one point only, and often, leave the same results."""
    chaos = Chaos(crash=0.3, rebalance=0.1, pause=0.1, takeover=0.1, points=frozenset({point}))

    wrong, crashed = violated(lambda seed: clean_trial(seed, chaos=chaos), range(4))

    assert not wrong
    assert crashed[point]


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("trial", [clean_trial, damaged_trial, idle_trial])
def test_thousands_of_schedules(trial: Callable[[int], tuple[Trial, list[str]]]):
    """The same with thousands of schedules."""
    wrong, _ = violated(trial, range(1_000, 4_000))

    assert not wrong


# --- that these tests can fail --------------------------------------------------------------------------------------


class HastyMerger(Merger):
    """Lets windows move before everything was replayed."""

    @property
    def replayed(self) -> bool:
        return True


class CredulousStageOne(StageOne):
    """Remembers users as told before the commit, and after an abort."""

    def commit(self) -> None:
        self.told = getattr(self, "told", {})
        for number, partition in self._partitions.items():
            for delta in partition._fresh.deltas():
                told = self.told.setdefault(number, {})
                told[delta.minute] = sorted({*told.get(delta.minute, ()), *delta.users.tolist()})
        super().commit()

    def assigned(self, bookmarks) -> None:
        super().assigned(bookmarks)
        for number in bookmarks:
            for minute, users in getattr(self, "told", {}).get(number, {}).items():
                self._partitions[number]._fresh._told[minute] = np.array(users, dtype=np.uint64)


class ForgetfulLog:
    """Loses the state of windows, and keeps where it was."""

    def __init__(self, log) -> None:
        self._log = log
        self.start, self.poll, self.close = log.start, log.poll, log.close
        self.partitions, self.look = log.partitions, log.look

    def commit(self, results, state, positions) -> None:
        kept = [(key, value) for key, value in state if key in (CONTROL_KEY, HEAD_KEY)]
        self._log.commit(results, kept, positions)


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param({"stage_two": HastyMerger}, id="closing before the replay is over"),
        pytest.param({"stage_one": CredulousStageOne}, id="remembering what was not committed"),
        pytest.param({"delta_log": ForgetfulLog}, id="losing the state"),
        pytest.param({"fencing": False}, id="letting zombies write"),
    ],
)
def test_the_simulator_finds_what_is_broken(mutation):
    """With one safeguard taken away, the comparison fails for some schedules."""
    wrong, _ = violated(lambda seed: clean_trial(seed, **mutation), range(25))

    assert wrong
