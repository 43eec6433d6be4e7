"""Simulated input: the same for the same seed, and distributed as it says."""

import functools
import itertools
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import simulate

stream = functools.partial(simulate.arrivals, rate_per_s=10 / 60, seed=3, started_at=1_000.0)


def some_frames(**changes: object) -> list[bytes]:
    """Twenty thousand frames at 1000 a second, undisturbed unless a test says otherwise."""
    usual = {"count": 20_000, "rate_per_s": 1_000.0, "users": 500, "late": 0.0, "flip": 0.0, "seed": 1}
    return list(simulate.frames(**(usual | changes)))


def times(lines: list[bytes]) -> list[int]:
    """The time of each frame."""
    return [json.loads(line)["ts"] for line in lines]


# --- messages -------------------------------------------------------------------------------------------------


def test_messages_are_a_poisson_process() -> None:
    """Gaps have the mean of the rate, and the spread and the median of an exponential distribution."""
    elapsed = [elapsed_s for elapsed_s, _ in itertools.islice(stream(), 20_000)]
    gaps = sorted(late - early for early, late in itertools.pairwise([0.0, *elapsed]))

    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(6.0, rel=0.03)
    assert deviation == pytest.approx(6.0, rel=0.05)
    assert gaps[len(gaps) // 2] == pytest.approx(6.0 * math.log(2), rel=0.05)


@settings(max_examples=25)
@given(st.integers(min_value=1, max_value=3_000))
def test_messages_continue_anywhere(index: int) -> None:
    """What follows after any number of messages does not depend on where one started."""
    whole = list(itertools.islice(stream(), index + 5))
    rest = itertools.islice(stream(index=index, elapsed_s=whole[index - 1][0]), 5)

    assert list(rest) == whole[index:]


def test_a_message_is_a_line_of_json() -> None:
    """It has a number, a time, a user, a page and an amount."""
    elapsed_s, line = next(stream())

    assert line.endswith(b"}\n")
    assert json.loads(line)["id"] == 0
    assert json.loads(line)["sent_at"] == round(1_000.0 + elapsed_s, 3)
    assert list(json.loads(line)) == ["id", "sent_at", "user", "page", "amount"]


def test_messages_of_a_duration_end_with_it() -> None:
    """All are within the duration, from the fixed start on."""
    lines = list(simulate.messages(rate_per_s=1.0, duration_s=600.0, seed=1))

    sent = [json.loads(line)["sent_at"] - simulate.START_S for line in lines]
    assert 500 < len(lines) < 700
    assert sent == sorted(sent)
    assert 590.0 < sent[-1] <= 600.0


def test_another_seed_is_other_messages() -> None:
    """The seed decides what comes."""
    first, second = (list(simulate.messages(rate_per_s=1.0, duration_s=60.0, seed=seed)) for seed in (1, 2))

    assert first != second
    assert first == list(simulate.messages(rate_per_s=1.0, duration_s=60.0, seed=1))


# --- files ----------------------------------------------------------------------------------------------------


def test_files_have_exponential_sizes(tmp_path: Path) -> None:
    """Mean and spread of the sizes are those that were asked for."""
    paths = simulate.write_files(tmp_path, count=1_000, mean_bytes=5_000, seed=1)

    sizes = [path.stat().st_size for path in paths]
    mean = sum(sizes) / len(sizes)
    deviation = math.sqrt(sum((size - mean) ** 2 for size in sizes) / len(sizes))
    assert mean == pytest.approx(5_000, rel=0.1)
    assert deviation == pytest.approx(mean, rel=0.15)


def test_files_hold_records_and_nothing_is_left_over(tmp_path: Path) -> None:
    """Every line of every file is JSON, no record is there twice, and no temporary file remains."""
    paths = simulate.write_files(tmp_path / "new" / "folder", count=30, mean_bytes=2_000, seed=1)

    records = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    assert len({(record["file"], record["record"]) for record in records}) == len(records)
    assert all(path.read_bytes().endswith(b"\n") for path in paths)
    assert sorted(paths[0].parent.iterdir()) == paths
    assert [path.name for path in paths[:2]] == ["part-000.jsonl", "part-001.jsonl"]


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    """Names and bytes depend on the seed alone."""
    first, again, other = (
        {path.name: path.read_bytes() for path in simulate.write_files(tmp_path / name, **wanted)}
        for name, wanted in (
            ("first", {"count": 5, "mean_bytes": 3_000, "seed": 1}),
            ("again", {"count": 5, "mean_bytes": 3_000, "seed": 1}),
            ("other", {"count": 5, "mean_bytes": 3_000, "seed": 2}),
        )
    )

    assert first == again
    assert first != other


def test_tiny_files_still_hold_a_record(tmp_path: Path) -> None:
    """A size that no record fits in is raised to the smallest that does."""
    paths = simulate.write_files(tmp_path, count=3, mean_bytes=0, seed=1, suffix=".txt")

    assert [path.stat().st_size for path in paths] == [simulate.SMALLEST_FILE_BYTES] * 3
    assert [path.suffix for path in paths] == [".txt"] * 3


# --- frames ---------------------------------------------------------------------------------------------------


def test_frames_look_like_real_ones() -> None:
    """About 290 bytes each, one user and one time on top, and the same keys again further down."""
    lines = some_frames()

    tops = [json.loads(line) for line in lines]
    assert sum(map(len, lines)) / len(lines) == pytest.approx(290, rel=0.05)
    assert all(re.fullmatch("[0-9a-f]{20}", top["uid"]) and isinstance(top["ts"], int) for top in tops)
    assert any(line.count(b'"uid":') > 1 and line.count(b'"ts":') > 1 for line in lines)
    assert any(line.index(b'"uid":') > line.index(b'"ts":') for line in lines)
    assert all(line.count(b"\n") == 1 and line.endswith(b"}\n") for line in lines)


def test_frames_are_in_order_of_their_time() -> None:
    """Undisturbed, as many frames share a second as the rate says, from the start on."""
    seconds = times(some_frames())

    assert seconds == [simulate.START_S + number // 1_000 for number in range(20_000)]


def test_every_user_has_a_uid_of_its_own() -> None:
    """As many different users come as there are, once there are frames enough."""
    assert len({json.loads(line)["uid"] for line in some_frames(users=500)}) == 500


def test_late_frames_are_older_than_their_neighbours() -> None:
    """The share that was asked for is delayed, up to half a minute and never before the start."""
    lines = some_frames(late=0.1, rate_per_s=100.0)

    delays = [simulate.START_S + number // 100 - ts for number, ts in enumerate(times(lines))]
    assert sum(delay > 0 for delay in delays) / len(lines) == pytest.approx(0.1, rel=0.15)
    assert 25 <= max(delays) <= 30
    assert min(delays) == 0
    assert min(times(lines)) == simulate.START_S


def test_flipped_frames_have_one_wrong_bit() -> None:
    """The share that was asked for has one bit wrong in its time, whichever."""
    lines = some_frames(flip=0.05)

    flips = [(simulate.START_S + number // 1_000) ^ ts for number, ts in enumerate(times(lines))]
    assert {flip.bit_count() for flip in flips} == {0, 1}
    assert sum(map(bool, flips)) / len(lines) == pytest.approx(0.05, rel=0.15)
    assert max(flips) == 1 << 30


def test_the_same_seed_makes_the_same_frames() -> None:
    """Bytes depend on the seed and the options alone."""
    assert some_frames(late=0.1, flip=0.1) == some_frames(late=0.1, flip=0.1)
    assert some_frames(seed=1) != some_frames(seed=2)
