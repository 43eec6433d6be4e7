"""What waiting buys: frames late and dropped, and the delay of results, over the lateness that a watermark allows.

A simulated partition is driven live through the admission of `millstream count`, a tenth of a second of arrivals at a
time, in blocks as a Kafka partition has them. Most frames are late by an exponentially distributed time (mean 0.7 s, at
most 5 s), one in a thousand by 5 s to an hour (log-uniform). Beside it stand a clock that knows the time of day, and
the usual watermark: the largest time so far, less the lateness.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from millstream.counting.admission.admission import Admission, Admitted
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.model import MINUTE_S, Size
from millstream.counting.windows.calendar import Calendar

Row = dict[str, str | int | float]

WAITING = "Waiting against correctness: late frames and delay over the lateness allowed"
DAMAGE = "Wrong times: good frames that come too late, and what the largest time as a clock would make of them"

LATENESSES_S = (0, 1, 2, 3, 5, 7, 10, 20, 30, 60)
LATENESS_S, GRACE_S = 5, 60
RATE_PER_S = 200
START_S = 1_468_244_340
PORTION_S = 0.1
BLOCK_FRAMES = 1_024
MEAN_DELAY_S, USUAL_DELAY_S, WORST_DELAY_S, TAIL = 0.7, 5.0, 3_600.0, 0.001
LOWEST_USE, HIGHEST_USE = 9, 63
TIMESTAMP_BITS = 31
TEN_YEARS_S, EIGHT_HOURS_S = 10 * 365 * 86_400, 8 * 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Frames in order of arrival: when they came, the time that they say and the true one, in Unix seconds."""

    at: NDArray[np.float64]
    times: NDArray[np.int64]
    true: NDArray[np.int64]

    @property
    def damaged(self) -> NDArray[np.bool_]:
        """Which of them say a wrong time."""
        return self.times != self.true


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the frames, as flags, and for each minute how long after its end the watermark passed that.

    `after` says that the watermark had passed the end of its minute when a frame came, so that a result was put out
    before; `late` that it is judged late (by the watermark before its block) and counted nevertheless.
    """

    after: NDArray[np.bool_]
    late: NDArray[np.bool_]
    dropped: NDArray[np.bool_]
    quarantined: NDArray[np.bool_]
    delays_s: Sequence[float]


def simulate(*, seconds: int, seed: int) -> Arrivals:
    """So many seconds of a partition, without damage."""
    rng = np.random.default_rng(seed)
    count = seconds * RATE_PER_S
    sent = START_S + np.sort(rng.random(count)) * seconds
    delay = np.minimum(rng.exponential(MEAN_DELAY_S, count), USUAL_DELAY_S)
    tail = rng.random(count) < TAIL
    delay[tail] = USUAL_DELAY_S * (WORST_DELAY_S / USUAL_DELAY_S) ** rng.random(int(tail.sum()))
    order = np.argsort(sent + delay, kind="stable")
    times = sent[order].astype(np.int64)
    return Arrivals(at=(sent + delay)[order], times=times, true=times)


def flipped(arrivals: Arrivals, *, share: float, seed: int) -> Arrivals:
    """The same with one bit of the time wrong in that share of the frames."""
    rng = np.random.default_rng(seed)
    damaged = rng.random(len(arrivals.times)) < share
    bits = np.int64(1) << rng.integers(0, TIMESTAMP_BITS, len(arrivals.times))
    return replace(arrivals, times=np.where(damaged, arrivals.times ^ bits, arrivals.times))


def first_ahead(arrivals: Arrivals) -> Arrivals:
    """The same with a first frame that is ten years ahead."""
    times = arrivals.times.copy()
    times[0] += TEN_YEARS_S
    return replace(arrivals, times=times)


def interrupted(arrivals: Arrivals) -> Arrivals:
    """The same with nothing sent for eight hours in the middle."""
    middle = START_S + (arrivals.times[-1] - START_S) // 2
    shift = np.where(arrivals.times >= middle, EIGHT_HOURS_S, 0)
    at, times = arrivals.at + shift, arrivals.times + shift
    order = np.argsort(at, kind="stable")
    return Arrivals(at=at[order], times=times[order], true=times[order])


def drive(arrivals: Arrivals, *, lateness_s: int, grace_s: int = GRACE_S) -> Outcome:
    """Admit all frames as a live partition does."""
    admission = Admission(ClockSettings(lateness_s=lateness_s), grace_s=grace_s, calendar=Calendar())
    count = len(arrivals.times)
    flags = {name: np.zeros(count, np.bool_) for name in ("after", "late", "dropped", "quarantined")}
    numbers = np.arange(count)
    users = numbers.astype(np.uint64)  # so a delta says which frames are in it
    delays: list[float] = []
    begin = 0
    for end, use in _portions(arrivals.at):
        part = slice(begin, end)
        now_s = float(arrivals.at[end - 1])
        before = admission.watermark
        admitted = admission.admit(
            arrivals.times[part],
            users[part],
            numbers[part],
            upper_s=int(now_s),
            ends_block=end % BLOCK_FRAMES == 0,
            use=use,
        )
        _note(flags, admitted)
        if before is not None:
            flags["after"][part] = _ends(arrivals.times[part]) <= before
        delays += _passed(before, admission.watermark, now_s=now_s)
        begin = end
    _note(flags, admission.settle())
    return Outcome(**flags, delays_s=delays)


def _portions(at: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Ends of portions, at borders of blocks too, each with how many of the last times the clock may read."""
    ends = np.searchsorted(at, np.arange(at[0], at[-1] + PORTION_S, PORTION_S)).tolist()
    borders = range(BLOCK_FRAMES, len(at), BLOCK_FRAMES)
    found = sorted({*ends, *borders, len(at)} - {0})
    second_ago = np.searchsorted(at, at[np.array(found) - 1] - 1.0)
    lately = np.clip(np.array(found) - second_ago, LOWEST_USE, HIGHEST_USE)
    return list(zip(found, lately.tolist(), strict=True))


