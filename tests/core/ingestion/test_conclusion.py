"""What an ingestion has come to is a function of its counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.ingestion import Status, Tally, conclude, status_of
from millstream.core.splitting import Policy

COUNT = st.integers(min_value=0, max_value=3)
TALLIES = st.builds(
    Tally,
    policy=st.sampled_from(Policy),
    planned_all=st.booleans(),
    plan_failed=st.booleans(),
    unfinished=COUNT,
    done=COUNT,
    failed=COUNT,
    unjoined=COUNT,
    published=COUNT,
    rejected=COUNT,
)


@given(TALLIES)
def test_nothing_is_concluded_while_there_is_something_to_do(tally: Tally) -> None:
    """There is a conclusion exactly when nothing is unfinished, unjoined or unplanned."""
    is_over = not tally.unfinished and not tally.unjoined and (tally.planned_all or tally.plan_failed)

    assert (conclude(tally) is not None) is is_over


@given(TALLIES)
def test_a_conclusion_tells_what_is_missing(tally: Tally) -> None:
    """Succeeded: nothing is missing that should be there; failed: nothing is there; partial: something of both."""
    ended = conclude(replace(tally, unfinished=0, unjoined=0, planned_all=True))
    is_missing = tally.plan_failed or tally.failed > 0 or (tally.rejected > 0 and tally.policy is Policy.STRICT)

    assert (ended is Status.SUCCEEDED) is not is_missing
    assert (ended is Status.FAILED) is (is_missing and not tally.published)
    assert ended in (Status.SUCCEEDED, Status.PARTIAL, Status.FAILED)


@pytest.mark.parametrize(
    ("ended", "is_paused", "is_queued", "is_started", "status"),
    [
        (None, False, False, False, Status.ACCEPTED),
        (None, False, True, False, Status.QUEUED),
        (None, False, True, True, Status.RUNNING),
        (None, True, False, False, Status.PAUSED),
        (None, True, True, True, Status.PAUSED),
        (Status.PARTIAL, True, True, True, Status.PARTIAL),
    ],
)
def test_the_status_that_is_shown(
    ended: Status | None,
    is_paused: bool,
    is_queued: bool,
    is_started: bool,
    status: Status,
) -> None:
    """The end comes first, then a pause, then how far it is."""
    shown = status_of(ended=ended, is_paused=is_paused, is_queued=is_queued, is_started=is_started)

    assert shown is status
