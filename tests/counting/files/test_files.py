"""Counting files: exact, the same for any order and any reader, and nothing is left out without a copy."""

import gzip
import itertools
import json
import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytest.importorskip("datasketches")

from hypothesis import given, settings
from hypothesis import strategies as st

from counting.files.counted import Counted, count_files, frames_at, rules, users_by_minute
from millstream import simulate
from millstream.counting.files.processes import ReaderProcesses
from millstream.counting.files.readers import ReadAhead
from millstream.counting.files.rules import Ending
from millstream.counting.files.threads import ReaderThreads
from millstream.counting.frames.blocks import ScannedBlocks
from millstream.counting.frames.scanner import FrameScanner, PythonScanner
from millstream.counting.guard import LIMIT, SPAN, LossGuard
from millstream.counting.windows.windows import Emit
from millstream.errors import ReaderLostError, SourceError

SHARED = Path(__file__).parents[4] / "shared" / "data" / "frames"
START_S = 1_500_000_000


def dirty(count: int, *, seed: int) -> list[bytes]:
    """Frames, some of them late, flipped, torn, or behind a blank line."""
    draw = random.Random(seed)
    lines = []
    for line in simulate.frames(count=count, rate_per_s=30.0, users=300, late=0.02, flip=0.005, seed=seed):
        torn = line[: len(line) // 2] + b"\n" if draw.random() < 0.003 else line
        lines.append(b"\r\n" + torn if draw.random() < 0.01 else torn)
    return lines


def ahead_by(
    kind: type, *, count: int, scanner: Callable[[], FrameScanner] = PythonScanner
) -> Callable[[list], ReadAhead]:
    """Supplies that read ahead by so many readers of a kind."""
    return lambda files: ReadAhead(files, crew=kind(files, scanner=scanner, count=count))


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three files whose times overlap, one of them compressed."""
    folder, draw = tmp_path_factory.mktemp("overlapping"), random.Random(1)
    lines = dirty(6_000, seed=11)
    parts: list[list[bytes]] = [[], [], []]
    for number, line in enumerate(lines):
        parts[number * 3 // len(lines) if draw.random() < 0.7 else draw.randrange(3)].append(line)
    paths = [folder / "a.jsonl", folder / "b.jsonl.gz", folder / "c.jsonl"]
    paths[0].write_bytes(b"".join(parts[0]))
    paths[1].write_bytes(gzip.compress(b"".join(parts[1]), 1))
    paths[2].write_bytes(b"".join(parts[2])[:-1])
    return paths


@pytest.mark.parametrize("name", ["minutes", "days", "large"])
def test_real_frames_are_counted_exactly(name: str) -> None:
    """The counts are those that were counted by others."""
    path = SHARED / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip("the data is not here")
    expected = json.loads((SHARED / "expected.json").read_text())[name]

    counted = count_files([path], allow_loss=False)

    assert counted.report.totals.frames == expected["frames"]
    assert counted.report.totals.lost == counted.report.totals.late == 0
    assert counted.report.users.users == expected["users"]
    for size in ("minute", "hour", "day"):
        found = counted.users(size)
        if "count of minutes" in expected[size]:
            assert len(found) == expected[size]["count of minutes"]
            assert sum(found.values()) == expected[size]["sum of their counts"]
        else:
            assert found == {int(start): users for start, users in expected[size].items()}


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.sampled_from([0, 1, 30, 3_600, 86_400, 40_000_000]), min_size=1, max_size=60),
    files=st.integers(1, 4),
    draw=st.randoms(use_true_random=False),
)
def test_clean_files_are_counted_exactly(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], files: int, draw: random.Random
) -> None:
    """Whatever its spacing or length, and however it is spread over files, an ordered input loses nothing."""
    folder = tmp_path_factory.mktemp("clean")
    time_s, times = START_S, []
    for gap in gaps:
        time_s = min(time_s + gap, 1_799_000_000)
        times.append(time_s)
    lines = frames_at(times)
    parts: list[list[bytes]] = [[] for _ in range(files)]
    for line in lines:
        draw.choice(parts).append(line)
    for number, part in enumerate(parts):
        (folder / f"{number}.jsonl").write_bytes(b"".join(part))

    counted = count_files(sorted(folder.iterdir()), allow_loss=False)

    assert counted.users("minute") == users_by_minute(lines)
    assert counted.report.totals.lost == 0


def test_the_order_of_files_changes_nothing(overlapping: list[Path]) -> None:
    """Sources in any order give the same bytes, dead letters included."""
    counts = [count_files([overlapping[number] for number in order]) for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2))]

    assert counts[0].results.count(b"\n") > 10
    assert len({count.results for count in counts}) == 1
    assert len({count.letters for count in counts}) == 1


@pytest.mark.slow
def test_readers_change_nothing(overlapping: list[Path]) -> None:
    """One process or thread reads ahead, or three: the same bytes as without any."""
    alone = count_files(overlapping)

    for kind, count in itertools.product((ReaderProcesses, ReaderThreads), (1, 3)):
        helped = count_files(overlapping, supply=ahead_by(kind, count=count))
        assert (helped.results, helped.letters) == (alone.results, alone.letters)


def test_what_goes_wrong_in_a_thread_ends_the_count(overlapping: list[Path]) -> None:
    """It is told as if the count had read by itself, and nothing hangs."""

    class BrokenScanner(PythonScanner):
        def scan_blocks(self, blocks: Sequence[bytes]) -> ScannedBlocks:
            raise MemoryError

    with pytest.raises(MemoryError):
        count_files(overlapping, supply=ahead_by(ReaderThreads, count=2, scanner=BrokenScanner))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ReaderProcesses, ReaderThreads])
def test_readers_that_may_hardly_read_ahead_still_get_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    """However little may wait, the file whose turn it is gets read: many files, longer than a stride, never hang."""
    for name, value in (("FRAMES_AHEAD", 0), ("STRIDES_AHEAD", 1), ("REQUESTS", 1)):
        monkeypatch.setattr(f"millstream.counting.files.readers.{name}", value)
    times = range(START_S, START_S + 200_000, 2)
    lines = [b'{"uid":"u%d","ts":%d,"more":"%0200d"}\n' % (time_s % 97, time_s, 0) for time_s in times]
    paths = []
    for number in range(12):
        part = b"".join(lines[number // 4 :: 3])
        paths.append(tmp_path / (f"{number}.jsonl" + (".gz" if number % 2 else "")))
        paths[-1].write_bytes(gzip.compress(part, 1) if number % 2 else part)

    alone = count_files(paths)
    helped = count_files(paths, supply=ahead_by(kind, count=2))

    assert helped.results == alone.results
    assert alone.report.totals.lost == 0


@pytest.mark.slow
def test_a_reader_that_is_killed_is_told(tmp_path: Path) -> None:
    """When a reading process is gone, the count ends with a line that says so, and does not hang."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(frames_at(range(START_S, START_S + 3_000))) * 4)

    def supply(files: list) -> ReadAhead:
        crew = ReaderProcesses(files, scanner=PythonScanner, count=1)
        os.kill(crew.pids[0], signal.SIGKILL)
        return ReadAhead(files, crew=crew)

    with pytest.raises(ReaderLostError, match="SIGKILL"):
        count_files([path], supply=supply)


def test_every_frame_is_counted_or_has_a_copy(overlapping: list[Path]) -> None:
    """Counts of lost frames equal the copies, and each copy is the line that it says it is."""
    counted = count_files(overlapping)
    totals = counted.report.totals
    letters = [json.loads(line) for line in counted.letters.splitlines()]
    contents = {
        str(path): gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in overlapping
    }

    reasons = [letter["reason"] for letter in letters]
    assert reasons.count("quarantined") == totals.quarantined > 0
    assert reasons.count("dropped") == totals.dropped > 0
    assert len(reasons) - totals.quarantined - totals.dropped == totals.rejected > 0
    for letter in letters:
        content = contents[letter["source"]]
        raw = letter["raw"].encode() if "raw" in letter else None
        line = content[letter["byte"] :].partition(b"\n")[0]
        assert raw in {None, line}
        assert content[: letter["byte"]].count(b"\n") + 1 == letter["line"]


def test_compressed_and_plain_count_alike(tmp_path: Path) -> None:
    """The same bytes stored in another way give the same results and the same counts."""
    data = b"".join(dirty(3_000, seed=5))
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data))

    plain, packed = count_files([tmp_path / "a.jsonl"]), count_files([tmp_path / "a.jsonl.gz"])

    assert plain.results == packed.results
    assert plain.report.totals == packed.report.totals
    assert sorted(map(_without_source, plain.letters.splitlines())) == sorted(
        map(_without_source, packed.letters.splitlines())
    )


