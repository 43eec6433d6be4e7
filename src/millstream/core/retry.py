"""When a failed batch is tried again, and when no more.

Theory of operation: "full jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter" (2015): the delay is
drawn evenly between 0 and a ceiling that grows exponentially up to a maximum. Batches that failed together, because
something they share was down, therefore do not come back together. The draw is an argument.
"""

from dataclasses import dataclass

_LARGEST_GROWTH = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a batch is retried, and how long it waits in between.

    A batch is dead after `retries` + 1 charged failures. The ceiling of the delay is `backoff_s` after the first
    failure, `factor` (at least 1) times as much after each further one, and never above `max_s`.
    """

    retries: int = 5
    backoff_s: float = 1.0
    factor: float = 2.0
    max_s: float = 300.0


def exhausted(failures: int, *, policy: RetryPolicy) -> bool:
    """Whether a batch that failed that often gets no further attempt."""
    return failures > policy.retries


def ceiling_s(failures: int, *, policy: RetryPolicy) -> float:
    """The longest delay after that many failures (at least 1), in engine seconds."""
    try:
        growth = policy.factor ** (failures - 1)
    except OverflowError:
        growth = _LARGEST_GROWTH
    return min(policy.max_s, policy.backoff_s * growth)


def delay_s(failures: int, *, policy: RetryPolicy, draw: float) -> float:
    """The delay after that many failures (at least 1), in engine seconds; `draw` is random, from [0, 1)."""
    return draw * ceiling_s(failures, policy=policy)
