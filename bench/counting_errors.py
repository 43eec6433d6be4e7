"""How wrong counts can be: sketches against the truth, and users that share a hash."""

from collections.abc import Sequence

import numpy as np
import xxhash

from millstream.counting.windows.distinct import WINDOW_LIMIT, UserSet

Row = dict[str, str | int | float]

SKETCHES = "Sketches against the truth: windows of more users than are kept exactly"
COLLISIONS = "Users missing because two of them share a hash"

TRIALS = {100_000: 40, 300_000: 20, 1_000_000: 10, 3_000_000: 4}
PARTS = 60
COLLIDING = 2_000_000
PLANNED = (10**6, 10**7, 10**8, 10**9)


def sketches(*, quick: bool) -> tuple[list[Row], dict[int, Sequence[float]], float]:
    """A row for each number of users; the error of every trial in percent; half the width of the bounds in percent."""
    errors: dict[int, Sequence[float]] = {}
    rows: list[Row] = []
    width = 0.0
    for users, trials in TRIALS.items():
        if quick:
            if users > 300_000:
                continue
            trials = 3  # noqa: PLW2901 - a small version
        found = [_trial(users, seed=seed) for seed in range(trials)]
        errors[users] = [error for error, *_ in found]
        width = found[0][1]
        rows.append(
            {
                "users": users,
                "trials": trials,
                "error, %: mean of sizes": round(float(np.abs(errors[users]).mean()), 3),
                "largest": round(float(np.abs(errors[users]).max()), 3),
                "bounds, +- %": round(width, 3),
                "within bounds": sum(inside for *_, inside, _ in found),
                "same when joined from parts": sum(same for *_, same in found),
            }
        )
    return rows, errors, width


def _trial(users: int, *, seed: int) -> tuple[float, float, bool, bool]:
    """The error and half the width of the bounds in percent; whether the truth is within, and parts give the same."""
    hashes = np.random.default_rng(seed).integers(0, 2**64, users, dtype=np.uint64)
    whole = UserSet(WINDOW_LIMIT)
    whole.add(hashes)
    joined = UserSet(WINDOW_LIMIT)
    for number in range(PARTS):
        part = UserSet(None)
        part.add(hashes[number::PARTS])
        joined.merge(part)
    found = whole.estimate()
    error = 100 * (found.users - users) / users
    width = 100 * (found.high - found.low) / 2 / users
    return error, width, found.low <= users <= found.high, found == joined.estimate()


def collisions(*, quick: bool) -> list[Row]:
    """The formula against a count where collisions can be seen, 32 bits; then what it says of 64."""
    users = 200_000 if quick else COLLIDING
    hashes = np.fromiter((xxhash.xxh3_64_intdigest(b"user-%d" % user) for user in range(users)), np.uint64, users)
    low = hashes & np.uint64(2**32 - 1)
    rows: list[Row] = [
        {
            "users": users,
            "bits": bits,
            "missing, expected": expected(users, bits=bits),
            "missing, counted": str(users - len(np.unique(kept))),
        }
        for bits, kept in ((32, low), (64, hashes))
    ]
    rows += [
        {"users": n, "bits": 64, "missing, expected": expected(n, bits=64), "missing, counted": "-"} for n in PLANNED
    ]
    return rows


def expected(users: int, *, bits: int) -> float:
    """How many users are expected to be missing, n^2 / 2^(bits + 1), as long as that is few of them."""
    return float(f"{users**2 / 2 ** (bits + 1):.3g}")
