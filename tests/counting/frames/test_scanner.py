"""The frame scanner: one line is one frame, and no line has a say in another's answer."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counting.frames.by_json import Answer, answer_of, answers, hash_of
from millstream.counting.frames.judging import MAX_LINE_BYTES
from millstream.counting.frames.scanner import RAW_LIMIT_BYTES, FrameScanner
from millstream.counting.model import Reason
from millstream.errors import InvalidValueError

SAMPLES = (Path(__file__).parents[2] / "data/frames.jsonl").read_bytes().splitlines()
SHARED = Path(__file__).parents[4] / "shared/data/frames"
PLAIN = b'{"uid":"ann","ts":1468244384}'

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
times = st.one_of(
    st.integers(-2, 2 * 10**11),
    st.integers(10**9, 2 * 10**9).map(float),
    st.floats(-2, 2e11, allow_nan=False),
    st.integers(10**9, 2 * 10**9).map(str),
    st.integers(10**9, 2 * 10**9).map("{}.0".format),
    st.sampled_from(["", "1.5", " 1", "1e3", "-0", "01", "NaN", "\u0661"]),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["uid", "ts", "a"]), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(["uid", "ts", "a", "é", ""])
objects = st.lists(
    st.tuples(st.just("uid"), texts | st.integers() | values) | st.tuples(st.just("ts"), times | values)
    | st.tuples(keys, values),
    max_size=4,
)  # fmt: skip


@st.composite
def lines_of_objects(draw) -> bytes:
    """A JSON object, maybe with duplicate keys."""
    ascii_only = draw(st.booleans())
    space = draw(st.sampled_from(["", " ", "\t"]))

    def text(value: object) -> str:
        return json.dumps(value, ensure_ascii=ascii_only)

    pairs = [f"{text(key)}{space}:{text(value)}{space}" for key, value in draw(objects)]
    return ("{" + ",".join(pairs) + "}" + space).encode()


@st.composite
def damaged(draw) -> bytes:
    """A real line with some bytes changed, taken out or put in, and still one line."""
    line = bytearray(draw(st.sampled_from(SAMPLES)))
    odd = st.sampled_from([*b'{}[]",:\\ud8 \r\t\x00\xff0e.-']) | st.integers(0, 255)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(line) - 1))
        match draw(st.sampled_from(["changed", "cut", "out", "in", "doubled"])):
            case "changed":
                line[place] = draw(odd)
            case "cut":
                del line[place + 1 :]
            case "out":
                del line[place]
            case "in":
                line.insert(place, draw(odd))
            case "doubled":
                line += line[: place + 1]
        line = line or bytearray(b"{")
    return bytes(line.replace(b"\n", b" "))


any_line = st.one_of(st.sampled_from(SAMPLES), lines_of_objects(), damaged(), st.sampled_from([PLAIN, b"{", b"{}"]))


def is_blank(line: bytes) -> bool:
    return not line.strip(b" \t\r")


def expected(lines: list[bytes]) -> list[Answer]:
    return [answer_of(line) for line in lines if not is_blank(line)]


def scanners(kind) -> list[FrameScanner]:
    """Scanners that expect different things because of what they scanned before."""
    made = [kind() for _ in range(3)]
    made[1].scan_lines(b'{"uid":7,"ts":7}\n')
    made[2].scan_lines(b"x" * 5000)
    return made


@given(lines_of_objects())
@example(b'{"uid":"a","ts":7,"uid":1.5}')
@example(b'{"uid":-0,"ts":"-0"}')
def test_an_object_is_judged_as_the_standard_library_reads_it(kind, line):
    """Types, duplicates, nested keys of the same names, escapes: all as `json.loads` has it."""
    assert answers(kind().scan_values([line])) == [answer_of(line)]


@given(damaged())
def test_a_damaged_line_is_judged_as_the_standard_library_reads_it(kind, line):
    """Whatever bytes a line has, the scanner accepts it exactly if a strict reader does."""
    assert answers(kind().scan_values([line])) == [answer_of(line)]


@given(st.lists(any_line | st.sampled_from([b"", b" \r"]), max_size=12), st.booleans(), st.booleans())
def test_a_line_has_the_same_answer_in_every_company(kind, lines, last_newline, long_enough):
    """Neither the lines around it nor what was scanned before change the answer of a line, or its place."""
    plain = [PLAIN] * (200 if long_enough else 0)
    lines = [*plain, *lines, *plain]
    block = b"\n".join(lines) + b"\n" * last_newline

    for scanner in scanners(kind):
        frames = scanner.scan_lines(block)
        assert answers(frames) == expected(lines)
        for reject in frames.rejects:
            assert block[reject.start : reject.start + len(reject.raw) + 1].rstrip(b"\n") == reject.raw


@given(st.lists(any_line, max_size=8), st.lists(any_line, max_size=8))
def test_blocks_together_answer_as_each_by_itself(kind, left, right):
    """Where a file is cut between lines changes nothing."""
    scanner = kind()
    whole = scanner.scan_lines(b"".join(line + b"\n" for line in left + right))
    parts = [scanner.scan_lines(b"".join(line + b"\n" for line in part)) for part in (left, right)]

    assert answers(whole) == answers(parts[0]) + answers(parts[1])


@given(st.lists(any_line.filter(lambda line: not is_blank(line)), max_size=8))
def test_values_are_judged_like_lines(kind, values):
    """A message and a line of the same bytes are the same frame."""
    of_lines, of_values = kind().scan_lines(b"\n".join(values)), kind().scan_values(values)

    assert answers(of_lines) == answers(of_values)
    assert [reject.raw for reject in of_lines.rejects] == [reject.raw for reject in of_values.rejects]


@given(st.lists(st.sampled_from([b"{", b"}", b"\n", b'"uid":"a"', b'"ts":7', b",", b" ", PLAIN]), max_size=30))
@example([PLAIN, PLAIN, b"\n", b"{", b'"uid":"a"', b"\n", b",", b'"ts":7', b"}"])
@example([b"{", b'"uid":"a"', b",", b'"ts":7', b',"x":{', b"}", b"\n", b"}", PLAIN])
def test_newlines_and_objects_in_any_mixture(kind, pieces):
    """Objects over two lines and lines with two objects are never frames, even when their numbers agree."""
    around = b"\n".join([PLAIN] * 200)
    block = around + b"\n" + b"".join(pieces) + b"\n" + around

    assert answers(kind().scan_lines(block)) == expected(block.split(b"\n"))


def test_a_reject_says_where_it_was_and_what_was_expected(kind):
    """Index counts lines that are not blank, start is the byte in the block, raw the line without its newline."""
    block = PLAIN + b'\n\n{"uid":""}\r\n{"uid":"ann","ts":1468244384000}\n' + PLAIN

    first, second = kind().scan_lines(block).rejects

    assert (first.index, first.start, first.reason) == (1, len(PLAIN) + 2, Reason.NO_USER)
    assert first.raw == b'{"uid":""}\r'
    assert first.detail == "uid: expected a string that is not empty, or an integer; found an empty string"
    assert (second.index, second.reason) == (2, Reason.NO_TIME)
    assert block[second.start :].startswith(second.raw)
    assert second.detail == (
        "ts: expected Unix seconds, whole and from 0 to 99999999999; found 1468244384000, which would be milliseconds"
    )


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"", "nothing"),
        (b"[1]", "an array"),
        (b'{"uid":"ann"', "truncated"),
        (b'{"uid":"ann"} {}', "trailing characters"),
        (b'{"ts":7}', "found nothing"),
        (b'{"uid":{},"ts":7}', "found an object"),
        (b'{"uid":1.5,"ts":7}', "found the number 1.5"),
        (b'{"uid":"\xff","ts":7}', r"\xff"),
        (b'{"uid":"ann"}', "found nothing"),
        (b'{"uid":"ann","ts":null}', "found null"),
        (b'{"uid":"ann","ts":"soon"}', 'found "soon"'),
        (b'{"uid":"ann","ts":-1}', "found -1"),
        (b'{"uid":"ann","ts":"' + b"x" * 100 + b'"}', "xxx..."),
    ],
)
def test_the_detail_names_what_was_found(kind, line, found):
    """A person sees from one line of ASCII what is wrong with a frame."""
    (reject,) = kind().scan_values([line]).rejects

    assert found in reject.detail
    assert reject.detail.isascii()
    assert "\n" not in reject.detail
    assert len(reject.detail) < 200


def test_a_line_that_is_too_long_is_rejected_with_its_beginning(kind):
    """The lines around it are frames, and memory is not filled by dead letters."""
    long = b'{"uid":"' + b"a" * MAX_LINE_BYTES + b'","ts":7}'
    block = b"\n".join([PLAIN, long, PLAIN])

    for frames in (kind().scan_lines(block), kind().scan_values([PLAIN, None, long, PLAIN])):
        assert len(frames.times) == 2
        assert frames.rejects[-1].reason is Reason.TOO_LONG
        assert frames.rejects[-1].raw == long[:RAW_LIMIT_BYTES]


def test_no_value_is_malformed(kind):
    """A tombstone is no frame, and neither is an empty value."""
    frames = kind().scan_values([None, PLAIN, b"", b" "])

    assert answers(frames) == [Reason.MALFORMED, (1468244384, hash_of("ann")), Reason.MALFORMED, Reason.MALFORMED]
    assert [reject.raw for reject in frames.rejects] == [b"", b"", b" "]


@pytest.mark.parametrize("block", [b"", b"\n", b" \r\n\n\t"])
def test_nothing_gives_nothing(kind, block):
    """Blank lines are not counted."""
    frames = kind().scan_lines(block)

    assert answers(frames) == []
    assert len(kind().scan_values([]).times) == 0


def test_the_hash_is_the_published_one(kind):
    """XXH3 of 64 bits with seed 0, so that any other tool can compute it."""
    frames = kind().scan_lines(b'{"uid":"a","ts":7}\n{"uid":"abc","ts":7}')

    assert frames.users.tolist() == [0xE6C632B61E964E1F, 0x78AF5F94892F3950]


@given(st.lists(any_line, max_size=6))
@pytest.mark.parametrize(
    ("uid", "ts"), [("a", "ts"), ("a.uid", "a.ts"), ("a.uid", "ts"), ("uid", "a.a.ts"), ("é", "ts")]
)
def test_a_path_leads_to_values_in_nested_objects(kind, uid, ts, lines):
    """`--uid a.uid` reads {"a":{"uid":...}}; what is no object on the way is as good as missing."""
    inside = [b'{"ts":5,"uid":"b","a":' + line + b"}" for line in lines] + lines
    inside = [line for line in inside if not is_blank(line)]

    found = answers(kind(uid=uid, ts=ts).scan_lines(b"\n".join(inside)))

    assert found == [answer_of(line, uid=uid, ts=ts) for line in inside]


@pytest.mark.parametrize(
    ("uid", "ts"),
    [("", "ts"), ("a..b", "ts"), ("uid", "ts."), ('a"b', "ts"), ("a\\b", "ts"), ("a\nb", "ts"), ("\ud800", "ts"),
     (".".join("a" * 17), "ts"), ("uid", "uid"), ("a", "a.b"), ("a.b", "a")],
)  # fmt: skip
def test_a_field_that_cannot_be_is_refused(kind, uid, ts):
    """One line says what a path looks like, before anything is read."""
    with pytest.raises(InvalidValueError, match=r"^(uid|ts): expected"):
        kind(uid=uid, ts=ts)


def test_a_scanner_does_not_care_how_deep_its_caller_is(kind):
    """A line that a shallow caller can decode is a frame for a deep one, too."""
    line = b'{"uid":"ann","ts":7,"x":' + b"[" * 700 + b"]" * 700 + b"}"

    def scan(levels: int) -> list[Answer]:
        return scan(levels - 1) if levels else answers(kind().scan_lines(line))

    assert scan(0) == scan(500) == [(7, hash_of("ann"))]


@pytest.mark.parametrize("name", ["minutes", "days", "large"])
def test_real_frames_are_all_read(kind, name):
    """Real files have the users and times that the standard library finds, in blocks of any size."""
    file = SHARED / f"{name}.jsonl.gz"
    if not file.exists():
        pytest.skip("needs the shared frames")
    with gzip.open(file) as stream:
        data = stream.read(6_000_000)
    data = data[: data.rindex(b"\n") + 1]
    lines = data.splitlines(keepends=True)
    sample = random.Random(4).sample(range(len(lines)), 300)

    frames = kind().scan_lines(data)
    scanner = kind()
    blocks = [scanner.scan_lines(b"".join(lines[at : at + 200])) for at in range(0, len(lines), 200)]

    assert frames.lines == len(frames.times) == len(lines)
    assert [answer_of(lines[at]) for at in sample] == [(frames.times[at], frames.users[at]) for at in sample]
    assert np.array_equal(frames.times, np.concatenate([block.times for block in blocks]))
    assert np.array_equal(frames.users, np.concatenate([block.users for block in blocks]))
