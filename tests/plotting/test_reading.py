"""Records become windows: the highest revision counts, and what is no record is told."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.model import SIZES, Result, Size, Status
from millstream.plotting.reading import LINE_LIMIT, Reading, Windows, whole_lines
from plotting.records import NOON_S, result


def read(*records: Result) -> Reading:
    found = Reading()
    found.add([record.encode() for record in records], name="here")
    return found


def only(found: Reading) -> Windows:
    (windows,) = found.windows(SIZES)
    return windows


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.integers(0, 99)), min_size=1))
def test_the_highest_revision_of_a_window_counts(rows):
    """Whatever the order of the records is; of equal revisions the last one that was read counts."""
    found = read(*(result(NOON_S + 60 * at, users, revision=revision) for at, revision, users in rows))
    windows = only(found)

    expected: dict[int, tuple[int, int]] = {}
    for at, revision, users in rows:
        if revision >= expected.get(at, (0, 0))[0]:
            expected[at] = (revision, users)
    assert windows.starts.tolist() == [NOON_S + 60 * at for at in sorted(expected)]
    assert windows.users.tolist() == [expected[at][1] for at in sorted(expected)]


def test_late_updates_are_seen():
    """A window is revised when late frames are in it, or when its value is another than the one on time."""
    windows = only(
        read(
            result(NOON_S, 10, status=Status.ONTIME),
            result(NOON_S, 12, status=Status.UPDATE, revision=2, late=2),
            result(NOON_S + 60, 20, status=Status.ONTIME),
            result(NOON_S + 60, 20, revision=2),
            result(NOON_S + 120, 30, status=Status.ONTIME),
            result(NOON_S + 120, 31, revision=2),
            result(NOON_S + 180, 40, late=1),
            result(NOON_S + 240, 50, status=Status.EARLY),
        )
    )

    assert windows.revised.tolist() == [True, False, True, True, False]
    assert windows.ontime.tolist() == [10, 20, 30, -1, -1]
    assert windows.early.tolist() == [False, False, False, False, True]


def test_sizes_come_from_small_to_large_and_only_those_asked_for():
    """Whatever the order of the records is."""
    found = read(result(by=Size.DAY), result(by=Size.MINUTE), result(by=Size.HOUR))

    assert [windows.size for windows in found.windows(SIZES)] == [Size.MINUTE, Size.HOUR, Size.DAY]
    assert [windows.size for windows in found.windows([Size.DAY, Size.MONTH, Size.MINUTE])] == [Size.MINUTE, Size.DAY]


def broken(**changes: object) -> bytes:
    return json.dumps(json.loads(result().encode()) | changes).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        result().encode()[:-1],
        result().encode() * 2,
        broken(by="second"),
        broken(status="soon"),
        broken(users="many"),
        broken(users=-1),
        broken(users=99, low=100),
        broken(users=2**70, high=2**70),
        broken(late=-1),
        broken(late=2**70),
        broken(end=NOON_S),
        broken(start=-60),
        broken(end=10**15),
        None,
    ],
    ids=lambda line: "too long" if line is None else line[:120].decode("latin-1"),
)
def test_a_damaged_line_is_counted_and_harms_no_other(line):
    """It is told with its place, and the lines around it are drawn."""
    found = Reading()
    found.add([result(NOON_S, 7).encode(), line, b" \n", result(NOON_S + 60, 8).encode()], name="users.jsonl")

    assert (found.records, found.damaged) == (2, 1)
    assert found.first_damaged.startswith("users.jsonl:2: ")
    assert only(found).users.tolist() == [7, 8]


@given(
    st.lists(st.sampled_from([b"a\n", b"\n", b"x" * (LINE_LIMIT - 1) + b"\n", b"y" * LINE_LIMIT + b"\n"])),
    st.booleans(),
)
def test_a_line_without_end_is_not_held_in_memory(lines, torn):
    """A line beyond the limit is told as such, once, and the next line is whole."""
    data = b"".join(lines) + b"z" * (2 * LINE_LIMIT) * torn
    found = list(whole_lines(io.BytesIO(data)))

    assert found == [line if len(line) <= LINE_LIMIT else None for line in lines] + [None] * torn
