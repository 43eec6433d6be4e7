"""Counting standard input: as from a file when it flows, told in time when it rests."""

import gzip
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("datasketches")

from hypothesis import given, settings
from hypothesis import strategies as st

from counting.files.counted import count_files, count_pipe, frames_at, rules, users_by_minute
from counting.files.test_files import dirty
from millstream.adapters.framefile import FramePipe, Piece
from millstream.adapters.framefile.cutting import Cutter
from millstream.counting.windows.windows import Emit
from millstream.ports.framefile import Block

START_S = 1_500_000_000


class Scripted:
    """A pipe from which bytes come in portions, with silence after each; tells the time to the count."""

    def __init__(self, portions: list[bytes], *, rests_s: float) -> None:
        self._pieces = self._cut(portions)
        self._rests_s = rests_s
        self.now_s = 0.0

    def next(self, *, quiet_s: float) -> Piece:
        """The next piece."""
        piece = next(self._pieces)
        if piece.is_quiet:
            self.now_s += self._rests_s
        return piece

    def monotonic(self) -> float:
        """The time of the script."""
        return self.now_s

    def _cut(self, portions: list[bytes]) -> Iterator[Piece]:
        cutter = Cutter()
        for portion in portions:
            cutter.feed(portion)
            yield from self._whole(cutter)
            yield Piece(number=cutter.number, block=cutter.lines_so_far())
            yield Piece(number=cutter.number, block=cutter.lines_so_far(), is_quiet=True)
        cutter.finish()
        yield from self._whole(cutter)
        yield Piece(number=cutter.number, block=Block(start=0, data=b""), is_last=True)

    def _whole(self, cutter: Cutter) -> Iterator[Piece]:
        while not cutter.is_exhausted:
            number, block = cutter.number, cutter.cut()
            if block is None:
                return
            yield Piece(number=number, block=block, ends_block=True)


def piped(path: Path) -> FramePipe:
    """A pipe that holds what the file holds: the file itself, as a shell redirects it."""
    return FramePipe(os.open(path, os.O_RDONLY))


def test_a_pipe_counts_as_the_file_does(tmp_path: Path) -> None:
    """Late, flipped and torn frames and all: the same results, the same counts, the same copies."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(dirty(4_000, seed=9)))

    from_file, from_pipe = count_files([path]), count_pipe(piped(path))

    assert from_pipe.results == from_file.results
    assert from_pipe.report.totals == from_file.report.totals
    named = from_file.letters.replace(json.dumps(str(path)).encode(), b'"-"')
    assert sorted(from_pipe.letters.splitlines()) == sorted(named.splitlines())


def test_a_pipe_whose_end_is_in_doubt_is_counted_without_copies(tmp_path: Path) -> None:
    """Frames that wait for the clock when the input ends are decided, with nobody to take copies of the lost ones."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(frames_at([*range(START_S, START_S + 300), START_S + 100_000, *[START_S + 300] * 9])))

    kept, off = count_pipe(piped(path)), count_pipe(piped(path), keeps_letters=False)

    assert kept.report.totals.quarantined == 1
    assert (off.results, off.report.totals) == (kept.results, kept.report.totals)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), portion=st.sampled_from([1, 7, 60]), rests_s=st.sampled_from([0.5, 30.0]))
def test_clean_input_that_trickles_is_counted_exactly(seed: int, portion: int, rests_s: float) -> None:
    """However the lines of an ordered input come, and however long it rests, nothing is lost or late."""
    draw = random.Random(seed)
    time_s, times = START_S, []
    for _ in range(200):
        time_s += draw.choice([0, 1, 20, 90])
        times.append(time_s)
    lines = frames_at(times)
    script = Scripted(
        [b"".join(lines[start : start + portion]) for start in range(0, len(lines), portion)], rests_s=rests_s
    )

    counted = count_pipe(script, monotonic=script.monotonic)

    assert counted.users("minute") == users_by_minute(lines)
    assert counted.report.totals.lost == 0


def test_windows_close_while_a_block_fills() -> None:
    """A window is put out as soon as the watermark is past its grace, not only when 64 KiB have come."""
    lines = frames_at(range(START_S, START_S + 400))
    script = Scripted([*lines, b""], rests_s=0.5)

    counted = count_pipe(script, monotonic=script.monotonic)

    watermarks = [json.loads(line)["watermark"] for line in counted.results.splitlines()]
    assert sum(len(line) for line in lines) < 64 << 10
    assert min(watermarks) < START_S + 200


def test_silence_tells_open_windows_and_keeps_them_open() -> None:
    """With ontime, what is open is told after ten seconds of silence, and revised by what comes then."""
    lines = frames_at(range(START_S, START_S + 30))
    later = frames_at(range(START_S + 30, START_S + 40), users=11)
    script = Scripted([b"".join(lines), b"", b"".join(later)], rests_s=11.0)

    counted = count_pipe(script, by=rules(emit=Emit.ONTIME), monotonic=script.monotonic)

    minute = [json.loads(line) for line in counted.results.splitlines() if b'"by":"minute"' in line]
    statuses = [record["status"] for record in minute if record["start"] == START_S // 60 * 60]
    assert statuses[0] == "ontime"
    assert statuses[-1] == "final"
    assert counted.users("minute") == users_by_minute([*lines, *later])


def test_copies_of_frames_that_waited_are_their_lines() -> None:
    """A frame far ahead waits for the clock; when it is given up, its line is still there."""
    liar = b'{"uid":"liar","ts":%d}\n' % (START_S + 100_000)
    lines = [*frames_at(range(START_S, START_S + 20)), liar, *frames_at(range(START_S + 20, START_S + 60))]
    script = Scripted([b"".join(lines[:21]), b"".join(lines[21:])], rests_s=0.5)

    counted = count_pipe(script, monotonic=script.monotonic)

    (letter,) = map(json.loads, counted.letters.splitlines())
    assert letter["reason"] == "quarantined"
    assert letter["raw"].encode() == liar.rstrip(b"\n")
    assert (letter["line"], letter["byte"]) == (21, sum(map(len, lines[:20])))
    assert counted.report.totals.quarantined == 1


def test_compressed_standard_input_is_not_taken_for_text(tmp_path: Path) -> None:
    """What is piped is text: compressed bytes are no frames, each line of them is rejected."""
    path = tmp_path / "frames.gz"
    path.write_bytes(gzip.compress(b"".join(frames_at(range(START_S, START_S + 100)))))

    counted = count_pipe(piped(path))

    assert counted.report.totals.frames == counted.report.totals.rejected > 0
