"""A file that was begun early: the same strides, whatever was at hand when they were asked for."""

import random
import subprocess
import sys
import time
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

from millstream import simulate
from millstream.adapters.framefile import StoredFile, look_at
from millstream.config import CountConfig
from millstream.counting.files.striding import stride_length, strides
from millstream.counting.frames.choosing import Wanted
from millstream.errors import InvalidValueError
from millstream.wiring import count_readers
from millstream.wiring.count_readers import begin_early, readers_of
from native.pairing import native

native()
NativeScanner = import_module("millstream.counting.frames.native").NativeScanner
HeadStart = import_module("millstream.counting.frames.headstart").HeadStart

STRIDES = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A plain file of more than three strides, with lines that are no frames."""
    draw = random.Random(5)
    lines = list(simulate.frames(count=45_000, rate_per_s=30.0, users=300, late=0.0, flip=0.0, seed=5))
    for number in draw.sample(range(len(lines)), 200):
        lines[number] = lines[number][: len(lines[number]) // 2] + b"\n"
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def begun(file: StoredFile, *, uid: str = "uid", ts: str = "ts", stretches: int = STRIDES) -> HeadStart:
    """A head start that is over."""
    head_start = HeadStart(file, uid=uid, ts=ts, stretches=tuple(strides(stretches)))
    until = time.monotonic() + 60
    while not head_start.is_over:
        assert time.monotonic() < until
        time.sleep(0.001)
    return head_start


def reading(scanner: NativeScanner, file: StoredFile) -> partial[object]:
    """`scan_range` of a scanner for a file."""
    return partial(scanner.scan_range, file.path, identity=file.identity, size_bytes=file.size_bytes)


def plain(found: object) -> list[object]:
    """What was found, to be compared."""
    assert found is not None
    names = ("times", "users", "blocks", "rejects", "newlines_before", "is_last")
    return [value.tolist() if hasattr(value := getattr(found, name), "tolist") else value for name in names]


def test_strides_divide_a_file() -> None:
    """Each begins where the one before ends."""
    found = list(strides(5))

    assert found[:3] == [(0, 1), (1, 64), (65, 64)]
    assert all(count == stride_length(first) for first, count in found)
    assert all(first + count == after for (first, count), (after, _) in pairwise(found))


def test_what_is_at_hand_is_what_would_be_scanned(path: Path) -> None:
    """Columns, blocks and rejects of every stride; and what is behind the strides that were begun is scanned."""
    file = look_at(str(path))
    assert file.size_bytes > 3 * 64 * 65_536
    at_hand, scanned = reading(NativeScanner(head_start=begun(file)), file), reading(NativeScanner(), file)

    stretches = list(strides(STRIDES + 2))
    found = [plain(at_hand(first=first, count=count)) for first, count in stretches]

    assert found == [plain(scanned(first=first, count=count)) for first, count in stretches]
    assert found[-1][-1], "the strides reach the end of the file"


def test_a_stride_is_at_hand_once(path: Path) -> None:
    """It is given away."""
    file = look_at(str(path))
    head_start = begun(file)

    assert head_start.take(file.path, first=1, count=64) is not None
    assert head_start.take(file.path, first=1, count=64) is None
    assert head_start.take(file.path, first=0, count=1) is not None
    assert head_start.take(file.path, first=0, count=2) is None
    assert head_start.take("another", first=65, count=64) is None


def test_the_first_question_ends_it(path: Path) -> None:
    """The stride in hand is waited for, and whoever asks gets all strides, at hand or not."""
    file = look_at(str(path))
    expected = [plain(reading(NativeScanner(), file)(first=first, count=count)) for first, count in strides(STRIDES)]
    for _ in range(30):
        ask = reading(NativeScanner(head_start=HeadStart(file, uid="uid", ts="ts", stretches=[*strides(64)])), file)
        assert [plain(ask(first=first, count=count)) for first, count in strides(STRIDES)] == expected


def test_nothing_is_at_hand_of_what_is_not_there(path: Path) -> None:
    """Of a file that is gone or another one; of one that was stopped."""
    file = look_at(str(path))
    stopped = begun(file)
    stopped.stop()
    assert stopped.take(file.path, first=0, count=1) is None

    path.rename(path.with_name("other"))
    assert begun(file).take(file.path, first=0, count=1) is None
    path.write_bytes(b"{}\n")
    assert begun(file).take(file.path, first=0, count=1) is None


def test_a_long_line_ends_it(tmp_path: Path) -> None:
    """A stride that the compiled scanner leaves to others is not at hand, nor is any behind it."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b'{"uid":"u","ts":1468244384}\n' * 3000 + b"x" * (3 << 20) + b"\n" + b"{}\n" * 9_000_000)
    file = look_at(str(path))
    head_start = begun(file)

    assert head_start.take(file.path, first=0, count=1) is not None
    assert [head_start.take(file.path, first=first, count=count) for first, count in [*strides(4)][1:]] == [None] * 3


