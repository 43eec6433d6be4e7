"""The picture of results in docs/unique-users.md: simulated frames, counted and drawn by the commands themselves."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

START_S = 1_468_195_200
"""2016-07-11 00:00:00 UTC."""
HOURS = 36
MINUTE_S, DAY_S = 60, 86_400
LOWEST, HIGHEST = 30, 170
"""Frames of the quietest and of the busiest minute, on average."""
USERS = 120_000
MEAN_DELAY_S, TAIL, WORST_DELAY_S = 0.7, 0.0002, 1_500.0
PADDING = b"x" * 250


def draw(path: Path) -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as name:
        frames, results = Path(name) / "frames.jsonl", Path(name) / "users.jsonl"
        frames.write_bytes(
            b"".join(b'{"uid":"u%d","ts":%d,"more":"%s"}\n' % (*frame, PADDING) for frame in simulate(seed=3))
        )
        title = "Unique users of a day and a half, simulated"
        for words in (
            ["count", str(frames), "--output", str(results), "--emit", "ontime", "--grace", "30m"],
            ["plot", str(results), "-o", str(path), "--by", "minute,hour,day", "--title", title],
        ):
            command = [sys.executable, "-m", "millstream", *words, "--quiet"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def simulate(*, seed: int) -> list[tuple[int, int]]:
    """User and time of each frame, in order of arrival; few at night, some late."""
    rng = np.random.default_rng(seed)
    minutes = np.arange(HOURS * 60)
    share = 0.5 - 0.5 * np.cos(2 * np.pi * minutes * MINUTE_S / DAY_S)
    counts = rng.poisson(LOWEST + (HIGHEST - LOWEST) * share**2)
    sent = np.repeat(START_S + minutes * MINUTE_S, counts) + rng.random(int(counts.sum())) * MINUTE_S
    delay = (
        rng.exponential(MEAN_DELAY_S, len(sent))
        + (rng.random(len(sent)) < TAIL) * rng.random(len(sent)) * WORST_DELAY_S
    )
    users = rng.zipf(1.3, len(sent)) % USERS
    order = np.argsort(sent + delay)
    return list(zip(users[order].tolist(), sent[order].astype(np.int64).tolist(), strict=True))
