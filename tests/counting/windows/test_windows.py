"""Windows put out what brute force finds, once final and never after that."""

from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting.windows.windowing import (
    BORDER,
    GRACE_S,
    STEPS,
    STEPS_WITH_EARLY,
    Add,
    Driver,
    Truth,
    by_window,
    delta,
    in_order,
    life_is_right,
    small_limits,
    split,
    windows,
    without_revision,
)
from millstream.counting.model import ALL_SIZES, SIZES, Size, Status
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.windows import Emit

ZONES = st.sampled_from(["UTC", "Asia/Kolkata"])


@pytest.fixture(autouse=True, scope="module")
def _limits() -> Iterator[None]:
    with small_limits():
        yield


def brief(results) -> list[tuple[str, str, int, int]]:
    return [(result.key, str(result.status), result.users, result.revision) for result in results]


@given(STEPS_WITH_EARLY, st.sampled_from(Emit), ZONES, st.booleans())
@settings(deadline=None, max_examples=150)
def test_every_result_is_what_brute_force_finds_at_that_moment(steps, emit, zone, exact):
    """Early, ontime, updated and final values are right when they are put out, in order of size and start."""
    driver, truth = Driver(windows(emit, zone=zone, exact=exact)), Truth(Calendar(zone), exact=exact)
    put_out = []
    for step in steps:
        truth.take(step)
        results = driver.take(step)
        put_out += results

        assert in_order(results)
        assert all(truth.agrees(result) for result in results)
    results = driver.windows.finish()
    put_out += results

    assert in_order(results)
    assert all(truth.agrees(result) for result in results)
    assert driver.windows.refused == truth.refused
    lives = by_window(put_out)
    assert set(lives) == {window.key for window in truth.users}
    assert all(life_is_right(life) for life in lives.values())
    assert emit is not Emit.FINAL or all(len(life) == 1 for life in lives.values())
    assert emit is Emit.EARLY or not any(result.status is Status.EARLY for result in put_out)
    assert driver.windows.open() == ()


@given(STEPS_WITH_EARLY, st.sampled_from(Emit), st.integers(0, ALL_SIZES))
@settings(deadline=None)
def test_only_the_sizes_that_are_asked_for_are_put_out(steps, emit, sizes):
    """They say the same as when all are put out."""
    all_of_them, some = Driver(windows(emit)), Driver(windows(emit, sizes=sizes))
    everything, selected = [], []
    for step in steps:
        everything += all_of_them.take(step)
        selected += some.take(step)
    everything += all_of_them.windows.finish()
    selected += some.windows.finish()

    assert selected == [result for result in everything if result.by.bit & sizes]


