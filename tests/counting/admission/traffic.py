"""Times of frames as they may come, for properties."""

from itertools import accumulate

from hypothesis import strategies as st

START = 1_468_244_340
HOUR = 3600
DAY = 86_400
YEAR = 365 * DAY

blocks = st.sampled_from([1, 2, 8, 9, 10, 50, 225, 1024])


def in_traffic(steps: list[tuple[int, int]]) -> list[int]:
    """Times behind or ahead of a front that moves on by steps."""
    fronts = accumulate((step for step, _ in steps), initial=START)
    return [front + off for front, (_, off) in zip(fronts, steps, strict=False)]


any_times = st.lists(
    st.one_of(
        st.integers(START, START + 300),
        st.integers(START - HOUR, START + HOUR),
        st.integers(0, 4 * 10**9 + 200),
        st.integers(-(2**62), 2**62),
    ),
    max_size=200,
)

steps = st.sampled_from([0, 0, 1, 1, 2, 30, 90])
offsets = st.sampled_from([0, 0, -1, -3, -5]) | st.sampled_from([-8, -70, -200, -HOUR, 62, 100, 300, HOUR, DAY])
traffic = st.lists(st.tuples(steps, offsets), max_size=300).map(in_traffic)
inputs = any_times | traffic
