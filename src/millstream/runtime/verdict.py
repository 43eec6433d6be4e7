"""What the end of an attempt means for its batch, and for the ingestion that the batch belongs to.

Theory of operation: pure, so that whoever works a batch, the engine beside its ledger or a worker on another machine,
comes to the same end. A failure that is charged brings the batch nearer to its death; one that is not, because
something outside is down, is tried again for as long as that takes, and the ingestion says what it waits for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from millstream.core.ingestion import Explain
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Discard, Done, Job, Retry
from millstream.core.operations import Evict, Finish, Operation, Release
from millstream.core.retry import RetryPolicy, delay_s, exhausted

NOT_FINISHED = AttemptResult(outcome=Retry(error="ended before its time"), charged=False, lost=True)

WAITING = RetryPolicy(backoff_s=1.0, max_s=30.0)
"""How long a batch waits for something outside that is down, before it is tried again."""

REMEMBERED = 10_000
"""Ingestions whose reason to wait is remembered, so that the same is not said again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Says what attempts came to in one pipeline.

    `resettle_s` is how long a file that changed is left alone; `draw` is random, from [0, 1).
    """

    draw: Callable[[], float]
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    resettle_s: float = 2.0

    def verdict(self, job: Job, *, result: AttemptResult, now: float) -> Operation[State | bool]:
        """What an attempt's result means for its batch."""
        if result.evictions:
            return Evict(
                batch_id=job.id,
                fence=job.fence,
                evictions=result.evictions,
                at=now,
                not_before=now + self.resettle_s,
            )
        if result.lost and not result.charged and not result.alone:
            return Release(batch_id=job.id, fence=job.fence, at=now, reason=error_of(result) or "")
        not_before, bury = now, False
        if isinstance(result.outcome, Retry) and result.charged:
            failures = job.failures + 1
            bury = result.hopeless or exhausted(failures, policy=self.retry)
            wait_s = result.outcome.after_s
            if wait_s is None:
                wait_s = delay_s(failures, policy=self.retry, draw=self.draw())
            not_before = now + wait_s
        elif is_waiting(result):
            not_before = now + delay_s(max(1, job.attempt - job.failures), policy=WAITING, draw=self.draw())
        return Finish(batch_id=job.id, fence=job.fence, at=now, result=result, not_before=not_before, bury=bury)


class Explainer:
    """Says what ingestions wait for, when that is news to the ledger."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def explanation(self, job: Job, *, result: AttemptResult, now: float) -> Explain | None:
        """What is to be said after an attempt, None when that was said before."""
        if job.key is None or (job.plan is None and job.chunk is None):
            return None
        reason = error_of(result) or "" if is_waiting(result) else ""
        # Another worker may have said what this batch waited for; whoever ends the wait says that it is over.
        has_waited = job.attempt - job.failures > 1
        if self._said.get(job.key) == reason and not (has_waited and not reason):
            return None
        if len(self._said) >= REMEMBERED:
            self._said.clear()
        self._said[job.key] = reason
        return Explain(message_id=job.key, reason=reason, at=now)


def is_waiting(result: AttemptResult) -> bool:
    """Whether the attempt came to nothing because something outside is down: it is tried again until that is up."""
    is_retry = isinstance(result.outcome, Retry)
    return is_retry and not result.charged and not result.lost and not result.evictions


def state_after(answer: State | bool) -> State | None:  # noqa: FBT001 - what the ledger answers
    """Where a batch is after an operation on its claim; None when that was refused."""
    if isinstance(answer, State):
        return answer
    return State.READY if answer else None


def error_of(result: AttemptResult) -> str | None:
    """Why the attempt did not succeed, None when it did."""
    match result.outcome:
        case Done():
            return None
        case Discard(reason=reason):
            return reason
        case Retry(error=error):
            return error