def _note(flags: dict[str, NDArray[np.bool_]], admitted: Admitted) -> None:
    for delta in admitted.deltas:
        if delta.late & Size.MINUTE.bit and delta.counted & Size.MINUTE.bit:
            flags["late"][delta.users.astype(np.int64)] = True
    flags["dropped"][admitted.dropped] = True
    flags["quarantined"][admitted.quarantined] = True


def _passed(before: int | None, after: int | None, *, now_s: float) -> list[float]:
    """For the minute whose end the watermark passed just now, how long ago that was; of several, for the last only."""
    if before is None or after is None or after // MINUTE_S == before // MINUTE_S:
        return []
    return [now_s - after // MINUTE_S * MINUTE_S]


def waiting(*, seconds: int, seed: int = 1) -> list[Row]:
    """One row for each lateness allowed."""
    arrivals = simulate(seconds=seconds, seed=seed)
    rows: list[Row] = []
    for lateness_s in LATENESSES_S:
        outcome = drive(arrivals, lateness_s=lateness_s)
        rows.append(
            {
                "lateness, s": lateness_s,
                "after the result, %": _percent(outcome.after),
                "by a perfect clock, %": _percent(_after_perfect(arrivals, lateness_s=lateness_s)),
                "late, %": _percent(outcome.late),
                "dropped, %": _percent(outcome.dropped),
                "result after end, s": round(median(outcome.delays_s), 2),
                "worst, s": round(max(outcome.delays_s), 2),
            }
        )
    return rows


def damage(*, seconds: int, seed: int = 2) -> list[Row]:
    """One row for each kind of damage, at the usual lateness and grace."""
    clean = simulate(seconds=seconds, seed=seed)
    cases = {
        "none": clean,
        "0.1 % flipped bits": flipped(clean, share=0.001, seed=seed),
        "5 % flipped bits": flipped(clean, share=0.05, seed=seed),
        "30 % flipped bits": flipped(clean, share=0.3, seed=seed),
        "first frame ten years ahead": first_ahead(clean),
        "eight hours of silence": interrupted(clean),
    }
    return [_damaged(name, arrivals) for name, arrivals in cases.items()]


def _damaged(name: str, arrivals: Arrivals) -> Row:
    outcome = drive(arrivals, lateness_s=LATENESS_S)
    good = ~arrivals.damaged
    counted = ~(outcome.dropped | outcome.quarantined)
    return {
        "damage": name,
        "after the result, %": _percent(outcome.after[good]),
        "dropped, %": _percent(outcome.dropped[good]),
        "after, by a perfect clock, %": _percent(_after_perfect(arrivals, lateness_s=LATENESS_S)[good]),
        "after, by the largest time, %": _percent(_after_largest(arrivals, lateness_s=LATENESS_S)[good]),
        "quarantined, %": _percent(outcome.quarantined[good]),
        "in a wrong minute, of all, %": _percent((_ends(arrivals.times) != _ends(arrivals.true)) & counted),
        "result after end, s": round(median(outcome.delays_s), 2),
    }


def _after_perfect(arrivals: Arrivals, *, lateness_s: int) -> NDArray[np.bool_]:
    """Frames that come after their minute's end and the lateness, by the time of the wall."""
    return _ends(arrivals.times) <= arrivals.at - lateness_s


def _after_largest(arrivals: Arrivals, *, lateness_s: int) -> NDArray[np.bool_]:
    """Frames that come after the largest time so far has passed their minute's end and the lateness."""
    largest = np.maximum.accumulate(np.concatenate([[0], arrivals.times[:-1]]))
    return _ends(arrivals.times) <= largest - lateness_s


def _ends(times: NDArray[np.int64]) -> NDArray[np.int64]:
    return times // MINUTE_S * MINUTE_S + MINUTE_S


def _percent(flags: NDArray[np.bool_]) -> float:
    return round(100 * float(flags.mean()), 4)
