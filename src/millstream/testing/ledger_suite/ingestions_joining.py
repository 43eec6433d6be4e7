"""Joining, ringing, and looking at ingestions."""

# ruff: noqa: S101 - a suite asserts, and its numbers are examples

from millstream.core.ingestion import (
    PIPELINE,
    Act,
    Action,
    ChunkTask,
    ClaimBatch,
    PlanTask,
    ReadReady,
    ReadUnjoined,
    Redo,
    Status,
)
from millstream.core.lifecycle import State
from millstream.core.model import Done, Kind, Retry
from millstream.core.operations import SetPaused
from millstream.testing.ledger_suite.driver import DUE, NOON, Driver, finish
from millstream.testing.ledger_suite.ingestion_driver import (
    FOUND,
    Ingestions,
    a_chunk,
    accept,
    border,
    bury,
    claim_ours,
    join,
    planned,
    report,
    spec,
)
from millstream.testing.ledger_suite.ingestions import OnIngestions


class Joining(OnIngestions):
    """How chunks become one file."""

    def test_chunks_are_joined_in_order(self, ledger: Driver, files: Ingestions) -> None:
        """A done chunk may be joined when no unfinished one stands before it; a dead one is passed over."""
        jobs = files.start(chunks=5)

        def next_ones() -> list[int]:
            return [row.seq for row in ledger.read(ReadUnjoined())]

        files.finish(jobs[1], jobs[4])
        assert next_ones() == []
        files.finish(jobs[0])
        assert next_ones() == [0, 1]
        ledger.do(bury(jobs[2]))
        assert next_ones() == [0, 1]
        assert files.join() is True
        assert next_ones() == []
        files.finish(jobs[3])
        (row, _) = ledger.read(ReadUnjoined())
        assert (row.seq, row.sink, row.receipt, row.size_bytes, row.out_bytes) == (3, "out", "r", 7, 14)
        assert len(ledger.read(ReadUnjoined(limit=1))) == 1
        files.join()
        assert (files.row().status, files.row().out_bytes) == (Status.PARTIAL, 28)

    def test_joining_is_guarded_by_the_length(self, ledger: Driver, files: Ingestions) -> None:
        """A joiner that is not up to date, or speaks of chunks that cannot be joined, changes nothing."""
        jobs = files.start(chunks=3)
        files.finish(jobs[0], jobs[1])
        ledger.do(join("m", [0], start=0, size=7))
        before = files.everything()
        stale = [
            join("m", [1], start=0, size=7),
            join("m", [0], start=7, size=7),
            join("m", [1, 1], start=7, size=7),
            join("m", [1, 2], start=7, size=7),
            join("m", [9], start=7, size=7),
            join("other", [1], start=0, size=7),
        ]

        assert ledger.apply(*stale) == [False] * len(stale)
        assert files.everything() == before
        assert ledger.do(join("m", [1], start=7, size=7)) is True

    def test_a_chunk_whose_part_is_lost_is_worked_again(self, ledger: Driver, files: Ingestions) -> None:
        """Until then its records do not count, and what stands behind it is not joined; in the end all is there."""
        jobs = files.start(chunks=3)
        files.finish(*jobs)
        before = files.row()

        assert ledger.do(lost(1)) is True
        during = files.row()
        assert files.states() == [State.DONE, State.READY, State.DONE]
        assert (during.status, during.chunks_done, during.chunks_failed) == (Status.RUNNING, 2, 0)
        assert 3 * during.records_published == 2 * before.records_published
        assert [row.seq for row in ledger.read(ReadUnjoined())] == [0]
        assert files.chunks()[1].error == "it is gone"
        (again,) = ledger.do(claim_ours())
        assert (again.id, again.attempt) == (jobs[1].id, 2)
        assert ledger.do(report(jobs[1], None, outcome=Done())) is False
        files.finish(again)
        files.join()
        after = files.row()
        assert (after.status, after.records_published) == (Status.SUCCEEDED, before.records_published)
        assert after.bytes_done == before.bytes_done

    def test_only_what_is_done_and_not_joined_can_be_lost(self, ledger: Driver, files: Ingestions) -> None:
        """What is running, joined, unknown or of an ingestion that has ended stays what it is."""
        jobs = files.start(chunks=3)
        files.finish(jobs[0], jobs[1])
        ledger.do(join("m", [0], start=0, size=7))
        files.start("over", chunks=1)
        ledger.do(Act(message_id="over", action=Action.CANCEL, at=NOON))
        before = files.everything()

        assert ledger.apply(lost(0), lost(2), lost(9), lost(0, "over"), lost(0, "none")) == [False] * 5
        assert files.everything() == before

    def test_what_is_lost_while_it_is_paused_waits(self, ledger: Driver, files: Ingestions) -> None:
        """Nobody works it before it is resumed."""
        files.finish(*files.start(chunks=2))
        ledger.do(Act(message_id="m", action=Action.PAUSE, at=NOON))
        ledger.do(lost(0))

        assert ledger.do(claim_ours()) == ()
        ledger.do(Act(message_id="m", action=Action.RESUME, at=NOON))
        assert [job.id for job in ledger.do(claim_ours())] == ["m-000000"]


