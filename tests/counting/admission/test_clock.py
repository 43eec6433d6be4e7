"""The event clock: hard to lie to, never backwards, and its judging hand a function of the blocks alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.admission.clock import ClockSettings, EventClock
from millstream.errors import InvalidValueError

START = 1_468_244_340
SETTINGS = ClockSettings()

times = st.integers(START, START + 100) | st.integers(0, 4 * START)
blocks = st.lists(st.lists(times, max_size=80), max_size=10)


def test_a_clock_says_nothing_before_it_has_seen_enough():
    """Nine frames by default; forced, it speaks earlier."""
    clock = EventClock(SETTINGS)
    clock.force()
    assert clock.live is None
    clock.arrive([START] * 8, use=63)
    clock.end_block()
    assert (clock.live, clock.judging, clock.watermark, clock.horizon) == (None, None, None, None)

    clock.arrive([START], use=63)
    assert (clock.live, clock.judging) == (START, None)
    clock.end_block()

    assert (clock.judging, clock.watermark, clock.horizon) == (START, START - 5, START + 60)


def test_dense_frames_are_read_near_the_front():
    """Not at the median, half a ring behind, but at the fourth-largest time that is near enough."""
    clock = EventClock(SETTINGS)

    clock.arrive([START + number // 13 for number in range(63)], use=63)

    assert clock.live == START + 4


def test_sparse_frames_are_read_at_the_median_of_those_in_use():
    """So fewer in use mean less delay."""
    times = [START + 1000 * number for number in range(63)]
    prompt, steady = EventClock(SETTINGS), EventClock(SETTINGS)

    prompt.arrive(times, use=9)
    steady.arrive(times, use=63)

    assert prompt.live == times[-5]
    assert steady.live == times[31]


@given(st.lists(st.integers(START, START + 100), min_size=63, max_size=63), st.lists(times, max_size=31), st.randoms())
def test_a_minority_of_liars_moves_the_clock_nowhere_that_no_honest_frame_was(honest, liars, random):
    """It stays within the honest times, but for liars less than 5 s ahead of them."""
    ring = [*honest[: 63 - len(liars)], *liars]
    random.shuffle(ring)
    clock = EventClock(SETTINGS)

    clock.arrive(ring, use=63)

    truthful = honest[: 63 - len(liars)]
    assert clock.live is not None
    assert min(truthful) <= clock.live <= max(truthful) + SETTINGS.near_s


@given(blocks, st.data())
def test_both_hands_never_run_backwards_and_the_live_one_is_never_behind(blocks, data):
    """Whatever comes, in whatever portions."""
    clock, live, judging = EventClock(SETTINGS), -1, -1
    for block in blocks:
        cut = data.draw(st.integers(0, len(block)))
        for portion in (block[:cut], block[cut:]):
            clock.arrive(portion, use=data.draw(st.integers(1, 63)))
            assert (clock.live or -1) >= live
            live = clock.live or -1
        if block:
            clock.end_block()
        assert judging <= (clock.judging or -1) <= (clock.live or -1)
        live, judging = clock.live or -1, clock.judging or -1


@given(blocks, st.data())
def test_the_judging_hand_does_not_depend_on_portions(blocks, data):
    """Nor on how much of the ring the live hand reads."""
    whole, cut = EventClock(SETTINGS), EventClock(SETTINGS)
    for block in filter(None, blocks):
        whole.arrive(block, use=63)
        whole.end_block()
        place = data.draw(st.integers(0, len(block)))
        cut.arrive(block[:place], use=data.draw(st.integers(9, 63)))
        cut.arrive(block[place:], use=9)
        cut.end_block()

        assert whole.judging == cut.judging
        assert whole.ring == cut.ring


@pytest.mark.parametrize(
    "wrong", [{"ring": 64}, {"ring": 8}, {"pending_limit": 101}, {"pending_limit": 8}, {"lateness_s": -1}, {"kth": 0}]
)
def test_settings_that_no_note_has_room_for_are_refused(wrong):
    """With the bounds."""
    with pytest.raises(InvalidValueError, match="expected a number from"):
        ClockSettings(**wrong)