def _without_source(letter: bytes) -> str:
    return json.dumps(json.loads(letter) | {"source": ""})


def test_daily_files_are_counted_as_one(tmp_path: Path) -> None:
    """Many files behind each other: windows close in order, and a user of two files is one user."""
    lines: list[bytes] = []
    for day in range(12):
        part = frames_at(range(START_S + day * 86_400, START_S + (day + 1) * 86_400, 97), users=11 + day)
        lines += part
        (tmp_path / f"{day:02}.jsonl").write_bytes(b"".join(part))

    counted = count_files(sorted(tmp_path.iterdir()), allow_loss=False)

    starts = list(counted.users("minute"))
    assert starts == sorted(starts)
    assert counted.users("minute") == users_by_minute(lines)
    assert counted.report.users.users == 22


def test_a_damaged_file_ends_early_and_the_others_do_not(tmp_path: Path) -> None:
    """What could be read is counted, the damage is told, and the other files are counted to their end."""
    lines = frames_at(range(START_S, START_S + 20_000), users=1_000)
    draw = random.Random(3)
    draw.shuffle(lines)
    lines.sort(key=lambda line: json.loads(line)["ts"])
    packed = gzip.compress(b"".join(lines), 1)
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "b.jsonl").write_bytes(b"".join(lines))

    counted = count_files([tmp_path / "a.gz", tmp_path / "b.jsonl"])

    ((path, damage),) = counted.report.damages
    assert path.endswith("a.gz")
    assert "cut off" in damage
    assert counted.users("minute") == users_by_minute(lines)
    assert counted.report.totals.frames > len(lines)


