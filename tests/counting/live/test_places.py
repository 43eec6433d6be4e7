"""Where the merger is in the deltas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.live.places import Places
from millstream.errors import DeltasLostError


def test_it_starts_again_at_the_first_delta_of_a_minute_that_may_change():
    """And behind everything read once no such minute is left."""
    places = Places(starts={0: 0, 1: 0}, saved={})
    for offset, minute in ((0, 0), (1, 60), (2, 60), (3, 120)):
        places.reach(0, offset)
        places.note(0, offset, minutes=[minute])
    places.reach(1, 5)

    assert places.positions() == {0: 0, 1: 6}
    places.forget(120, grace_s=60)
    assert places.positions() == {0: 1, 1: 6}
    places.forget(300, grace_s=60)
    assert places.positions() == {0: 4, 1: 6}


def test_records_before_what_was_saved_are_replayed():
    """And the replay is over when all partitions are where they were."""
    places = Places(starts={0: 4, 1: 7}, saved={0: 6, 1: 7}, needed={0: 4, 1: 7})

    first = places.reach(0, 4)
    over = places.replayed
    second, third = places.reach(0, 5), places.reach(0, 6)

    assert (first, second, third) == (True, True, False)
    assert not over
    assert places.replayed


def test_what_is_saved_never_goes_back():
    """While a partition is replayed, the saved state still has all of it."""
    places = Places(starts={0: 4}, saved={0: 6}, needed={0: 4})
    places.reach(0, 4)

    assert places.read() == {0: 6}


@pytest.mark.parametrize("first", [5, 6, 9])
def test_a_lost_record_is_noticed_when_another_comes_first(first: int):
    """The record that a replay needs was there, so a hole means that it is gone."""
    places = Places(starts={0: 4}, saved={0: 6}, needed={0: 4})

    with pytest.raises(DeltasLostError, match=f"offset 4, the first that is left is {first}"):
        places.reach(0, first)


def test_a_lost_record_is_noticed_at_the_start():
    """When reading can only start behind it."""
    places = Places(starts={0: 5}, saved={0: 6}, needed={0: 4})

    with pytest.raises(DeltasLostError, match="offset 4, the first that is left is 5"):
        places.check()


def test_holes_behind_the_first_record_are_no_loss():
    """Aborted records and the marks of transactions take offsets."""
    places = Places(starts={0: 4}, saved={0: 9}, needed={0: 4})
    places.check()
    places.reach(0, 4)
    places.reach(0, 8)

    assert places.positions() == {0: 9}


def test_nothing_has_to_be_there_when_nothing_is_replayed():
    """A position behind the last record may be the mark of a transaction."""
    places = Places(starts={0: 8}, saved={0: 6}, needed={0: 6})
    places.check()
    places.reach(0, 12)

    assert places.replayed


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=30), st.integers(0, 9))
def test_no_delta_of_a_minute_that_may_change_lies_before_the_position(records: list, forgotten: int):
    """Whatever came in whatever order."""
    places = Places(starts={}, saved={})
    offsets = {0: 0, 1: 0, 2: 0}
    kept: list[tuple[int, int]] = []
    for partition, minute in records:
        offset = offsets[partition] = offsets[partition] + 1
        places.reach(partition, offset)
        places.note(partition, offset, minutes=[60 * minute])
        if 60 * minute + 60 > 60 * forgotten:
            kept.append((partition, offset))
    places.forget(60 * forgotten, grace_s=0)

    positions = places.positions()

    assert all(positions[partition] <= offset for partition, offset in kept)
    assert all(position <= offsets[partition] + 1 for partition, position in positions.items())
