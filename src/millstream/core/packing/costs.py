"""What working a bucket costs, and how long a pool takes for all of them.

Theory of operation: a bucket takes some seconds per byte, per file and for itself. The pool hands buckets to
whichever worker is free, so its makespan is that of list scheduling in the order of dispatch. Nothing can
beat two bounds: the costliest file, and an equal share of all work for every worker that has any.

The model is fitted to past attempts by least absolute deviations (one attempt that hung for a minute must not move
it), found by reweighted least squares. No coefficient may be negative; three of them are few enough to try
every subset that may be zero.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from operator import mul

from millstream.errors import InvalidValueError

_FEWEST_SAMPLES = 8
_ROUNDS = 20
_CLOSE = 0.01
"""An error below this share of the mean attempt is noise: no more weight is given for being closer."""
_SINGULAR = 1e-6
"""Columns are scaled to at most 1; less variance than this of its own makes a coefficient a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """Seconds of one worker for a bucket: per byte, per file in it, and for the bucket itself.

    The defaults, 50 MB/s, 10 ms and 50 ms, suit files on a network that are read and written once. Raises
    InvalidValueError when one is negative.
    """

    seconds_per_byte: float = 1 / 50_000_000
    seconds_per_file: float = 0.010
    seconds_per_bucket: float = 0.050

    def __post_init__(self) -> None:
        for name in ("seconds_per_byte", "seconds_per_file", "seconds_per_bucket"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise InvalidValueError(name=name, expected="seconds, 0 or more", found=value)

    def files_s(self, *, size_bytes: int, files: int) -> float:
        """Seconds for `files` files of `size_bytes` bytes together, without their bucket."""
        return self.seconds_per_byte * size_bytes + self.seconds_per_file * files

    def bucket_s(self, *, size_bytes: int, files: int) -> float:
        """Seconds for a bucket of `files` files of `size_bytes` bytes together."""
        return self.files_s(size_bytes=size_bytes, files=files) + self.seconds_per_bucket


def makespan_s(costs_s: Iterable[float], *, workers: int) -> float:
    """Seconds until all buckets are done when each goes, in the given order, to the first free worker."""
    free_at = [0.0] * workers
    for cost_s in costs_s:
        heapreplace(free_at, free_at[0] + cost_s)
    return max(free_at)


def makespan_bound_s(sizes: Sequence[int], *, buckets: int, workers: int, cost: CostModel) -> float:
    """Seconds that no plan can beat, given that `buckets` is the fewest possible.

    The busiest worker has at least an equal share of the work and of the cost of buckets. Fewer buckets than
    workers leave workers idle, more cost time of their own: the best number is the number of workers, or
    the fewest possible when that is more.
    """
    if not sizes:
        return 0.0
    buckets = max(buckets, min(workers, len(sizes)))
    work_s = cost.files_s(size_bytes=sum(sizes), files=len(sizes)) + cost.seconds_per_bucket * buckets
    return max(cost.bucket_s(size_bytes=max(sizes), files=1), work_s / min(workers, buckets))


def fit_cost_model(samples: Iterable[tuple[int, int, float]], *, default: CostModel) -> CostModel:
    """The model that explains past attempts best; each sample is (bytes, files, seconds) of one bucket.

    Answers `default` when there are fewer than 8 samples, or when they are too much alike to tell the three
    coefficients apart.
    """
    attempts = list(samples)
    most_bytes = max((size_bytes for size_bytes, _, _ in attempts), default=0)
    most_files = max((files for _, files, _ in attempts), default=0)
    if len(attempts) < _FEWEST_SAMPLES or not most_bytes or not most_files:
        return default
    rows = [(size_bytes / most_bytes, files / most_files, 1.0, seconds) for size_bytes, files, seconds in attempts]
    fitted = _least_absolute(rows)
    if fitted is None:
        return default
    return CostModel(
        seconds_per_byte=fitted[0] / most_bytes,
        seconds_per_file=fitted[1] / most_files,
        seconds_per_bucket=fitted[2],
    )


_Row = tuple[float, float, float, float]


def _least_absolute(rows: Sequence[_Row]) -> list[float] | None:
    """Coefficients of the first three columns that explain the last one; None when the columns are dependent."""
    weights = [1 / len(rows)] * len(rows)
    close_s = _CLOSE * sum(seconds for *_, seconds in rows) / len(rows) or 1.0
    if _solve(_moments(rows, weights)) is None:
        return None
    fitted = _least_squares(_moments(rows, weights))
    for _ in range(_ROUNDS):
        errors = [abs(seconds - sum(map(mul, fitted, features))) for *features, seconds in rows]
        weights = [1 / max(error, close_s) for error in errors]
        total = sum(weights)
        weights = [weight / total for weight in weights]
        fitted = _least_squares(_moments(rows, weights))
    return fitted


def _moments(rows: Sequence[_Row], weights: Sequence[float]) -> list[list[float]]:
    """The normal equations, one row for each coefficient with its right-hand side last."""
    columns = list(zip(*rows, strict=True))
    weighted = [list(map(mul, column, weights)) for column in columns[:3]]
    return [[sum(map(mul, left, right)) for right in columns] for left in weighted]


def _least_squares(moments: Sequence[Sequence[float]]) -> list[float]:
    """The solution without negative coefficients: the best one over all choices of which are zero."""
    best, best_gain = [0.0, 0.0, 0.0], 0.0
    for subset in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        solution = _solve([[moments[row][column] for column in (*subset, 3)] for row in subset])
        if solution is None or min(solution) < 0:
            continue
        gain = sum(value * moments[row][3] for row, value in zip(subset, solution, strict=True))
        if gain > best_gain:
            values = dict(zip(subset, solution, strict=True))
            best, best_gain = [values.get(row, 0.0) for row in range(3)], gain
    return best


def _solve(rows: list[list[float]]) -> list[float] | None:
    """Gauss-Jordan elimination of a positive definite system with its right-hand side last; None when singular."""
    for i in range(len(rows)):
        pivot = rows[i][i]
        if pivot < _SINGULAR:
            return None
        rows[i] = [value / pivot for value in rows[i]]
        for j in range(len(rows)):
            if j != i:
                factor = rows[j][i]
                rows[j] = [value - factor * other for value, other in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]