def test_too_many_losses_stop_a_count(tmp_path: Path) -> None:
    """More than 5,000 of 100,000 frames lost: the count stops, unless that is allowed."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(frames_at(range(START_S, START_S + 40_000))) + b"no frame\n" * (LIMIT + 1))

    stopped, went_on = count_files([path], allow_loss=False), count_files([path], allow_loss=True)

    assert (stopped.report.ending, stopped.alarms) == (Ending.LOSSES, 1)
    assert stopped.report.open
    assert (went_on.report.ending, went_on.alarms) == (Ending.COMPLETE, 1)
    assert went_on.report.totals.rejected == LIMIT + 1


def test_the_guard_forgets_what_is_far_back() -> None:
    """Only the last 100,000 frames count."""
    guard = LossGuard()

    assert not guard.lose(LIMIT, frames=LIMIT)
    assert guard.lose(1, frames=SPAN)
    assert not guard.lose(1, frames=LIMIT + SPAN)
    assert LossGuard(guard.losses).losses == guard.losses


def test_results_are_put_out_as_they_were_asked_for(tmp_path: Path) -> None:
    """With ontime a window is told when it is due, when it changes, and when it is final; final is the same."""
    lines = dirty(4_000, seed=2)
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(lines))

    final, ontime = count_files([path]), count_files([path], by=rules(emit=Emit.ONTIME))

    assert _finals(ontime) == _finals(final)
    statuses = [json.loads(line)["status"] for line in ontime.results.splitlines()]
    assert {"ontime", "final"} <= set(statuses)


def _finals(counted: Counted) -> dict[tuple[str, int], tuple[int, int]]:
    records = map(json.loads, counted.results.splitlines())
    return {
        (record["by"], record["start"]): (record["users"], record["frames"])
        for record in records
        if record["status"] == "final"
    }


def test_a_file_that_goes_away_is_told(tmp_path: Path) -> None:
    """A file that was removed after it had been looked at ends the count with a line about it."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(frames_at(range(START_S, START_S + 100))))

    with pytest.raises(SourceError, match="No such file"):
        count_files([path], supply=lambda files: _Unlinking(path))


class _Unlinking:
    """Reads a file that is gone."""

    def __init__(self, path: Path) -> None:
        path.unlink()

    def take(self, part, *, following):
        return part.file.read(0, count=1)

    def close(self) -> None:
        pass
