"""The short way for ordinary blocks: it agrees with the long one, or leaves the block to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting.admission.admitting import SETTINGS, UPPER_S, Fates, an_admission, give, in_blocks
from counting.admission.traffic import DAY, START, YEAR, inputs
from millstream.counting.admission.admission import Admission
from millstream.counting.admission.clock import ClockSettings


def plainly(admission: Admission, times: list[int]) -> bool:
    return admission.admit_plain(
        lowest=min(times), highest=max(times), tail=times[-63:], frames=len(times), upper_s=UPPER_S
    )


@given(inputs, inputs.filter(bool), st.sampled_from([2, 10, 60, 225]))
def test_the_short_way_is_the_long_way(history, times, block):
    """Where `admit_plain` says yes, `admit` would have counted every frame in time and come to the same state."""
    settings = ClockSettings(pending_frames=50)
    earlier = an_admission(settings)
    in_blocks(history, block=50, admission=earlier, settle=False)
    for start in range(0, len(times), block):
        part, before, waiting = times[start : start + block], earlier.note(), earlier.waiting
        short, long = (an_admission(settings, note=before) for _ in range(2))

        plain = plainly(short, part)
        first, fates = len(history) + start, Fates()
        fates.note(give(long, part, first=first, ends_block=True))

        simple = fates.in_time == set(range(first, first + len(part))) and not fates.quarantined
        assert plain <= (simple and long.waiting == waiting)
        assert short.note() == (long.note() if plain else before)
        earlier = long


@pytest.mark.parametrize(
    ("times", "plain"),
    [
        ([START + 65] * 70, True),
        ([START + 60, *[START + 65] * 70], True),
        ([START + 59, *[START + 65] * 70], False),
        ([START + 125, *[START + 65] * 70], True),
        ([START + 126, *[START + 65] * 70], False),
        ([START - YEAR * 20, *[START + 65] * 70], False),
        ([UPPER_S + 61, *[START + 65] * 70], False),
    ],
    ids=["ordinary", "just in time", "late", "near enough", "ahead", "too early to be", "too late to be"],
)
def test_only_an_ordinary_block_goes_the_short_way(times, plain):
    """With the watermark at the end of a minute, a frame of that minute is late."""
    admission = an_admission()
    give(admission, [START + 65] * 63, first=0, ends_block=True)
    assert admission.watermark == START + 60

    assert plainly(admission, times) is plain


@pytest.mark.parametrize("time", [SETTINGS.earliest_s, UPPER_S + SETTINGS.skew_s])
def test_a_block_at_the_edge_of_what_is_plausible_may_go_the_short_way(time):
    """But not when one of its frames is beyond."""
    admission = an_admission()
    give(admission, [time] * 63, first=0, ends_block=True)

    assert plainly(admission, [time] * 63)
    assert not plainly(admission, [time - 1 if time < START else time + 1, *[time] * 62])


def test_the_first_block_goes_the_long_way():
    """There is no clock to tell whether it is ordinary."""
    assert not plainly(an_admission(), [START] * 225)


def test_a_block_that_releases_a_frame_goes_the_long_way():
    """Once the clock gets near enough to what waits."""
    admission = an_admission()
    give(admission, [*[START] * 63, START + 100], first=0, ends_block=True)

    assert plainly(admission, [START + 39] * 63)
    assert not plainly(admission, [START + 40] * 63)
    give(admission, [START + 40] * 63, first=127, ends_block=True)
    assert admission.waiting == 0


def test_a_block_that_gives_a_frame_up_goes_the_long_way():
    """Once it has waited for too long."""
    admission = an_admission(ClockSettings(pending_frames=100))
    give(admission, [*[START] * 63, START + DAY], first=0, ends_block=True)

    assert plainly(admission, [START] * 100)
    assert not plainly(admission, [START] * 100)


def test_an_ordinary_block_goes_the_short_way_even_while_a_liar_waits():
    """One frame that waits does not slow its successors down."""
    admission = an_admission()
    give(admission, [*[START] * 63, START + DAY], first=0, ends_block=True)

    assert plainly(admission, [START + 1] * 225)
    assert np.array_equal(admission.settle().quarantined, [63])
