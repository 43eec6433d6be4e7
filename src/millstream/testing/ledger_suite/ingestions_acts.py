"""What people do to ingestions and to single batches of them."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import pytest

from millstream.core.ingestion import (
    Action,
    Queue,
    ReadUnjoined,
    Status,
)
from millstream.core.lifecycle import State
from millstream.core.model import Retry
from millstream.core.operations import (
    Cancel,
    Revive,
    SetPaused,
)
from millstream.testing.ledger_suite.driver import DUE, NOON, Driver
from millstream.testing.ledger_suite.ingestion_driver import (
    Ingestions,
    accept,
    bury,
    claim_ours,
    join,
    planned,
    published,
    report,
)
from millstream.testing.ledger_suite.ingestions import AMQP, OnIngestions
from millstream.testing.ledger_suite.ingestions_trouble import act


class Acts(OnIngestions):
    """What people do to ingestions and to single batches of them."""

    @pytest.mark.parametrize("action", list(Action))
    def test_of_none_that_is_known(self, ledger: Driver, action: Action) -> None:
        """Acting on an ingestion that nobody knows changes nothing and says so."""
        assert ledger.do(act(action)) is None

    def test_it_is_cancelled(self, ledger: Driver, files: Ingestions) -> None:
        """All that is unfinished is given up, also what is worked; what is done is kept; it stays cancelled."""
        jobs = files.start(chunks=4)
        files.finish(jobs[0])
        ledger.do(report(jobs[1], None, outcome=Retry()))
        ledger.do(bury(jobs[2]))

        assert ledger.do(act(Action.CANCEL)) is Status.CANCELLED
        late = ledger.do(report(jobs[3], published()))
        row = files.row()
        before = files.everything()
        assert late is False
        assert ledger.batch(jobs[3].id).fence == jobs[3].fence + 1
        assert files.states() == [State.DONE, State.DISCARDED, State.DEAD, State.DISCARDED]
        assert (row.chunks_done, row.chunks_failed, row.ended_at) == (1, 3, NOON)
        assert files.happened()[-2:] == ["cancelled", "ended"]
        assert [ledger.do(act(action)) for action in Action] == [Status.CANCELLED] * 4
        assert ledger.apply(Revive(batch_id=None, at=NOON), Revive(batch_id=jobs[2].id, at=NOON)) == [0, 0]
        assert ledger.do(join("m", [0], start=0, size=7)) is False
        assert ledger.read(ReadUnjoined()) == ()
        assert files.everything() == before
        assert ledger.do(claim_ours(at=DUE)) == ()

    def test_it_is_cancelled_before_it_is_queued(self, ledger: Driver, files: Ingestions) -> None:
        """An ingestion without any batch can be cancelled, and queueing it afterwards makes none."""
        ledger.do(accept(is_queued=False))

        assert ledger.do(act(Action.CANCEL)) is Status.CANCELLED
        assert ledger.do(Queue(message_id="m", at=NOON)) is True
        assert ledger.do(claim_ours()) == ()
        assert files.row().status is Status.CANCELLED

    def test_it_is_paused(self, ledger: Driver, files: Ingestions) -> None:
        """Nothing of it is claimed, also not what is planned or retried meanwhile; what runs is finished."""
        ledger.do(accept())
        (plan,) = ledger.do(claim_ours())
        paused = ledger.do(act(Action.PAUSE))
        ledger.do(report(plan, planned(2)))

        assert paused is Status.PAUSED
        assert ledger.do(claim_ours()) == ()
        assert (files.row().status, files.row().chunks_planned) == (Status.PAUSED, 2)
        assert ledger.do(act(Action.PAUSE)) is Status.PAUSED
        assert ledger.do(act(Action.RESUME)) is Status.RUNNING
        jobs = ledger.do(claim_ours())
        assert len(jobs) == 2
        ledger.do(act(Action.PAUSE))
        files.finish(jobs[0])
        ledger.do(report(jobs[1], None, outcome=Retry()))
        assert ledger.do(claim_ours(at=DUE)) == ()
        ledger.do(act(Action.RESUME))
        files.finish(*ledger.do(claim_ours(at=DUE)))
        files.join()
        assert files.row().status is Status.SUCCEEDED
        assert [files.happened().count(what) for what in ("paused", "resumed")] == [2, 2]

    def test_it_is_paused_before_it_begins(self, ledger: Driver) -> None:
        """A paused ingestion that is queued later is held back; resumed, it is queued."""
        ledger.apply(accept(is_queued=False), act(Action.PAUSE), Queue(message_id="m", at=NOON))

        assert ledger.do(claim_ours()) == ()
        assert ledger.do(act(Action.RESUME)) is Status.QUEUED
        assert len(ledger.do(claim_ours())) == 1

    def test_it_is_retried(self, ledger: Driver, files: Ingestions) -> None:
        """What is dead is ready again, an ingestion that had ended goes on, and can succeed."""
        jobs = files.start(chunks=3, sink=AMQP)
        files.finish(jobs[1])
        ledger.apply(bury(jobs[0]), bury(jobs[2]))
        ended = files.row()

        assert ended.status is Status.PARTIAL
        assert ledger.do(act(Action.RETRY)) is Status.RUNNING
        assert (files.row().ended_at, files.row().error, files.row().chunks_failed) == (None, "", 0)
        files.finish(*ledger.do(claim_ours()))
        assert (files.row().status, files.row().records_published) == (Status.SUCCEEDED, 6)
        assert files.happened().count("retried") == 1
        assert ledger.do(act(Action.RETRY)) is Status.SUCCEEDED
        assert files.happened().count("retried") == 1

    def test_a_dead_plan_step_is_retried(self, ledger: Driver, files: Ingestions) -> None:
        """An ingestion that could not be planned is planned on."""
        ledger.do(accept())
        (plan,) = ledger.do(claim_ours())
        ledger.do(bury(plan))
        failed = files.row()

        assert (failed.status, failed.error) == (Status.FAILED, "planning failed: it broke")
        assert ledger.do(act(Action.RETRY)) is Status.RUNNING
        (plan,) = ledger.do(claim_ours())
        ledger.do(report(plan, planned(1, is_last=True)))
        assert files.states() == [State.READY]

    def test_a_retry_while_it_is_paused(self, ledger: Driver, files: Ingestions) -> None:
        """What is dead is ready again, and held back until it is resumed."""
        jobs = files.start(chunks=2)
        ledger.apply(bury(jobs[0]), act(Action.PAUSE))

        assert ledger.do(act(Action.RETRY)) is Status.PAUSED
        assert ledger.do(claim_ours()) == ()
        ledger.do(act(Action.RESUME))
        assert [job.id for job in ledger.do(claim_ours())] == [jobs[0].id]


class SingleBatches(OnIngestions):
    """What operators do to batches of ingestions, one or all."""

    @pytest.mark.parametrize("one", [True, False])
    def test_a_dead_chunk_is_revived(self, ledger: Driver, files: Ingestions, one: bool) -> None:  # noqa: FBT001
        """Reviving a batch, or all of them, lets its ingestion go on, also one that had ended."""
        jobs = files.start(chunks=2, sink=AMQP)
        files.finish(jobs[0])
        ledger.do(bury(jobs[1]))
        assert files.row().status is Status.PARTIAL

        assert ledger.do(Revive(batch_id=jobs[1].id if one else None, at=NOON)) == 1
        assert (files.row().status, files.row().chunks_failed) == (Status.RUNNING, 0)
        files.finish(*ledger.do(claim_ours()))
        assert files.row().status is Status.SUCCEEDED

    def test_a_chunk_is_cancelled(self, ledger: Driver, files: Ingestions) -> None:
        """A cancelled chunk is a failed one, the ingestion goes on without it."""
        jobs = files.start(chunks=2, sink=AMQP)

        assert ledger.do(Cancel(batch_id=jobs[0].id, at=NOON)) == 1
        assert (files.row().status, files.row().chunks_failed) == (Status.RUNNING, 1)
        files.finish(jobs[1])
        assert files.row().status is Status.PARTIAL
        assert files.row().error

    def test_a_dead_chunk_is_cancelled(self, ledger: Driver, files: Ingestions) -> None:
        """A dead chunk that is given up was failed before and is afterwards."""
        jobs = files.start(chunks=2, sink=AMQP)
        ledger.do(bury(jobs[0]))
        ledger.do(Cancel(batch_id=jobs[0].id, at=NOON))

        assert files.row().chunks_failed == 1
        assert files.states() == [State.DISCARDED, State.RUNNING]

    def test_a_plan_step_is_cancelled(self, ledger: Driver, files: Ingestions) -> None:
        """Nothing more is planned, and the ingestion ends with what it has."""
        jobs = files.start(chunks=1, is_last=False, sink=AMQP)
        ledger.do(Cancel(batch_id="m-plan-000001", at=NOON))
        files.finish(*jobs)

        assert (files.row().status, files.row().error) == (Status.PARTIAL, "planning was cancelled")

    def test_everything_is_cancelled(self, ledger: Driver, files: Ingestions) -> None:
        """When all unfinished batches are given up, ingestions are cancelled and plan nothing more."""
        jobs = files.start(chunks=1, is_last=False)
        ledger.do(accept("other", is_queued=False))

        assert ledger.do(Cancel(batch_id=None, at=NOON)) == 2
        assert [files.row(name).status for name in ("m", "other")] == [Status.CANCELLED, Status.ACCEPTED]
        assert ledger.do(report(jobs[0], published())) is False
        assert ledger.do(claim_ours()) == ()

    def test_a_chunk_is_paused(self, ledger: Driver, files: Ingestions) -> None:
        """One chunk is held back while the others go on; resuming the ingestion lets it go, too."""
        ledger.do(accept())
        (plan,) = ledger.do(claim_ours())
        ledger.apply(report(plan, planned(2)), SetPaused(batch_id="m-000000", paused=True, at=NOON))

        assert [job.id for job in ledger.do(claim_ours())] == ["m-000001"]
        assert files.row().status is Status.RUNNING
        ledger.apply(act(Action.PAUSE), act(Action.RESUME))
        assert [job.id for job in ledger.do(claim_ours())] == ["m-000000"]
