"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from millstream.web.limits import Buckets

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=60)


@given(steps=STEPS, per_s=st.sampled_from([0.5, 1.0, 4.0]), burst=st.integers(1, 5))
def test_nobody_gets_more_than_burst_and_rate(steps: list[tuple[str, float]], per_s: float, burst: int) -> None:
    """In any stretch of time a caller gets at most burst + rate x time, and whoever waits as told gets a token."""
    buckets = Buckets(per_s=per_s, burst=burst)
    now_s, taken = 0.0, dict[str, list[float]]()

    for who, pause_s in steps:
        now_s += pause_s
        wait_s = buckets.take(who, now_s=now_s)
        if wait_s:
            now_s += wait_s + 1e-6
            assert buckets.take(who, now_s=now_s) == 0
        taken.setdefault(who, []).append(now_s)

    for times in taken.values():
        for first, begin in enumerate(times):
            for last in range(first, len(times)):
                assert last - first + 1 <= burst + per_s * (times[last] - begin) + 1e-6


@given(callers=st.integers(1, 200), remembered=st.integers(1, 20))
def test_memory_is_bounded(callers: int, remembered: int) -> None:
    """However many ask, only so many are remembered; the others share what one may have."""
    buckets = Buckets(per_s=1.0, burst=2, remembered=remembered)
    granted = sum(buckets.take(f"caller {number}", now_s=0.0) == 0 for number in range(callers))

    assert len(buckets) <= remembered + 1
    assert granted <= remembered + 2


def test_full_buckets_are_forgotten() -> None:
    """Whoever has not asked for long is not remembered, and makes room for others."""
    buckets = Buckets(per_s=1.0, burst=2, remembered=2)
    for who in ("a", "b"):
        buckets.take(who, now_s=0.0)

    assert buckets.take("c", now_s=10.0) == 0
    assert len(buckets) == 1
