"""Runs of blocks in compiled code: wherever a run ends, everything is as if Python had folded block after block."""

import itertools
import random
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("datasketches")

from hypothesis import given, settings
from hypothesis import strategies as st

from counting.admission.traffic import START, inputs, traffic
from counting.files.counted import Memory, frames_at, rules
from millstream import simulate
from millstream.adapters.framefile import look_at
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.files.checkpoint import Checkpoint, Checkpoints
from millstream.counting.files.count import FileCount, Resumption
from millstream.counting.files.part import Part
from millstream.counting.files.rules import Ending, Watcher
from millstream.counting.files.supply import OwnSupply
from millstream.counting.frames.scanner import FrameScanner, PythonScanner
from millstream.counting.windows.windows import Emit
from native.made import NOW_S, MadeBlock, rules_with, states
from native.pairing import native

package = native()
NativeScanner = import_module("millstream.counting.frames.native").NativeScanner

CLOCKS = st.builds(
    ClockSettings,
    lateness_s=st.sampled_from([0, 5, 59, 3600]),
    ahead_s=st.sampled_from([0, 60, 200]),
    ring=st.sampled_from([9, 20, 63]),
    near_s=st.sampled_from([0, 5, 30]),
    kth=st.sampled_from([1, 4, 63]),
    least=st.sampled_from([1, 9]),
    pending_limit=st.sampled_from([9, 100]),
    pending_frames=st.sampled_from([1, 3, 50, 10_000]),
)
RULES = st.builds(
    rules_with,
    CLOCKS,
    grace_s=st.sampled_from([0, 30, 60, 7200, 1 << 70]),
    emit=st.sampled_from([Emit.FINAL, Emit.ONTIME]),
    zone=st.sampled_from(["UTC", "Asia/Kathmandu"]),
)


@st.composite
def nearly_steady(draw: st.DrawFn) -> list[int]:
    """Frames of one second, at the end of what is plausible or before, and one or two others somewhere between them."""
    second = draw(st.sampled_from([START, NOW_S, NOW_S + 59]))
    times = [second] * draw(st.integers(10, 300))
    for _ in range(draw(st.integers(1, 2))):
        other = draw(st.sampled_from([-3600, -61, 1, 2, 60, 61, 62, 200, 86_400]))
        times.insert(draw(st.integers(9, len(times))), second + other)
    return times


@st.composite
def cut(draw: st.DrawFn, times: st.SearchStrategy[list[int]]) -> list[MadeBlock]:
    """Times in blocks of any size, empty ones too; a few lines in a few blocks are no frames."""
    rest, blocks = draw(times), []
    sizes = draw(st.lists(st.sampled_from([0, 1, 3, 10, 40, 80]), min_size=1, max_size=8))
    rejects = draw(st.lists(st.sampled_from([0, 0, 0, 0, 2]), min_size=1, max_size=9))
    while rest or not blocks:
        size = sizes[len(blocks) % len(sizes)] or (len(blocks) % 2 if not any(sizes) else 0)
        blocks.append(MadeBlock(rest[:size], rejects[len(blocks) % len(rejects)]))
        rest = rest[size:]
    return blocks


@settings(max_examples=400, deadline=None)
@given(st.lists(cut(inputs | traffic | nearly_steady()), min_size=1, max_size=3), RULES)
def test_a_run_is_its_blocks_one_by_one(files, by):
    """At the end of every run clocks, windows, users, counts and results are those of Python after the same blocks."""
    one_by_one, wanted = states(files, by=by, scanner=PythonScanner())
    runs, found = states(files, by=by, scanner=NativeScanner())

    assert found == wanted
    for blocks, state in runs.items():
        assert state == one_by_one[blocks]


