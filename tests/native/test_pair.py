"""The native scanner beside the one in Python: whatever the bytes are, both say the same."""

import gzip
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting.frames.by_json import answer_of, answers
from counting.frames.test_page import PLAIN, ROWS, bytes_of
from counting.frames.test_scanner import any_line
from millstream.counting.frames.judging import MAX_LINE_BYTES, Accepted
from millstream.counting.frames.scanner import PythonScanner
from millstream.counting.model import Reason
from millstream.errors import InvalidValueError
from native.pairing import native, told

package = native()
NativeScanner = import_module("millstream.counting.frames.native").NativeScanner
SHARED = Path(__file__).parents[3] / "shared/data/frames"
PATHS = [("uid", "ts"), ("a", "ts"), ("a.uid", "a.ts"), ("a.uid", "ts"), ("uid", "a.a.ts"), ("é", "a")]


def pair(**paths: str) -> tuple[PythonScanner, object]:
    return PythonScanner(**paths), NativeScanner(**paths)


def check_lines(block: bytes, **paths: str) -> None:
    python, scanner = pair(**paths)
    assert told(scanner.scan_lines(block)) == told(python.scan_lines(block))
    assert scanner.disagreements == 0


@pytest.mark.parametrize(("heading", "line", "answer"), ROWS, ids=[f"{row[0]}: {row[1][:60]}" for row in ROWS])
def test_a_row_of_the_page_is_what_both_answer(heading, line, answer):
    """Each row of the tables about frames, by itself, among others, and as a value."""
    data = bytes_of(line)
    if heading != "Values of messages":
        check_lines(data)
        check_lines(PLAIN + data + b"\n" + PLAIN)
    python, scanner = pair()

    assert told(scanner.scan_values([data, None])) == told(python.scan_values([data, None]))
    assert scanner.disagreements == 0


@given(st.lists(any_line | st.sampled_from([b"", b" \r"]), max_size=12), st.booleans())
def test_any_lines_are_judged_alike(lines, last_newline):
    """Times, users, counts, and of each reject its place, reason, words and bytes."""
    check_lines(b"\n".join(lines) + b"\n" * last_newline)


@given(st.lists(any_line | st.sampled_from([b"", b" \r\n", b"\x00"]) | st.none(), max_size=8), st.integers(0, 40))
def test_any_values_are_judged_alike(values, place):
    """Values may have newlines, where JSON has white space and elsewhere."""
    values += [value[:place] + b"\n" + value[place:] for value in values if value is not None]
    python, scanner = pair()

    assert told(scanner.scan_values(values)) == told(python.scan_values(values))
    assert scanner.disagreements == 0


@given(st.lists(any_line, max_size=6))
@pytest.mark.parametrize(("uid", "ts"), PATHS)
def test_paths_lead_both_to_the_same(uid, ts, lines):
    """Dotted paths, one inside of an object that the other goes through, keys that are not ASCII."""
    inside = [b'{"ts":5,"uid":"b","a":' + line + b"}" for line in lines]

    check_lines(b"\n".join(inside + lines), uid=uid, ts=ts)


@given(
    st.sampled_from(["14682443840", "9999999999", "0", "-", "1", "99999999999", "5"]),
    st.sampled_from(["", ".", ".0", ".5", ".00000001", "." + "9" * 30, "." + "0" * 400 + "1"]),
    st.sampled_from(["", "e", "e0", "E1", "e-1", "e+2", "e-400", "e999", "e99999999999999999999", "e-11"]),
    st.sampled_from(["{}", '"{}"', '"\\u0031{}"', " {}\t"]),
)  # fmt: skip
def test_numbers_are_read_alike(whole, fraction, exponent, form):
    """What is whole as a double, and in range, is the same number for both, however it is written."""
    number = form.format(whole + fraction + exponent)

    check_lines(f'{{"uid":{number},"ts":{number}}}\n{{"uid":"ann","ts":{number}}}'.encode())


@given(st.lists(st.lists(any_line, max_size=8).map(b"\n".join), max_size=5), st.booleans())
def test_blocks_at_once_are_blocks_one_by_one(blocks, last_newline):
    """What is known of each block is what scanning it alone tells."""
    blocks = [block + b"\n" * last_newline for block in blocks]
    python, scanner = pair()

    scanned = scanner.scan_blocks(blocks)

    start = 0
    assert len(scanned.blocks) == len(blocks)
    for block, known in zip(blocks, scanned.blocks, strict=True):
        alone = python.scan_lines(block)
        assert scanned.times[start : known.end].tolist() == alone.times.tolist()
        assert scanned.users[start : known.end].tolist() == alone.users.tolist()
        assert (known.lowest, known.highest) == (alone.times.min(initial=1 << 60), alone.times.max(initial=-1)) or (
            (known.lowest, known.highest, known.end) == (0, 0, start)
        )
        assert (known.lines, known.rejects, known.newlines) == (alone.lines, alone.rejects, block.count(b"\n"))
        assert known.newlines_before == tuple(block.count(b"\n", 0, reject.start) for reject in alone.rejects)
        start = known.end


@pytest.mark.parametrize("level", package.LEVELS)
@given(st.lists(any_line, max_size=12).map(b"\n".join))
def test_every_width_of_instructions_gives_the_same(level, block):
    """Whatever the machine has, columns and rejects are the same."""
    narrow, wide = (package.Scanner(uid=["uid"], ts=["ts"], level=each) for each in ("portable", level))

    assert wide.level == level
    assert wide.scan_blocks([block]) == narrow.scan_blocks([block])