def lost(seq: int, message_id: str = "m") -> Redo:
    """The part of a chunk is gone."""
    return Redo(message_id=message_id, seq=seq, reason="it is gone", at=NOON)


class Ringing(OnIngestions):
    """How workers get one batch each."""

    def test_one_batch_is_claimed(self, ledger: Driver, files: Ingestions) -> None:
        """A worker that was rung for a batch gets it with a lease, complete, if it is ready, and nobody else does."""
        ledger.do(accept())
        rung = ClaimBatch(batch_id="m-plan-000000", at=NOON, owner="worker", lease_until=DUE)
        plan = ledger.do(rung)

        assert plan is not None
        assert (plan.plan, plan.attempt, plan.fence) == (PlanTask(spec=spec(), found=None, at=border(0)), 1, 1)
        assert files.row().status is Status.RUNNING
        assert ledger.do(rung) is None
        assert ledger.do(ClaimBatch(batch_id="other", at=NOON, owner="worker", lease_until=DUE)) is None
        assert ledger.batch(plan.id).owner == "worker"
        ledger.do(report(plan, planned(1)))
        chunk = ledger.do(ClaimBatch(batch_id="m-000000", at=NOON, owner="worker", lease_until=DUE))
        assert chunk is not None
        assert chunk.chunk == ChunkTask(spec=spec(), found=FOUND, chunk=a_chunk(0))

    def test_one_batch_of_another_kind_is_claimed(self, ledger: Driver) -> None:
        """A minibatch is claimed in the same way, when it is due and not paused."""
        ledger.in_state(State.WAITING)

        def rung(at: float) -> ClaimBatch:
            return ClaimBatch(batch_id="it", at=at, owner="worker", lease_until=DUE + 60)

        assert ledger.do(rung(DUE - 1)) is None
        ledger.do(SetPaused(batch_id="it", paused=True, at=NOON))
        assert ledger.do(rung(DUE)) is None
        ledger.apply(SetPaused(batch_id="it", paused=False, at=NOON), SetPaused(batch_id=None, paused=True, at=NOON))
        assert ledger.do(rung(DUE)) is None
        ledger.do(SetPaused(batch_id=None, paused=False, at=NOON))
        job = ledger.do(rung(DUE))
        assert job is not None
        assert (job.kind, job.ranges, job.attempt) == (Kind.MINIBATCH, ((0, 30),), 2)
        assert ledger.do(finish(job, Done())) is State.DONE

    def test_who_is_to_be_rung_for(self, ledger: Driver) -> None:
        """Ready batches are listed in the order of the queue, of a pipeline or an ingestion, without what is paused."""
        ledger.ready("minibatch")
        ledger.do(accept("a"))
        (plan,) = ledger.do(claim_ours())
        ledger.apply(report(plan, planned(2)), accept("b"))

        def ready(query: ReadReady) -> list[str]:
            return [row.batch_id for row in ledger.read(query)]

        assert ready(ReadReady(pipeline=PIPELINE)) == ["b-plan-000000", "a-000000", "a-000001"]
        assert ready(ReadReady(message_id="a")) == ["a-000000", "a-000001"]
        assert ready(ReadReady(message_id="a", limit=1)) == ["a-000000"]
        assert ready(ReadReady()) == ["b-plan-000000", "minibatch", "a-000000", "a-000001"]
        (row,) = ledger.read(ReadReady(message_id="b"))
        assert (row.pipeline, row.key, row.attempts) == (PIPELINE, "b", 0)
        ledger.do(Act(message_id="a", action=Action.PAUSE, at=NOON))
        assert ready(ReadReady(message_id="a")) == []
        assert ready(ReadReady(pipeline=PIPELINE)) == ["b-plan-000000"]
        ledger.do(SetPaused(batch_id=None, paused=True, at=NOON))
        assert ready(ReadReady()) == ready(ReadReady(message_id="b")) == ready(ReadReady(pipeline=PIPELINE)) == []

    def test_retries_that_are_due_are_to_be_rung_for(self, ledger: Driver, files: Ingestions) -> None:
        """With a time, batches whose retry is due by then are listed as well."""
        (job,) = files.start(chunks=1)
        ledger.do(report(job, None, outcome=Retry()))

        for query in ({"message_id": "m"}, {"pipeline": PIPELINE}, {}):
            assert ledger.read(ReadReady(**query)) == ()  # type: ignore[arg-type]
            assert ledger.read(ReadReady(at=DUE - 1, **query)) == ()  # type: ignore[arg-type]
            assert [row.batch_id for row in ledger.read(ReadReady(at=DUE, **query))] == [job.id]  # type: ignore[arg-type]
