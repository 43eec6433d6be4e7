"""What both workflows do: have batches worked by an activity, and count time.

Theory of operation: the same as in `workflows.py`, which says what may be changed in here, too. It is imported again in
the sandbox of each workflow.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from millstream.adapters.temporal.orders import WORK_ACTIVITY, Outcome, WorkOrder

HEARTBEAT = timedelta(seconds=20)
"""Shorter than the lease of a claim by default, so that a lost worker's batches may be worked as soon as that ends."""

LONGEST_WORK = timedelta(days=30)
"""No limit, in effect: a handler has one of its own, and a lost worker is noticed by its heartbeat."""

LONGEST_PAUSE_S = 60.0


async def work(order: WorkOrder) -> Outcome | None:
    """Have a batch worked; None when nobody can tell what became of it."""
    try:
        outcome: Outcome = await workflow.execute_activity(
            WORK_ACTIVITY,
            order,
            result_type=Outcome,
            start_to_close_timeout=LONGEST_WORK,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
    except ActivityError:
        return None
    return outcome


def now_s() -> float:
    """The time of the workflow, in seconds since the Unix epoch."""
    return workflow.now().timestamp()


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    return min(LONGEST_PAUSE_S, 2.0 ** min(failures, 10))
