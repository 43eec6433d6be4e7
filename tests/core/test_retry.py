"""Retry: delays stay below a ceiling that grows, and attempts end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.retry import RetryPolicy, ceiling_s, delay_s, exhausted

POLICIES = st.builds(
    RetryPolicy,
    retries=st.integers(min_value=0, max_value=100),
    backoff_s=st.floats(min_value=0.0, max_value=1e6),
    factor=st.floats(min_value=1.0, max_value=1e6),
    max_s=st.floats(min_value=0.0, max_value=1e9),
)
FAILURES = st.integers(min_value=1, max_value=10**9)
DRAWS = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (99, 300.0)])
def test_the_ceiling_doubles_up_to_the_maximum(failures: int, seconds: float) -> None:
    """The usual policy starts at a second, doubles, and stays at five minutes."""
    assert ceiling_s(failures, policy=RetryPolicy()) == seconds


@given(POLICIES, FAILURES, DRAWS)
def test_a_delay_is_between_nothing_and_the_ceiling(policy: RetryPolicy, failures: int, draw: float) -> None:
    """However many failures there were, the delay is a number of seconds within bounds."""
    delay = delay_s(failures, policy=policy, draw=draw)

    assert 0.0 <= delay <= ceiling_s(failures, policy=policy) <= policy.max_s


@given(POLICIES, FAILURES)
def test_the_ceiling_never_falls(policy: RetryPolicy, failures: int) -> None:
    """One more failure never makes the wait shorter."""
    assert ceiling_s(failures, policy=policy) <= ceiling_s(failures + 1, policy=policy)


@given(POLICIES, FAILURES, DRAWS, DRAWS)
def test_the_jitter_is_full(policy: RetryPolicy, failures: int, draw: float, other: float) -> None:
    """The delay follows the draw over the whole range, from no delay on."""
    low, high = (delay_s(failures, policy=policy, draw=drawn) for drawn in sorted((draw, other)))

    assert low <= high
    assert delay_s(failures, policy=policy, draw=0.0) == 0.0


@given(POLICIES)
def test_retries_are_what_comes_after_the_first_attempt(policy: RetryPolicy) -> None:
    """A policy of n retries allows n failures, not one more."""
    assert not exhausted(policy.retries, policy=policy)
    assert exhausted(policy.retries + 1, policy=policy)
