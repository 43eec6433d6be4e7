"""Many damaged lines, seeded: both scanners, all widths of instructions, one answer."""

import os
import random
from importlib import import_module
from pathlib import Path

import pytest

from millstream.counting.frames.scanner import PythonScanner
from native.pairing import damage, native, told

package = native()
NativeScanner = import_module("millstream.counting.frames.native").NativeScanner
CORPUS = Path(__file__).parents[2] / "native/fuzz/corpus"
SEEDS = [line for file in sorted(CORPUS.glob("*.jsonl")) for line in file.read_bytes().split(b"\n") if line]
LINES_IN_BLOCK = 200


def run(lines: int, *, seed: int) -> None:
    dice = random.Random(seed)
    python, scanner = PythonScanner(), NativeScanner()
    others = [package.Scanner(uid=["uid"], ts=["ts"], level=level) for level in package.LEVELS]
    rejected = 0
    for _ in range(lines // LINES_IN_BLOCK):
        seeds = dice.choices(SEEDS, k=LINES_IN_BLOCK)
        block = b"\n".join(damage(line, dice) if dice.random() < 0.6 else line for line in seeds)
        block += b"\n" * dice.randrange(2)
        wanted = python.scan_lines(block)
        rejected += len(wanted.rejects)

        assert told(scanner.scan_lines(block)) == told(wanted), f"seed {seed}: {block!r}"
        assert scanner.disagreements == 0, f"seed {seed}: {block!r}"
        found = {other.scan_blocks([block])[:2] for other in others}
        assert found == {(wanted.times.tobytes(), wanted.users.tobytes())}, f"seed {seed}: {block!r}"
    assert 0.2 * lines < rejected < 0.9 * lines


def test_a_hundred_thousand_lines_have_one_answer():
    """More than half of them damaged, in blocks with others that are not."""
    run(100_000, seed=7)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_millions_of_lines_have_one_answer(seed):
    """As above; `MILLSTREAM_SOAK_LINES` says how many for each of ten seeds."""
    run(int(os.environ.get("MILLSTREAM_SOAK_LINES", "500000")), seed=seed)
