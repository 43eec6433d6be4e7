"""Batches that fail, and files that are not what they were taken for."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import pytest

from millstream.core.ingestion import (
    MOST_VERSIONS,
    Act,
    Action,
    OnChange,
    Spoiled,
    Status,
)
from millstream.core.lifecycle import State
from millstream.core.model import Discard, Done, Retry
from millstream.core.operations import (
    Finish,
)
from millstream.testing.ledger_suite.driver import NOON, Driver
from millstream.testing.ledger_suite.ingestion_driver import (
    Ingestions,
    accept,
    border,
    bury,
    claim_ours,
    discard,
    planned,
    published,
    report,
    spec,
)
from millstream.testing.ledger_suite.ingestions import AMQP, OnIngestions


def act(action: Action, message_id: str = "m") -> Act:
    """Its owner acts."""
    return Act(message_id=message_id, action=action, at=NOON)


WRONG = Spoiled(reason="expected 2 records, found 3", replan_from=border(1))
CHANGED = Spoiled(reason="the file changed", changed=True)
UNREADABLE = Spoiled(reason="no such file")


class Failures(OnIngestions):
    """Batches that fail, and files that are not what they were taken for."""

    def test_a_chunk_dies(self, ledger: Driver, files: Ingestions) -> None:
        """A chunk whose attempts are spent is failed; the others go on, and the ingestion ends as partial."""
        jobs = files.start(chunks=2, sink=AMQP)
        dead = ledger.do(bury(jobs[0]))
        before = files.row().status
        files.finish(jobs[1])
        row = files.row()

        assert (dead, before) == (State.DEAD, Status.RUNNING)
        assert (row.status, row.chunks_failed, row.chunks_done) == (Status.PARTIAL, 1, 1)
        assert row.error == "chunk 0: it broke"
        assert next(event.detail for event in files.events() if event.what == "chunk") == "0 failed: it broke"

    def test_every_chunk_is_given_up(self, ledger: Driver, files: Ingestions) -> None:
        """An ingestion of which nothing was published has failed."""
        for job in files.start(chunks=2):
            assert ledger.do(discard(job)) is State.DISCARDED

        assert (files.row().status, files.row().chunks_failed) == (Status.FAILED, 2)

    @pytest.mark.parametrize("end", [bury, discard])
    def test_a_plan_step_fails(self, ledger: Driver, files: Ingestions, end: object) -> None:
        """An ingestion that cannot be planned has failed, with the reason, when its planned chunks are finished."""
        jobs = files.start(chunks=2, is_last=False, sink=AMQP)
        (plan,) = [job for job in [ledger.batch("m-plan-000002")] if job.state is State.RUNNING]
        ledger.do(
            Finish(
                batch_id=plan.id,
                fence=plan.fence,
                at=NOON,
                result=bury(jobs[0]).result if end is bury else discard(jobs[0]).result,
                bury=end is bury,
            )
        )
        going = files.row()
        files.finish(*jobs)

        assert (going.status, files.row().status) == (Status.RUNNING, Status.PARTIAL)
        assert files.row().error.startswith("planning failed: ")

    @pytest.mark.parametrize("outcome", [Done(), Discard("so"), Retry()])
    def test_a_file_that_cannot_be_read(self, ledger: Driver, files: Ingestions, outcome: object) -> None:
        """Whatever the attempt says besides, the ingestion fails with the reason, and no chunk of it is begun."""
        ledger.do(accept())
        (plan,) = ledger.do(claim_ours())

        assert ledger.do(report(plan, UNREADABLE, outcome=outcome)) is State.DISCARDED  # type: ignore[arg-type]
        assert (files.row().status, files.row().error) == (Status.FAILED, "no such file")
        assert ledger.do(act(Action.RETRY)) is Status.FAILED

    def test_a_file_that_changes(self, ledger: Driver, files: Ingestions) -> None:
        """What was published stays, the rest is given up, also what is worked just now, and the reason is told."""
        jobs = files.start(chunks=3, on_change=OnChange.FAIL)
        files.finish(jobs[0])
        ledger.do(report(jobs[1], CHANGED))
        late = ledger.do(report(jobs[2], published()))
        waiting = files.row().status
        files.join()
        row = files.row()

        assert (late, waiting) == (False, Status.RUNNING)
        assert (row.status, row.error, row.successor) == (Status.PARTIAL, "the file changed", "")
        assert (row.chunks_done, row.chunks_failed) == (1, 2)
        assert ledger.do(claim_ours()) == ()

    def test_a_file_that_changes_is_started_again(self, ledger: Driver, files: Ingestions) -> None:
        """By option a new ingestion takes the place of one whose file changed, and of that one, too."""
        for message_id, successor in [("m", "m-v2"), ("m-v2", "m-v3")]:
            if message_id == "m":
                ledger.do(accept(on_change=OnChange.RESTART, principal="me", idempotency_key="k"))
            (plan,) = ledger.do(claim_ours())
            ledger.do(report(plan, CHANGED))
            row = files.row(message_id)

            assert (row.status, row.successor) == (Status.FAILED, successor)
            assert row.error == f"the file changed; started again as {successor}"
            assert files.row(successor).spec == spec(successor, on_change=OnChange.RESTART)
            assert (files.row(successor).principal, files.row(successor).status) == ("me", Status.QUEUED)

    def test_a_file_that_never_stands_still_is_given_up(self, ledger: Driver, files: Ingestions) -> None:
        """The fifth version that changes has no successor, and says why."""
        ledger.do(accept(on_change=OnChange.RESTART))
        for _ in range(MOST_VERSIONS):
            (plan,) = ledger.do(claim_ours())
            ledger.do(report(plan, CHANGED))

        assert ledger.do(claim_ours()) == ()
        last = files.row(f"m-v{MOST_VERSIONS}")
        assert (last.status, last.successor) == (Status.FAILED, "")
        assert last.error.startswith("the file changed; it changed while each of 5 versions was read: ingest it when")

    def test_a_successor_that_cannot_be_made(self, ledger: Driver, files: Ingestions) -> None:
        """Where the successor's id is taken, or would be too long, the ingestion fails and says so."""
        ledger.do(accept("m", on_change=OnChange.RESTART))
        (plan,) = ledger.do(claim_ours())
        ledger.apply(accept("m-v2", is_queued=False), report(plan, CHANGED))
        long = "x" * 63
        ledger.do(accept(long, on_change=OnChange.RESTART))
        (plan,) = ledger.do(claim_ours())
        ledger.do(report(plan, CHANGED))

        for message_id in ("m", long):
            assert (files.row(message_id).status, files.row(message_id).successor) == (Status.FAILED, "")
            assert "cannot be started again" in files.row(message_id).error

    # --- a plan that was wrong ------------------------------------------------------------------------------------

    def test_a_wrong_plan_is_made_again(self, ledger: Driver, files: Ingestions) -> None:
        """From the wrong chunk on it is planned again, exactly; who works by the old plan is refused."""
        jobs = files.start(chunks=4)
        files.finish(jobs[0])
        ledger.do(report(jobs[1], WRONG))
        row = files.row()
        (plan,) = ledger.do(claim_ours())
        ledger.do(report(plan, planned(2, first=1)))
        again = ledger.do(claim_ours())
        late = [ledger.do(report(job, published())) for job in jobs[1:]]
        files.finish(*again)
        files.join()

        assert (row.status, row.planned_to, row.planned_all) == (Status.RUNNING, border(1), False)
        assert (row.chunks_planned, row.chunks_done, row.chunks_failed, row.error) == (1, 1, 0, "")
        assert plan.plan is not None
        assert (plan.plan.exact, plan.plan.at) == (True, border(1))
        assert [job.id for job in again] == [job.id for job in jobs[1:3]]
        assert all(new.fence > old.fence for new, old in zip(again, jobs[1:3], strict=True))
        assert late == [False] * 3
        assert files.row().status is Status.SUCCEEDED
        assert (files.row().chunks_planned, files.row().records_published) == (3, 6)

    def test_a_wrong_plan_from_the_start(self, ledger: Driver, files: Ingestions) -> None:
        """The plan step that begins with the same chunk is repeated, with a new fence."""
        (job,) = files.start(chunks=1)
        ledger.do(report(job, Spoiled(reason="wrong", replan_from=border(0))))
        (plan,) = ledger.do(claim_ours())

        assert (plan.id, plan.attempt) == ("m-plan-000000", 2)
        assert ledger.do(report(plan, planned(3), fence=1)) is False
        ledger.do(report(plan, planned(3)))
        assert len(files.chunks()) == 3

    def test_a_plan_is_not_made_again_behind_what_is_done(self, ledger: Driver, files: Ingestions) -> None:
        """When a later chunk was published, its record ids are given, so the ingestion fails and says so."""
        jobs = files.start(chunks=3, sink=AMQP)
        files.finish(jobs[0], jobs[2])
        ledger.do(report(jobs[1], WRONG))

        assert files.row().status is Status.PARTIAL
        assert files.row().error.endswith("cannot be planned again, as chunk 2 may have been published already")
        assert files.states() == [State.DONE, State.DISCARDED, State.DONE]

    def test_a_broker_may_have_got_what_was_begun(self, ledger: Driver, files: Ingestions) -> None:
        """Where a lost attempt may have published, a later chunk that was begun is enough to give up."""
        jobs = files.start(chunks=3, sink=AMQP)
        ledger.do(report(jobs[1], WRONG))
        late = [ledger.do(report(job, published())) for job in (jobs[0], jobs[2])]

        assert late == [False, False]
        assert files.row().status is Status.FAILED
        assert "chunk 2 may have been published" in files.row().error

    def test_an_exact_plan_is_made_once(self, ledger: Driver, files: Ingestions) -> None:
        """When the exact plan is wrong, too, the ingestion fails instead of planning for ever."""
        (job,) = files.start(chunks=1)
        wrong = Spoiled(reason="wrong", replan_from=border(0))
        ledger.do(report(job, wrong))
        (plan,) = ledger.do(claim_ours())
        ledger.do(report(plan, planned(1)))
        (job,) = ledger.do(claim_ours())
        ledger.do(report(job, wrong))

        assert (files.row().status, files.row().error) == (Status.FAILED, "wrong; the exact plan does not hold either")
