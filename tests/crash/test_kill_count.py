"""kill -9 in the middle of a count: the finished output is byte for byte that of an undisturbed run."""

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from crash.killing import Process, wait_until
from millstream import simulate

pytest.importorskip("datasketches")

SEED = int(os.environ.get("MILLSTREAM_TEST_SEED", "20261122"))
CHILD = Path(__file__).with_name("count_child.py")
MOMENTS = ("torn output", "after output", "before checkpoint", "before rename", "after checkpoint")
WORDS = ("one.jsonl", "two.jsonl.gz", "three.jsonl", "--allow-loss", "--output", "users.jsonl", "--state", "state")


def lay_out(folder: Path, *, frames: int) -> None:
    """Three files of late, flipped and torn frames, whose times overlap."""
    draw = random.Random(SEED)
    parts: list[list[bytes]] = [[], [], []]
    lines = simulate.frames(count=frames, rate_per_s=10.0, users=500, late=0.02, flip=0.005, seed=SEED)
    for number, line in enumerate(lines):
        torn = line[: len(line) // 2] + b"\n" if draw.random() < 0.003 else line
        parts[number * 3 // frames if draw.random() < 0.7 else draw.randrange(3)].append(torn)
    (folder / "one.jsonl").write_bytes(b"".join(parts[0]))
    (folder / "two.jsonl.gz").write_bytes(gzip.compress(b"".join(parts[1]), 1))
    (folder / "three.jsonl").write_bytes(b"".join(parts[2])[:-1])


def start(folder: Path, *words: str, moment: str = "never", number: int = 0) -> subprocess.Popen[bytes]:
    """Start a count in `folder` that dies at the `number`-th `moment`."""
    command = [sys.executable, str(CHILD), moment, str(number), "count", "--quiet", *words]
    return Process(command, cwd=folder, stderr=subprocess.PIPE)


def run(folder: Path, *words: str, moment: str = "never", number: int = 0) -> int:
    """Run to its end, which may be its death; returns the exit code."""
    with start(folder, *words, moment=moment, number=number) as process:
        _, errors = process.communicate(timeout=60)
    assert b"Traceback" not in errors, errors.decode()
    return process.returncode


def is_newer(path: Path, *, than_ns: int) -> bool:
    """Whether a file was written after that moment."""
    return path.exists() and path.stat().st_mtime_ns > than_ns


def outputs(folder: Path) -> tuple[bytes, bytes]:
    """Results and dead letters."""
    return (folder / "users.jsonl").read_bytes(), (folder / "users.rejects.jsonl").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[bytes, bytes]]:
    """A folder of inputs, and what a count without state makes of them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    lay_out(folder, frames=6_000)
    assert run(folder, *WORDS[:-2], "--workers", "1") == 0
    results, letters = outputs(folder)
    assert results.count(b"\n") > 10
    assert letters.count(b"\n") > 20
    return folder, (results, letters)


def site(undisturbed: tuple[Path, tuple[bytes, bytes]], folder: Path) -> Path:
    """A folder with the same inputs."""
    for name in WORDS[:3]:
        os.link(undisturbed[0] / name, folder / name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_count_that_is_killed_at_a_moment_goes_on(
    undisturbed: tuple[Path, tuple[bytes, bytes]], tmp_path: Path, moment: str
) -> None:
    """Killed again and again at one moment, ever later in a run, the count ends as if nothing had happened."""
    folder = site(undisturbed, tmp_path)
    numbers = (1, 6)

    codes = [run(folder, *WORDS, "--workers", "1", moment=moment, number=number) for number in numbers]

    assert codes == [-signal.SIGKILL] * len(numbers)
    assert run(folder, *WORDS, "--workers", "1") == 0
    assert outputs(folder) == undisturbed[1]


def kill_at_random(undisturbed: tuple[Path, tuple[bytes, bytes]], folder: Path, *, rounds: int, workers: str) -> None:
    """Kill after random numbers of written lines, until a run gets through."""
    folder = site(undisturbed, folder)
    draw = random.Random(SEED + rounds)
    killed = 0
    for _ in range(rounds):
        moment = draw.choice(MOMENTS)
        killed += run(folder, *WORDS, "--workers", workers, moment=moment, number=draw.randrange(1, 12)) != 0

    assert killed
    assert run(folder, *WORDS, "--workers", workers) == 0
    assert outputs(folder) == undisturbed[1]


@pytest.mark.slow
def test_a_count_with_readers_is_killed_at_random_moments(
    undisturbed: tuple[Path, tuple[bytes, bytes]], tmp_path: Path
) -> None:
    """With processes that read ahead, too, and no process is left behind."""
    kill_at_random(undisturbed, tmp_path, rounds=3, workers="2")


@pytest.mark.soak
def test_a_count_is_killed_very_often(undisturbed: tuple[Path, tuple[bytes, bytes]], tmp_path: Path) -> None:
    """Sixty kills at random moments change no byte."""
    kill_at_random(undisturbed, tmp_path, rounds=60, workers="1")


@pytest.mark.slow
def test_sigterm_keeps_what_was_counted(undisturbed: tuple[Path, tuple[bytes, bytes]], tmp_path: Path) -> None:
    """A count with a state folder that is asked to stop exits with 75, and the next run goes on from there."""
    folder = site(undisturbed, tmp_path)
    checkpoint = folder / "state" / "count"
    codes = []
    for _ in range(2):
        with start(folder, *WORDS, "--workers", "1") as process:
            wait_until(partial(is_newer, checkpoint, than_ns=time.time_ns()), what="a checkpoint")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        codes.append(process.returncode)

    assert codes == [75, 75]
    assert run(folder, *WORDS, "--workers", "1") == 0
    assert outputs(folder) == undisturbed[1]


@pytest.mark.slow
def test_a_finished_count_is_left_alone(undisturbed: tuple[Path, tuple[bytes, bytes]], tmp_path: Path) -> None:
    """Run again, a finished count says that it is finished, and touches nothing."""
    folder = site(undisturbed, tmp_path)
    assert run(folder, *WORDS) == 0
    before = (folder / "users.jsonl").stat().st_mtime_ns

    with start(folder, *WORDS[:3], *WORDS[3:]) as process:
        process.communicate(timeout=60)

    assert process.returncode == 0
    assert (folder / "users.jsonl").stat().st_mtime_ns == before
    assert outputs(folder) == undisturbed[1]
