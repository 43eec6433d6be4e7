"""What an ingestion has come to, as a pure function of its counts."""

from dataclasses import dataclass

from millstream.core.splitting import Policy
from millstream.core.tasks import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of an ingestion in one transaction.

    `unfinished` batches (plan steps and chunks) are ready, running or waiting; `failed` chunks are dead or discarded;
    `unjoined` chunks are done but their records are not yet in the one file they belong in (0 for other sinks).
    """

    policy: Policy
    planned_all: bool
    plan_failed: bool
    unfinished: int
    done: int
    failed: int
    unjoined: int
    published: int
    rejected: int


def conclude(tally: Tally) -> Status | None:
    """The final status, or None while there is something left to do.

    `succeeded`: every record was published, or rejected by a policy that allows it. `partial`: some records were
    published and some were not, because chunks failed or because `strict` rejected them. `failed`: none were.
    """
    if tally.unfinished or tally.unjoined or not (tally.planned_all or tally.plan_failed):
        return None
    rejected = tally.rejected if tally.policy is Policy.STRICT else 0
    if not (tally.plan_failed or tally.failed or rejected):
        return Status.SUCCEEDED
    return Status.PARTIAL if tally.published else Status.FAILED


def status_of(*, ended: Status | None, is_paused: bool, is_queued: bool, is_started: bool) -> Status:
    """The status that `/track` shows: `ended` once there is one."""
    if ended is not None:
        return ended
    if is_paused:
        return Status.PAUSED
    if is_started:
        return Status.RUNNING
    return Status.QUEUED if is_queued else Status.ACCEPTED