def test_what_waits_is_limited(tmp_path: Path) -> None:
    """Short frames take as much memory as they have bytes: not all strides are begun."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b'{"uid":"u","ts":1468244384}\n' * 4_000_000)
    file = look_at(str(path))
    head_start = begun(file, stretches=64)

    found = [head_start.take(file.path, first=first, count=count) for first, count in strides(27)]

    held = sum(len(times) + len(users) for times, users, *_ in filter(None, found))
    assert 32 << 20 <= held < (32 << 20) + 2 * (64 << 16)
    assert found[-1] is None


def test_fields_that_cannot_be_are_refused(path: Path) -> None:
    """As by the scanner."""
    with pytest.raises(InvalidValueError):
        HeadStart(look_at(str(path)), uid="", ts="ts", stretches=[])


def test_it_is_of_the_file_as_it_was(path: Path) -> None:
    """Another size or time is another file."""
    file = look_at(str(path))
    head_start = begun(file, stretches=1)
    assert head_start.is_of(look_at(str(path)))

    with path.open("ab") as more:
        more.write(b"\n")
    assert not head_start.is_of(look_at(str(path)))


def config(source: Path | str, **settings: object) -> CountConfig:
    """A count of one source."""
    return CountConfig(sources=(str(source),), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("cores", [1, 4])
def test_a_file_is_begun_when_threads_will_read_it(path: Path, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on one core, for standard input, a packed or small file, another scanner, or a count that may go on."""
    monkeypatch.setattr(count_readers, "usable_cores", lambda: cores)
    large = path.with_name("large.jsonl")
    large.write_bytes(path.read_bytes() * 2)
    packed = path.with_name("packed.jsonl.gz")
    packed.write_bytes(b"\x1f\x8b" + path.read_bytes())
    state = path.with_name("state")

    assert (begin_early(config(large), state=None) is not None) == (cores > 1)
    assert (begin_early(config(path, workers=2), state=state) is not None) == (cores > 1)
    state.mkdir()
    for other, where in [
        (config(path), None),
        (config(large, workers=1), None),
        (config(large, scanner=Wanted.PYTHON), None),
        (config(large, uid=""), None),
        (config(large), state),
        (config(packed, workers=2), None),
        (config(path.with_name("absent"), workers=2), None),
        (config("-", workers=2), None),
        (config("kafka://127.0.0.1:1/topic", workers=2), None),
    ]:
        assert begin_early(other, state=where) is None, other


def test_threads_start_earlier_than_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 16 MB on, and from 192."""
    monkeypatch.setattr(count_readers, "usable_cores", lambda: 4)
    sizes = [(16 << 20) - 1, 16 << 20, (192 << 20) - 1, 192 << 20]

    assert [readers_of(config("f"), size_bytes=size, is_native=True) for size in sizes] == [1, 4, 4, 4]
    assert [readers_of(config("f"), size_bytes=size, is_native=False) for size in sizes] == [1, 1, 1, 4]
    assert readers_of(config("f", workers=3), size_bytes=0, is_native=False) == 3


def test_beginning_loads_no_numpy(path: Path) -> None:
    """Or there would be nothing to gain."""
    program = (
        "import sys, pathlib\n"
        "from millstream.config import CountConfig\n"
        "from millstream.wiring.count_readers import begin_early\n"
        f"begun = begin_early(CountConfig(sources=({str(path)!r},), workers=2), state=None)\n"
        "print(begun is not None, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    cores = count_readers.usable_cores()
    assert done.stdout.split() == [str(cores > 1), "False"]
