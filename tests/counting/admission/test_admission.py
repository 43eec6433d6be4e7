"""Admission: an undamaged input counts exactly, a damaged one loses only what is damaged, and nothing twice."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting.admission.admitting import UPPER_S, Fates, an_admission, by_brute_force, give, in_blocks, in_portions
from counting.admission.traffic import DAY, HOUR, START, YEAR, blocks, inputs
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.model import ALL_SIZES, Size

gaps = st.lists(
    st.one_of(st.integers(0, 3), st.integers(0, 120), st.sampled_from([0, 0, 60, 61, HOUR, 8 * HOUR, DAY, YEAR])),
    max_size=150,
)
steady = st.tuples(st.integers(0, DAY), st.integers(1, 150)).map(lambda pair: [pair[0]] * pair[1])
delays = st.lists(st.integers(0, 5), max_size=150)


def clean(gaps: list[int], delays: list[int]) -> list[int]:
    """Times each of which is at most 5 s behind every one before it."""
    front = list(accumulate([START, *gaps]))
    return [time - delay for time, delay in zip(front, [*delays, *([0] * len(front))], strict=False)]


times_of_clean_input = st.builds(clean, st.one_of(gaps, steady), delays)


@given(times_of_clean_input, blocks)
def test_a_clean_input_is_counted_exactly_in_blocks_of_any_size(times, block):
    """Whatever the spacing, the gaps, the disorder within lateness and the length, every minute is exact."""
    fates = in_blocks(times, block=block)

    assert fates.minutes() == by_brute_force(times)
    assert fates.in_time == set(range(len(times)))


@given(times_of_clean_input, blocks, st.integers(0, 1000))
def test_a_clean_input_is_counted_exactly_in_portions(times, block, seed):
    """Portions, restarts in the middle of a block and a clock that reads fewer frames change nothing."""
    fates = in_portions(times, block=block, seed=seed)

    assert fates.minutes() == by_brute_force(times)
    assert fates.in_time == set(range(len(times)))


@pytest.mark.parametrize("spacing", [1, 10, 59, 60, 61, 600, HOUR, DAY, YEAR])
@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9, 10, 62, 63, 64, 70])
def test_an_input_of_few_frames_is_counted_to_the_last_one(spacing, frames):
    """From one frame up, at every spacing."""
    if START + spacing * frames > UPPER_S:
        frames = (UPPER_S - START) // spacing
    times = [START + spacing * number for number in range(frames)]

    assert in_blocks(times, block=225).minutes() == by_brute_force(times)


@given(times_of_clean_input, blocks, st.data())
def test_one_flipped_bit_loses_no_other_frame(times, block, data):
    """Wherever a bit of a time flips, all other frames are counted in time."""
    place, bit = data.draw(st.integers(0, len(times) - 1)), data.draw(st.integers(0, 31))
    flipped = [time ^ (1 << bit) if number == place else time for number, time in enumerate(times)]

    fates = in_blocks(flipped, block=block)

    assert fates.in_time >= set(range(len(times))) - {place}


@given(st.integers(0, 3), st.integers(9, 200), st.integers(3, 150), st.integers(7, 30), blocks)
def test_a_frame_far_ahead_is_quarantined_once_others_contradict_it(spacing, before, after, bit, block):
    """At any place but the last ones: the frames after it show that it lies."""
    times = [START + spacing * number for number in range(before + after)]
    liar = before - 1
    times[liar] = times[-1] + (1 << bit)

    fates = in_blocks(times, block=block)

    assert fates.quarantined == [liar]
    assert fates.in_time >= set(range(len(times))) - {liar}


def test_a_frame_far_ahead_near_the_end_is_quarantined():
    """Three good frames after it are enough at the end of a file."""
    times = [*range(START, START + 300), START + DAY, START + 301, START + 302, START + 303]

    assert in_blocks(times, block=225).quarantined == [300]


def test_a_first_frame_ten_years_ahead_moves_nothing():
    """The frame is quarantined at the end, and all others are counted."""
    times = [START + 10 * YEAR, *range(START, START + 500)]

    fates = in_blocks(times, block=225)

    assert fates.quarantined == [0]
    assert fates.in_time == set(range(1, 501))


@given(inputs, blocks)
def test_every_frame_has_exactly_one_fate(times, block):
    """Whatever comes: in its minute, quarantined, dropped, or waiting; nothing lost, nothing doubled."""
    admission = an_admission(ClockSettings(pending_limit=9, pending_frames=60))
    fates = in_blocks(times, block=block, admission=admission, settle=False)

    assert len(fates.counted) + len(fates.quarantined) + len(fates.dropped) + admission.waiting == len(times)
    fates.note(admission.settle())
    assert admission.waiting == 0
    assert sorted([*fates.counted, *fates.quarantined, *fates.dropped]) == list(range(len(times)))
    assert fates.counted.isdisjoint(fates.dropped)


@given(inputs, blocks, st.integers(0, 1000))
def test_portions_and_whole_blocks_judge_alike(times, block, seed):
    """What is counted both live and in a replay counts in the same windows, and is late for the same."""
    replay, live = in_blocks(times, block=block), in_portions(times, block=block, seed=seed)

    both = (replay.counted | set(replay.dropped)) & (live.counted | set(live.dropped))
    assert {frame: replay.verdicts.get(frame) for frame in both} == {frame: live.verdicts.get(frame) for frame in both}
    assert set(replay.dropped) == set(live.dropped)


def test_a_late_frame_is_judged_for_each_size_of_window():
    """Late within the grace of its minute, dropped after it, and in larger windows as long as those are open."""
    admission, fates = an_admission(), Fates()
    now = START // HOUR * HOUR + HOUR + 30
    fates.note(give(admission, [now] * 63, first=0, ends_block=True))

    fates.note(give(admission, [now - 60, now - 61 - 60, now - 2 * HOUR, now - YEAR], first=63, ends_block=True))

    assert admission.watermark == now - 5
    hour, minute = Size.HOUR.bit, Size.MINUTE.bit
    assert fates.verdicts[63][1:] == (ALL_SIZES, minute | hour)
    assert fates.verdicts[64][1:] == (ALL_SIZES & ~minute, hour)
    assert fates.verdicts[65][1:] == (ALL_SIZES & ~minute & ~hour, 0)
    assert 66 not in fates.verdicts
    assert fates.dropped == [64, 65, 66]
    assert fates.late == 1


@pytest.mark.parametrize(
    ("past", "late", "dropped"), [(-1, 0, []), (0, 1, []), (59, 1, []), (60, 0, [63]), (61, 0, [63])]
)
def test_a_minute_is_over_at_its_end_and_its_grace_when_it_is_up(past, late, dropped):
    """Late from the moment the watermark reaches the end, dropped from the moment it reaches the end of the grace."""
    admission, fates = an_admission(), Fates()
    end = START + 60
    fates.note(give(admission, [end + past + 5] * 63, first=0, ends_block=True))

    fates.note(give(admission, [end - 1], first=63, ends_block=True))

    assert admission.watermark == end + past
    assert (fates.late, fates.dropped) == (late, dropped)


def test_a_block_is_judged_by_the_watermark_before_it_however_it_arrives():
    """The live watermark runs ahead within a block; lateness is told by where it was when the block began."""
    admission, fates = an_admission(), Fates()
    fates.note(give(admission, [START] * 63, first=0, ends_block=True))
    fates.note(give(admission, [START + 300] * 63, first=63, ends_block=False))
    assert admission.watermark == START + 295

    fates.note(give(admission, [START], first=126, ends_block=True))
    assert 126 in fates.in_time
    fates.note(give(admission, [START + 200], first=127, ends_block=True))

    assert fates.late == 1


def test_an_implausible_time_is_quarantined_at_once():
    """Before the earliest time, or after the latest that can be."""
    settings = ClockSettings()
    times = [START, settings.earliest_s - 1, settings.earliest_s, UPPER_S + 60, UPPER_S + 61]

    admitted = give(an_admission(), times, first=0, ends_block=True)

    assert admitted.quarantined.tolist() == [1, 4]


def test_what_waits_too_long_or_in_too_large_a_crowd_is_given_up():
    """The oldest are quarantined first."""
    settings = ClockSettings(pending_limit=10, pending_frames=100)
    admission = an_admission(settings)
    give(admission, [START] * 50, first=0, ends_block=True)
    crowd = give(admission, [START + DAY] * 12, first=50, ends_block=True)

    times = give(admission, [START] * 100, first=62, ends_block=True)
    then = give(admission, [START], first=162, ends_block=True)

    assert crowd.quarantined.tolist() == [50, 51]
    assert (times.quarantined.tolist(), then.quarantined.tolist()) == ([], list(range(52, 62)))


def test_what_waits_is_given_up_at_the_start_of_a_block():
    """So that a block in portions gives up the same frames as a whole one."""
    admission = an_admission(ClockSettings(pending_frames=100))
    give(admission, [*[START] * 50, START + DAY], first=0, ends_block=True)

    portions = [give(admission, [START] * 50, first=51 + 50 * n, ends_block=n == 5) for n in range(6)]

    assert [portion.quarantined.tolist() for portion in portions] == [[]] * 6
    assert give(admission, [START], first=351, ends_block=False).quarantined.tolist() == [50]


def test_settling_for_the_moment_keeps_what_is_contradicted():
    """A quiet partition gives out what nothing contradicts; the rest waits, and the clock goes on as if nothing was."""
    admission, fates = an_admission(), Fates()
    times = [START + 300 * number for number in range(100)]
    times[97] = START + DAY * 300
    fates.note(give(admission, times, first=0, ends_block=True))
    watermark, waiting = admission.watermark, admission.waiting

    fates.note(admission.settle(ended=False))

    assert waiting > 10
    assert (admission.watermark, admission.waiting) == (watermark, 1)
    assert fates.in_time == set(range(100)) - {97}
    assert admission.settle().quarantined.tolist() == [97]
    assert admission.settle().deltas == ()


def test_a_quiet_partition_of_few_frames_gets_a_clock():
    """Fewer frames than a clock needs are given out when nothing more comes for now; more may follow."""
    admission, fates = an_admission(), Fates()
    fates.note(give(admission, [START, START + 1, START + 400], first=0, ends_block=False))
    assert (admission.watermark, fates.counted) == (None, set())

    fates.note(admission.settle(ended=False))
    watermark = admission.watermark
    fates.note(give(admission, [START + 401, START + 402], first=3, ends_block=False))
    fates.note(admission.settle())

    assert watermark == START + 1 - 5
    assert fates.in_time == {0, 1, 2, 3, 4}


def test_nothing_is_admitted_of_nothing():
    """Empty portions and blocks are allowed and move nothing."""
    admission = an_admission()
    give(admission, [START + number // 4 * 4 for number in range(63)], first=0, ends_block=True)
    watermark, note = admission.watermark, admission.note()

    admitted = [give(admission, [], first=63, ends_block=ends) for ends in (False, True, True)]

    assert all(not (each.deltas or len(each.quarantined) or len(each.dropped)) for each in admitted)
    assert (admission.watermark, admission.note()) == (watermark, note)