@given(STEPS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_split_nor_order_nor_questions_change_the_final_bytes(steps, random):
    """Deltas in parts, repeated, reordered between two moves of the watermark: the same final bytes."""
    whole, parts, asked = Driver(windows(Emit.FINAL)), Driver(windows(Emit.FINAL)), Driver(windows(Emit.EARLY))
    first = [result for step in steps for result in whole.take(step)] + whole.windows.finish()

    second = [result for step in reordered(steps, random) for result in parts.take(step)] + parts.windows.finish()
    third = []
    for index, step in enumerate(steps):
        third += asked.take(step) + asked.windows.early(100.0 * index) + asked.windows.silence()
    third += asked.windows.finish()

    assert [result.encode() for result in first] == [result.encode() for result in second]
    assert without_revision(first) == without_revision(third)


def reordered(steps, random):
    """Deltas in parts, and shuffled between two other steps."""
    group = []
    for step in [*steps, None]:
        if isinstance(step, Add):
            group += split(step)
            continue
        random.shuffle(group)
        yield from group
        group = []
        if step is not None:
            yield step


def test_a_minute_is_ontime_when_it_ends_and_final_after_its_grace():
    """Without late frames there are two records, with the watermark at which each was put out."""
    counted = windows(Emit.ONTIME, sizes=Size.MINUTE.bit)
    counted.add(delta(BORDER, 1, 2, 1))

    before = counted.advance(BORDER + 59)
    ended = counted.advance(BORDER + 60)
    waiting = counted.advance(BORDER + 60 + GRACE_S - 1)
    final = counted.advance(BORDER + 60 + GRACE_S)

    assert (before, waiting) == ([], [])
    assert brief(ended) == [(f"minute:{BORDER}", "ontime", 2, 1)]
    assert brief(final) == [(f"minute:{BORDER}", "final", 2, 2)]
    assert (ended[0].watermark, final[0].watermark) == (BORDER + 60, BORDER + 60 + GRACE_S)
    assert (final[0].frames, final[0].late) == (3, 0)


def test_late_frames_are_one_update_at_the_next_advance():
    """Two late deltas between two advances revise minute and hour once each, and the hour has both users."""
    hour = BORDER - 3600
    counted = windows(Emit.ONTIME, sizes=Size.MINUTE.bit | Size.HOUR.bit)
    counted.add(delta(BORDER - 60, 1))
    counted.advance(BORDER + 5)

    counted.add(delta(BORDER - 60, 2, late=ALL_SIZES))
    counted.add(delta(BORDER - 60, 1, late=ALL_SIZES))
    results = counted.advance(BORDER + 6)

    assert brief(results) == [(f"minute:{BORDER - 60}", "update", 2, 2), (f"hour:{hour}", "update", 2, 2)]
    assert [(result.frames, result.late) for result in results] == [(3, 2), (3, 2)]
    assert counted.advance(BORDER + 7) == []


def test_a_jump_past_end_and_grace_puts_out_final_only():
    """A window that is over at once has one record."""
    counted = windows(Emit.EARLY)
    counted.add(delta(BORDER, 1))

    results = counted.advance(BORDER + 400 * 86_400)

    assert brief(results) == [(f"{window.by}:{window.start}", "final", 1, 1) for window in all_of(BORDER)]


def all_of(minute: int):
    return [Calendar().window(size, at_s=minute) for size in SIZES]


def test_silence_puts_out_everything_and_keeps_it_open():
    """What comes after the pause revises the windows that were put out: nothing is lost, nothing is final."""
    counted = windows(Emit.ONTIME, sizes=Size.MINUTE.bit | Size.DAY.bit)
    counted.add(delta(BORDER, 1))
    counted.advance(BORDER + 10)

    silent = counted.silence()
    again = counted.silence()
    counted.add(delta(BORDER, 2))
    still_open = counted.advance(BORDER + 20)
    ended = counted.advance(BORDER + 61)

    assert brief(silent) == [(f"minute:{BORDER}", "ontime", 1, 1), (f"day:{BORDER}", "ontime", 1, 1)]
    assert (again, still_open) == ([], [])
    assert brief(ended) == [(f"minute:{BORDER}", "update", 2, 2)]
    assert counted.watermark == BORDER + 61
    assert brief(counted.silence()) == [(f"day:{BORDER}", "update", 2, 2)]


def test_early_results_come_at_most_so_often():
    """A minute each second, an hour each 5, a day each 10, larger ones each 60, and only when something changed."""
    counted, seen = windows(Emit.EARLY), dict.fromkeys(SIZES, 0)
    for tenth in range(1200):
        counted.add(delta(BORDER, tenth % 7))
        for result in counted.early(1000.0 + tenth / 10):
            seen[result.by] += 1

    assert seen == {
        Size.MINUTE: 120,
        Size.HOUR: 24,
        Size.DAY: 12,
        Size.WEEK: 2,
        Size.MONTH: 2,
        Size.YEAR: 2,
    }
    counted.early(10_000.0)
    assert counted.early(20_000.0) == []


def test_frames_for_a_final_minute_are_refused_there_and_counted_above():
    """They are told apart from those that admission had dropped for their minute already."""
    counted = windows(Emit.FINAL, sizes=Size.MINUTE.bit | Size.DAY.bit)
    counted.add(delta(BORDER, 1))
    first = counted.advance(BORDER + 60 + GRACE_S)

    counted.add(delta(BORDER, 2, 3))
    counted.add(delta(BORDER, 4, counted=ALL_SIZES & ~Size.MINUTE.bit))
    last = counted.finish()

    assert brief(first) == [(f"minute:{BORDER}", "final", 1, 1)]
    assert brief(last) == [(f"day:{BORDER}", "final", 4, 1)]
    assert counted.refused == 2


def test_the_watermark_never_goes_back():
    """A lower one changes nothing."""
    counted = windows(Emit.ONTIME)
    counted.advance(BORDER + 600)

    assert counted.advance(BORDER) == []
    assert counted.watermark == BORDER + 600


def test_nothing_comes_after_the_end():
    """After `finish` frames are refused, and no window is put out again."""
    counted = windows(Emit.EARLY)
    counted.add(delta(BORDER, 1))
    assert len(counted.finish()) == len(SIZES)

    counted.add(delta(BORDER, 1))

    assert counted.refused == 1
    assert (counted.advance(BORDER * 2), counted.silence(), counted.early(1e9), counted.finish()) == ([], [], [], [])


def test_a_count_that_saw_nothing_puts_out_nothing():
    """No frames, no windows."""
    counted = windows(Emit.EARLY)

    assert counted.watermark is None
    assert list(chain(counted.advance(BORDER), counted.silence(), counted.early(0.0), counted.finish())) == []


def test_open_windows_say_how_they_stand():
    """By size and start, with what was said last and whether it changed since."""
    counted = windows(Emit.ONTIME, sizes=Size.MINUTE.bit | Size.HOUR.bit)
    counted.add(delta(BORDER, 1, 2))
    counted.add(delta(BORDER - 60, 3))
    counted.advance(BORDER + 1)
    counted.add(delta(BORDER - 60, 3, late=1))

    standings = counted.open()

    assert [(standing.window.key, standing.status, standing.revision) for standing in standings] == [
        (f"minute:{BORDER - 60}", Status.ONTIME, 1),
        (f"minute:{BORDER}", None, 0),
        (f"hour:{BORDER - 3600}", Status.ONTIME, 1),
        (f"hour:{BORDER}", None, 0),
    ]
    assert [(standing.frames, standing.late, standing.changed) for standing in standings[:2]] == [
        (2, 1, True),
        (2, 0, True),
    ]
