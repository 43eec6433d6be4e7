"""Admission of simulated traffic: no more good frames are lost than by a clock that knows the truth.

The traffic: a frame is delayed by an exponential time of 0.7 s on average, at most 5 s; one in a thousand by up to an
hour. A damaged time has one of its bits 0 to 30 flipped. A perfect clock stands at the true time of arrival.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from counting.admission.admitting import SETTINGS, an_admission
from millstream.counting.admission.admission import Admission, Admitted
from millstream.counting.model import Size

START = 1_468_244_340
HOUR = 3600
BLOCK = 225
MARGIN = 1e-4
"""The share of good frames that may be lost beyond those that a perfect clock loses."""


@dataclass
class Traffic:
    """Frames in order of arrival: when, with what time, and whether that is undamaged."""

    arrivals: NDArray[np.int64]
    times: NDArray[np.int64]
    good: NDArray[np.bool_]


@dataclass
class Losses:
    """Of each frame: in its minute and in time, and whether it was given up."""

    in_time: NDArray[np.bool_]
    quarantined: NDArray[np.bool_]
    counted: NDArray[np.int64]

    def note(self, admitted: Admitted) -> None:
        for delta in admitted.deltas:
            frames = delta.users.astype(np.int64)
            assert not self.counted[frames].any()
            self.counted[frames] = delta.counted
            self.in_time[frames] = bool(delta.counted & ~delta.late & Size.MINUTE.bit)
        self.quarantined[admitted.quarantined] = True


def simulate(*, rate: int, seconds: int, damaged: float, seed: int, outage_s: int = 0) -> Traffic:
    rng = np.random.default_rng(seed)
    count = rate * seconds
    arrivals = START + np.arange(count) / rate
    arrivals[count // 2 :] += outage_s
    delays = np.minimum(rng.exponential(0.7, count), 5)
    delays = np.where(rng.random(count) < 0.001, rng.random(count) * HOUR, delays)
    times = (arrivals - delays).astype(np.int64)
    bad = rng.random(count) < damaged
    times = np.where(bad, times ^ (1 << rng.integers(0, 31, count)), times)
    return Traffic(arrivals.astype(np.int64), times, ~bad)


def portions(count: int, *, rng: np.random.Generator | None) -> Iterator[tuple[int, int, bool]]:
    """Whole blocks, or random portions of them; each with its borders, and whether it ends a block."""
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        cuts = [start, *(np.unique(rng.integers(start + 1, end, 3)).tolist() if rng and end - start > 1 else []), end]
        for left, right in pairwise(cuts):
            yield left, right, right == end


def run(traffic: Traffic, *, live: bool, rng: np.random.Generator | None = None) -> tuple[Losses, Admission]:
    """`live` means that no time can be later than the arrival; otherwise only that none is later than much later."""
    admission, count = an_admission(SETTINGS), len(traffic.times)
    losses = Losses(np.zeros(count, np.bool_), np.zeros(count, np.bool_), np.zeros(count, np.int64))
    numbers = np.arange(count)
    for left, right, ends in portions(count, rng=rng):
        upper_s = int(traffic.arrivals[right - 1]) if live else START + 10 * 365 * 24 * HOUR
        use = int(rng.integers(9, 64)) if rng else 63
        part = slice(left, right)
        losses.note(
            admission.admit(
                traffic.times[part],
                numbers[part].astype(np.uint64),
                numbers[part],
                upper_s=upper_s,
                ends_block=ends,
                use=use,
            )
        )
    losses.note(admission.settle())
    return losses, admission


def shares(traffic: Traffic, losses: Losses) -> tuple[float, float]:
    """Of the good frames, the share that is not in time in its minute, and the share that a perfect clock loses."""
    late = traffic.times // 60 * 60 + 60 <= traffic.arrivals - SETTINGS.lateness_s
    good = traffic.good
    return float(np.mean(~losses.in_time[good])), float(np.mean(late[good]))


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
@pytest.mark.parametrize("damaged", [0, 0.001, 0.05, 0.3])
@pytest.mark.parametrize(("rate", "seconds"), [(200, 600), (2000, 100)])
def test_flipped_bits_cost_no_good_frames(rate, seconds, damaged, live):
    """With up to 30 % of the times damaged, as many good frames are lost as by a perfect clock."""
    traffic = simulate(rate=rate, seconds=seconds, damaged=damaged, seed=7)

    losses, admission = run(traffic, live=live)

    lost, ideal = shares(traffic, losses)
    assert lost <= ideal + MARGIN
    assert not (losses.quarantined & traffic.good).any()
    assert admission.watermark is not None
    assert 0 <= traffic.arrivals[-1] - SETTINGS.lateness_s - admission.watermark <= 3


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
@pytest.mark.parametrize("damaged", [0, 0.05])
def test_an_outage_of_eight_hours_costs_no_good_frames(damaged, live):
    """All frames before and after it are counted, and its windows close."""
    traffic = simulate(rate=200, seconds=600, damaged=damaged, seed=8, outage_s=8 * HOUR)

    losses, admission = run(traffic, live=live)

    lost, ideal = shares(traffic, losses)
    assert lost <= ideal + MARGIN
    assert not (losses.quarantined & traffic.good).any()
    assert admission.watermark is not None
    assert admission.watermark >= traffic.arrivals[-1] - SETTINGS.lateness_s - 3


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
def test_a_damaged_first_frame_costs_no_good_frames(live):
    """Ten years ahead, before anything is known."""
    traffic = simulate(rate=200, seconds=300, damaged=0, seed=9)
    traffic.times[0] += 10 * 365 * 24 * HOUR
    traffic.good[0] = False

    losses, _ = run(traffic, live=live)

    lost, ideal = shares(traffic, losses)
    assert lost <= ideal + MARGIN
    assert losses.quarantined.nonzero()[0].tolist() == [0]


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
def test_a_device_that_is_an_hour_ahead_is_quarantined_without_effect(live):
    """Two in a hundred frames are constantly an hour ahead; the others are counted as if they were not there."""
    traffic = simulate(rate=200, seconds=600, damaged=0, seed=10)
    wrong = np.random.default_rng(1).random(len(traffic.times)) < 0.02
    traffic.times[wrong] += HOUR
    traffic.good &= ~wrong

    losses, _ = run(traffic, live=live)

    lost, ideal = shares(traffic, losses)
    assert lost <= ideal + MARGIN
    assert np.mean(losses.quarantined[wrong]) > 0.95
    assert not (losses.quarantined & traffic.good).any()


@pytest.mark.parametrize("damaged", [0, 0.05, 0.3])
def test_live_portions_and_a_replay_admit_the_same_good_frames(damaged):
    """With random portions and random use of the ring, each good frame counts in the same windows."""
    traffic = simulate(rate=200, seconds=300, damaged=damaged, seed=11)

    replay, _ = run(traffic, live=False)
    live, _ = run(traffic, live=False, rng=np.random.default_rng(2))

    good = traffic.good
    assert np.array_equal(replay.counted[good], live.counted[good])
    assert np.array_equal(replay.in_time[good], live.in_time[good])
    assert np.mean(replay.counted != live.counted) <= 1e-3
