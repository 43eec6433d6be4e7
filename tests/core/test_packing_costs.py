"""Fitting the cost model to past attempts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.packing import CostModel, fit_cost_model
from millstream.errors import InvalidValueError

DEFAULT = CostModel()


def attempts(cost: CostModel, *, count: int, noise: float = 0.0, hung: int = 0) -> list[tuple[int, int, float]]:
    """Past attempts on buckets of all kinds under `cost`, the first `hung` of them a minute late."""
    rng = random.Random(count)
    samples = []
    for number in range(count):
        size_bytes, files = rng.randrange(10_000_000), rng.randint(1, 100)
        seconds = cost.bucket_s(size_bytes=size_bytes, files=files) * rng.uniform(1 - noise, 1 + noise)
        samples.append((size_bytes, files, seconds + 60 * (number < hung)))
    return samples


def close(cost: CostModel, *, to: CostModel, within: float) -> bool:
    """Whether every coefficient is that near to the true one."""
    return all(
        getattr(cost, name) == pytest.approx(getattr(to, name), rel=within, abs=1e-12)
        for name in ("seconds_per_byte", "seconds_per_file", "seconds_per_bucket")
    )


@given(
    per_byte=st.floats(1e-9, 1e-6),
    per_file=st.floats(1e-3, 1),
    per_bucket=st.floats(1e-2, 1) | st.just(0.0),
    count=st.integers(8, 60),
)
def test_exact_attempts_give_back_the_model_they_were_made_with(per_byte, per_file, per_bucket, count):
    """All three coefficients are recovered, also one that is zero."""
    cost = CostModel(seconds_per_byte=per_byte, seconds_per_file=per_file, seconds_per_bucket=per_bucket)

    fitted = fit_cost_model(attempts(cost, count=count), default=DEFAULT)

    for size_bytes, files, seconds in attempts(cost, count=count):
        assert fitted.bucket_s(size_bytes=size_bytes, files=files) == pytest.approx(seconds, rel=1e-3)


def test_noise_and_attempts_that_hung_do_not_move_the_model_far():
    """With 5 % noise and one attempt in ten a minute late, coefficients are right to 15 %."""
    cost = CostModel(seconds_per_byte=1 / 10_000_000, seconds_per_file=0.02, seconds_per_bucket=0.5)

    fitted = fit_cost_model(attempts(cost, count=200, noise=0.05, hung=20), default=DEFAULT)

    assert close(fitted, to=cost, within=0.15)


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 1000), st.floats(0, 1000)), max_size=30))
def test_whatever_was_measured_gives_a_valid_model(samples):
    """No coefficient is ever negative, so building the model does not raise."""
    fit_cost_model(samples, default=DEFAULT)


@pytest.mark.parametrize(
    "samples",
    [
        [],
        attempts(DEFAULT, count=7),
        [(1000, 1, 1.0)] * 20,
        [(1000 * files, files, 1.0 * files) for files in range(1, 20)],
        [(0, files, 1.0 * files) for files in range(1, 20)],
    ],
    ids=["none", "too few", "all alike", "bytes follow files", "no bytes"],
)
def test_attempts_that_cannot_tell_the_coefficients_apart_leave_the_default(samples):
    """With too few or too similar attempts the default stays."""
    assert fit_cost_model(samples, default=DEFAULT) is DEFAULT


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_a_cost_that_is_no_time_is_refused(value):
    """Coefficients are finite and not negative."""
    with pytest.raises(InvalidValueError, match="seconds_per_file: expected seconds, 0 or more"):
        CostModel(seconds_per_file=value)