@settings(max_examples=100, deadline=None)
@given(st.lists(cut(traffic | nearly_steady()), min_size=1, max_size=3), RULES)
def test_looking_changes_nothing(files, by):
    """Results do not depend on whether what was counted is sorted in between, either."""
    wanted = states(files, by=by, scanner=PythonScanner(), look=False)[1]

    assert states(files, by=by, scanner=NativeScanner(), look=False)[1] == wanted


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blocks of a stride that were left to Python, by their numbers in it."""
    numbers: list[int] = []
    fold = Part.fold
    monkeypatch.setattr(Part, "fold", lambda *args, **kwargs: (numbers.append(args[2]), fold(*args, **kwargs)))
    return numbers


@pytest.mark.parametrize(
    ("base", "odd", "passes"),
    [
        (START + 65, START + 60, True),
        (START + 65, START + 59, True),
        (START + 65, START, True),
        (START + 65, START - 1, False),
        (START + 65, START + 125, True),
        (START + 65, START + 126, False),
        (NOW_S + 59, NOW_S + 60, True),
        (NOW_S + 59, NOW_S + 61, False),
    ],
    ids=["in time", "late", "just in grace", "past grace", "near", "ahead", "possible", "too late to be"],
)
def test_only_blocks_with_something_to_decide_are_left_to_python(
    base: int, odd: int, passes: bool, left: list[int]
) -> None:
    """The first one, as there is no clock, and those with a frame that is neither in time nor late within its grace."""
    blocks = [MadeBlock([base] * 63), MadeBlock([base] * 9), MadeBlock([base] * 9 + [odd]), MadeBlock([base] * 9)]

    found = states([blocks], by=rules(), scanner=NativeScanner())[1]

    assert left == ([0] if passes else [0, 1])
    assert found == states([blocks], by=rules(), scanner=PythonScanner())[1]


def test_ordinary_and_late_frames_are_not_left_to_python(left: list[int]) -> None:
    """Two hours of frames, some of them late, need Python for the first block only."""
    dice = random.Random(3)
    times = [START + second - (70 if dice.random() < 0.02 else 0) for second in range(7200) for _ in range(5)]
    blocks = [MadeBlock(times[start : start + 100]) for start in range(0, len(times), 100)]

    seen, (_, told, _, _) = states([blocks], by=rules(), scanner=NativeScanner())

    assert left == [0]
    assert len(seen) < 200 < len(blocks)
    assert 600 < told.late < 800


# --- real files -------------------------------------------------------------------------------------------------------


def dirty(count: int, *, seed: int) -> list[bytes]:
    """Long frames, some of them late, flipped, torn, or behind a blank line; a gap here and there."""
    draw, lines = random.Random(seed), []
    for line in simulate.frames(count=count, rate_per_s=30.0, users=300, late=0.01, flip=0.001, seed=seed):
        long = line[:-2] + b',"pad":"' + b"p" * draw.randrange(3000) + b'"}\n'
        lines.append(line[: len(line) // 2] + b"\n\r\n" if draw.random() < 0.001 else long)
    return lines


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file that is dirty, one that begins in the middle of it, and one that comes later."""
    folder, lines = tmp_path_factory.mktemp("runs"), dirty(9_000, seed=5)
    dice = random.Random(6)
    beside = [dice.random() < 0.2 and number > 3_000 for number in range(len(lines))]
    parts = [
        [line for line, other in zip(lines, beside, strict=True) if not other],
        [line for line, other in zip(lines, beside, strict=True) if other],
        frames_at(range(1_469_000_000, 1_469_090_000, 9)),
    ]
    paths = [folder / f"{name}.jsonl" for name in "bac"]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(b"".join(part))
    return paths


