"""Which times are believed at the end of an input."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.admission.credible import credible

slacks = st.integers(0, 5)


def in_order(times, *, slack):
    return all(late >= early - slack for early, late in combinations(times, 2))


@given(st.lists(st.integers(0, 20), max_size=9), slacks)
def test_believed_is_what_is_in_some_largest_part_in_order(times, slack):
    """Equal to trying all parts, largest first."""
    places = range(len(times))
    expected: set[int] = set()
    for size in range(len(times), 0, -1):
        parts = [part for part in combinations(places, size) if in_order([times[place] for place in part], slack=slack)]
        expected = {place for part in parts for place in part}
        if expected:
            break

    marks = credible(times, slack=slack)

    assert {place for place in places if marks[place]} == expected


@given(st.lists(st.integers(0, 10**6), max_size=63).map(sorted), st.data())
def test_one_wrong_time_makes_no_other_one_doubtful(times, data):
    """In a sorted input with one time replaced, all others are believed."""
    if times:
        wrong = data.draw(st.integers(0, len(times) - 1))
        times[wrong] = data.draw(st.integers(-(10**7), 10**7))
        marks = credible(times, slack=0)

        assert all(mark for place, mark in enumerate(marks) if place != wrong)


def test_two_that_contradict_it_are_enough():
    """Far ahead and followed by one other, a time may be right; followed by two, it is not."""
    assert credible([1, 2, 900, 3], slack=5) == [True] * 4
    assert credible([1, 2, 900, 3, 4], slack=5) == [True, True, False, True, True]
