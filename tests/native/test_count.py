"""Counting with both scanners: the same bytes everywhere."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("datasketches")

from counting.files.counted import frames_at
from counting.frames.kinds import need_native
from millstream import simulate
from millstream.cli import main

need_native(at_import=True)

SHARED = Path(__file__).parents[3] / "shared/data/frames"
SAMPLES = Path(__file__).parents[1] / "data/frames.jsonl"
FILES = [SAMPLES, *(SHARED / f"{name}.jsonl.gz" for name in ("minutes", "days", "large"))]


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    """A file of more than a stride, with late frames, flipped bits, torn and blank lines."""
    draw = random.Random(7)
    lines = list(simulate.frames(count=20_000, rate_per_s=30.0, users=300, late=0.02, flip=0.005, seed=7))
    for number in draw.sample(range(len(lines)), 100):
        lines[number] = lines[number][: len(lines[number]) // 2] + b"\n\r\n"
    path = tmp_path / "dirty.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def count(*sources: Path, to: Path, scanner: str, workers: int = 1) -> tuple[bytes, bytes, dict[str, object]]:
    """The results, the copies, and the summary without what depends on time."""
    output, rejects, summary = (to / f"{scanner}-{workers}.{name}" for name in ("users", "rejects", "summary"))
    words = ["--output", str(output), "--rejects", str(rejects), "--summary", str(summary), "--quiet"]
    words += ["--scanner", scanner, "--workers", str(workers), "--allow-loss"]
    assert main(["count", *map(str, sources), *words]) == 0
    found = json.loads(summary.read_text())
    assert found.pop("scanner") == scanner
    del found["seconds"], found["frames_per_s"]
    return output.read_bytes(), rejects.read_bytes() if rejects.exists() else b"", found


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_files_are_counted_alike(path: Path, tmp_path: Path) -> None:
    """Real frames, plain and compressed."""
    if not path.exists():
        pytest.skip("the data is not here")

    assert count(path, to=tmp_path, scanner="native") == count(path, to=tmp_path, scanner="python")


def test_a_dirty_file_is_counted_alike(dirty: Path, tmp_path: Path) -> None:
    """Results, copies of what is lost, and every number; by one, two or three threads, too."""
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(b"".join(frames_at(range(1_400_000_000, 1_400_090_000, 3))), 1))
    wanted = count(dirty, packed, to=tmp_path, scanner="python")

    found = [count(dirty, packed, to=tmp_path, scanner="native", workers=workers) for workers in (1, 2, 3)]

    assert found == [wanted] * 3
    assert wanted[1].count(b"\n") > 100


def test_standard_input_is_counted_alike(dirty: Path) -> None:
    """As from a file."""
    outputs = []
    for scanner in ("python", "native"):
        words = ["count", "-", "--scanner", scanner, "--rejects", "off", "--allow-loss", "--quiet"]
        with dirty.open("rb") as lines:
            done = subprocess.run(
                [sys.executable, "-m", "millstream", *words], stdin=lines, capture_output=True, timeout=60, check=True
            )
        outputs.append(done.stdout)

    assert outputs[0] == outputs[1] != b""