class Cut(Memory):
    """A sink that goes on from a length."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def run(paths: list[Path], *, scanner: FrameScanner, state: Path, looks: int, emit: Emit) -> tuple[Ending, Checkpoint]:
    """Count on until so many looks were taken; sinks are kept beside the checkpoint."""
    state.mkdir(exist_ok=True)
    opened, checkpoints, left = [look_at(str(path)) for path in paths], Checkpoints(state), itertools.count()
    before = checkpoints.read()
    results, letters = state / "results", state / "letters"
    sinks = [
        Cut(path.read_bytes()[:length] if before else b"")
        for path, length in ((results, before and before.output_bytes), (letters, before and before.letters_bytes))
    ]
    report = FileCount(
        opened,
        rules=rules(emit=emit, grace_s=30),
        scanner=scanner,
        supply=OwnSupply(scanner),
        sink=sinks[0],
        letters_sink=sinks[1],
        watcher=Watcher(progress=lambda _: None, losses=lambda _: None),
        allow_loss=True,
        upper_s=NOW_S,
        is_stopped=lambda: next(left) >= looks,
        resumption=Resumption(checkpoints=checkpoints, settings={}, before=before),
    ).run()
    results.write_bytes(sinks[0].data)
    letters.write_bytes(sinks[1].data)
    after = checkpoints.read()
    assert after is not None
    return report.ending, after


def told(state: Path, checkpoint: Checkpoint) -> tuple[object, ...]:
    """Everything there is in the end, but for how long it took."""
    return replace_seconds(checkpoint), (state / "results").read_bytes(), (state / "letters").read_bytes()


def replace_seconds(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(**{name: getattr(checkpoint, name) for name in checkpoint.__struct_fields__} | {"seconds": 0.0})


@pytest.mark.parametrize("emit", [Emit.FINAL, Emit.ONTIME])
def test_stops_and_changes_of_the_scanner_leave_no_trace(files: list[Path], tmp_path: Path, emit: Emit) -> None:
    """Stopped again and again, gone on with by either scanner: results, copies and the last checkpoint are the same."""
    never = 1 << 60
    wanted = told(tmp_path / "a", run(files, scanner=PythonScanner(), state=tmp_path / "a", looks=never, emit=emit)[1])
    whole = told(tmp_path / "b", run(files, scanner=NativeScanner(), state=tmp_path / "b", looks=never, emit=emit)[1])
    dice, ending, runs = random.Random(8), Ending.STOPPED, 0
    while ending is Ending.STOPPED:
        scanner = dice.choice([NativeScanner, NativeScanner, PythonScanner])()
        looks = dice.randrange(1, 9)
        ending, last = run(files, scanner=scanner, state=tmp_path / "c", looks=looks, emit=emit)
        runs += 1

    assert runs > 5
    assert wanted[1].count(b"\n") > 10 < wanted[2].count(b"\n")
    assert whole == wanted
    assert told(tmp_path / "c", last) == wanted


# --- the border to compiled code --------------------------------------------------------------------------------------


GIVEN = {
    "first": 0, "ring": [START] * 63, "live": START, "judging": START,
    "latest_s": START + 99, "patience": 1, "waiting_s": 1 << 62, "until_s": 1 << 62,
}  # fmt: skip


def block_clock(**changes: int):
    usual = {"lateness_s": 5, "ahead_s": 60, "near_s": 5, "ring": 63, "kth": 4, "least": 9}
    return package.BlockClock(**usual | {"earliest_s": 0, "grace_s": 60} | changes)


@pytest.mark.parametrize("numbers", [[1, 2, 3], [2, 0, 0, 1, 1, 0], [1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0], [-1] * 6])
def test_rows_that_do_not_fit_the_column_are_refused(numbers: list[int]) -> None:
    """Half rows, ends beyond the frames, ends that go back."""
    rows = b"".join(number.to_bytes(8, "little", signed=True) for number in numbers)

    with pytest.raises(ValueError, match="rows: expected 6 numbers for each block"):
        block_clock().pass_blocks(bytes(8), rows, **GIVEN)


def test_a_column_of_half_numbers_is_refused() -> None:
    """Eight bytes each."""
    with pytest.raises(ValueError, match="expected 8 bytes a number"):
        block_clock().pass_blocks(bytes(7), b"", **GIVEN)


@pytest.mark.parametrize("changes", [{"ring": 64}, {"ring": 0}, {"least": 10, "ring": 9}, {"least": 0}, {"kth": 0}])
def test_a_clock_that_cannot_be_is_refused(changes: dict[str, int]) -> None:
    """A ring has at most 63 times, and a clock needs no more than are in it."""
    with pytest.raises(ValueError, match="expected 1 to 63"):
        block_clock(**changes)


def test_a_run_from_behind_the_last_block_is_none() -> None:
    """There is nothing to pass."""
    assert block_clock().pass_blocks(b"", b"", **GIVEN | {"first": 3}) is None