@pytest.mark.parametrize("name", ["minutes", "days", "large"])
def test_real_frames_are_read_alike(name):
    """Real files, in blocks of the size that files are read in."""
    file = SHARED / f"{name}.jsonl.gz"
    if not file.exists():
        pytest.skip("needs the shared frames")
    with gzip.open(file) as stream:
        blocks = list(iter(lambda: b"".join(stream.readlines(1 << 16)), b""))
    python, scanner = pair()

    scanned = scanner.scan_blocks(blocks)

    alone = [python.scan_lines(block) for block in blocks]
    assert np.array_equal(scanned.times, np.concatenate([frames.times for frames in alone]))
    assert np.array_equal(scanned.users, np.concatenate([frames.users for frames in alone]))
    assert [known.lines for known in scanned.blocks] == [frames.lines for frames in alone]


def test_lines_at_the_limit_are_judged_alike():
    """16 MiB are a line, one byte more is too long, and neither harms its neighbours."""
    ends = [b'{"uid":"ann","ts":7,"x":"', b'"}']
    longest = ends[0] + b"a" * (MAX_LINE_BYTES - len(ends[0]) - len(ends[1])) + ends[1]

    for line in (longest, longest + b" ", b" " * (MAX_LINE_BYTES + 1), b"[" * (MAX_LINE_BYTES + 1)):
        check_lines(PLAIN + line + b"\n" + PLAIN)
        check_lines(PLAIN + line)


def test_a_scanner_goes_on_after_any_line():
    """A scanner that saw deep, long and broken lines judges the next as a new one does."""
    _, scanner = pair()
    lines = [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"a":"' + b"\\" * 99_999,
        b'{"x":"' + b"y" * 2_000_000,
        b"{",
        b"\x00",
    ]

    for line in lines:
        (reject,) = scanner.scan_lines(line).rejects
        assert reject.reason is Reason.MALFORMED
        assert told(scanner.scan_lines(PLAIN)) == told(PythonScanner().scan_lines(PLAIN))


def test_scanners_work_in_threads():
    """One scanner for each thread, and one for all of them: the answer is that of a single thread."""
    line = b'{"uid":"user %d","ts":1468244384}\n'
    blocks = [b"".join(line % (each * 1000 + user) for user in range(3000)) for each in range(16)]
    wanted = [told(PythonScanner().scan_lines(block)) for block in blocks]
    shared = package.Scanner(uid=["uid"], ts=["ts"])

    with ThreadPoolExecutor(4) as pool:
        own = list(pool.map(lambda block: told(NativeScanner().scan_lines(block)), blocks))
        common = list(pool.map(lambda block: shared.scan_blocks([block])[:2], blocks))

    assert own == wanted
    assert [np.frombuffer(users, np.uint64).tolist() for _, users in common] == [users for _, users, _, _ in wanted]


def test_columns_are_of_the_types_that_frames_have():
    """64-bit integers that belong to the frames alone."""
    _, scanner = pair()
    first = scanner.scan_lines(PLAIN)
    before = told(first)
    scanner.scan_lines(b'{"uid":"ann","ts":1}\n' * 1000)

    assert (first.times.dtype, first.users.dtype) == (np.int64, np.uint64)
    assert told(first) == before


def test_if_the_scanners_do_not_agree_python_decides():
    """A line that only the compiled part refuses stays a frame, and the case is counted."""

    class Lenient:
        def judge(self, line: bytes) -> Accepted:
            return Accepted(user="ann", time_s=7, numeric=False)

    block = PLAIN + b"{\n" + PLAIN
    wanted = told(PythonScanner().scan_lines(block))
    python, scanner = pair()
    scanner._judge = Lenient()

    assert told(scanner.scan_lines(block)) == wanted
    assert told(scanner.scan_values([b"{"])) == told(python.scan_values([b"{"]))
    scanned = scanner.scan_blocks([block, PLAIN])
    assert (scanned.blocks[0].rejects, scanned.blocks[0].newlines) == (wanted[3], 601)
    assert scanned.times.tolist() == [9] * 900
    assert scanner.disagreements == 3


@pytest.mark.parametrize(("uid", "ts"), [("", "ts"), ("uid", "uid"), ("a", "a.b"), ('a"b', "ts")])
def test_a_field_that_cannot_be_is_refused(uid, ts):
    """As by the scanner in Python."""
    with pytest.raises(InvalidValueError, match=r"^(uid|ts): expected"):
        NativeScanner(uid=uid, ts=ts)


def test_what_is_no_bytes_is_refused():
    """Text, and instructions that nobody has, are errors of the caller."""
    scanner = package.Scanner(uid=["uid"], ts=["ts"])

    with pytest.raises(TypeError):
        scanner.scan_blocks(["{}"])
    with pytest.raises(ValueError, match="found sse9"):
        package.Scanner(uid=["uid"], ts=["ts"], level="sse9")
    with pytest.raises(ValueError, match="expected keys"):
        package.Scanner(uid=[], ts=["ts"])


def test_memory_does_not_grow_with_what_was_scanned():
    """Blocks of every kind, again and again: the references that are left are those that were there."""
    _, scanner = pair()
    block = PLAIN * 10 + b"{\n" * 100
    scan = partial(scanner.scan_lines, block)
    scan()
    before = sys.getrefcount(block)

    for _ in range(50):
        scan()

    assert sys.getrefcount(block) == before


def test_the_rule_of_the_standard_library_holds():
    """The third opinion: damaged lines of the page, by the json module."""
    lines = [bytes_of(line) for heading, line, _ in ROWS if heading in {"Lines", "Users", "Times"}]
    lines = [line for line in lines if line.strip(b" \t\r") and len(line) < 1000]
    _, scanner = pair()

    assert answers(scanner.scan_lines(b"\n".join(lines))) == [answer_of(line) for line in lines]
