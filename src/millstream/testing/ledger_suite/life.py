"""One batch: its whole life, the steps that are allowed, its fences and its attempts."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

from dataclasses import replace

import pytest

from millstream.core.lifecycle import TRANSITIONS, State, Step, allowed
from millstream.core.model import CutReason, Discard, Done, Eviction, Job, Kind, Outcome, Retry
from millstream.core.operations import (
    Cancel,
    DeclarePipeline,
    Evict,
    GrowBatch,
    Operation,
    Release,
    Renew,
    Revive,
    Start,
    TakeOver,
)
from millstream.core.queries import ReadAttempts, ReadBatches
from millstream.core.rows import AttemptRow, BatchRow
from millstream.testing.ledger_suite.driver import (
    DUE,
    NOON,
    OUTCOMES,
    PIPELINE,
    Driver,
    OnALedger,
    a_file,
    claim,
    close_batch,
    finish,
    open_batch,
)


def asking_for(step: Step, row: BatchRow) -> Operation[object]:
    """What asks a ledger to take `step` with a batch."""
    ends = {
        end: finish(row, OUTCOMES[TRANSITIONS[end].target], bury=end is Step.BURY)
        for end in (Step.DONE, Step.DISCARD, Step.RETRY, Step.BURY)
    }
    operations: dict[Step, Operation[object]] = {
        Step.CLOSE: close_batch(row.id),
        Step.CLOSE_CANCELLED: close_batch(row.id),
        Step.CLAIM: claim(),
        Step.RELEASE: Release(batch_id=row.id, fence=row.fence, at=NOON),
        Step.LOSE: TakeOver(at=NOON),
        Step.RIPEN: claim(at=DUE, limit=0),
        Step.REVIVE: Revive(batch_id=row.id, at=NOON),
        Step.CANCEL: Cancel(batch_id=row.id, at=NOON),
        **ends,
    }
    return operations[step]


def fenced(fence: int) -> list[Operation[object]]:
    """Everything that a worker may say of the batch `it` that it claimed."""
    job = Job(id="it", kind=Kind.MINIBATCH, pipeline=PIPELINE, attempt=1, fence=fence)
    return [
        *(finish(job, outcome) for outcome in OUTCOMES.values()),
        finish(job, Retry(), bury=True),
        Start(batch_id="it", fence=fence, at=NOON),
        Release(batch_id="it", fence=fence, at=NOON),
        Renew(batch_id="it", fence=fence, lease_until=DUE),
        Evict(
            batch_id="it",
            fence=fence,
            evictions=(Eviction(listed=a_file("a"), current=None),),
            at=NOON,
            not_before=DUE,
        ),
    ]


def opened_grown_closed(ledger: Driver) -> tuple[BatchRow, BatchRow, BatchRow]:
    """What the ledger says of the minibatch `it` at each step until it is ready."""
    ledger.apply(
        DeclarePipeline(name=PIPELINE, kind=Kind.MINIBATCH, at=NOON),
        open_batch("it", key="customer 7", start=10, log="runs"),
    )
    opened = ledger.batch("it")
    grow = GrowBatch(
        batch_id="it",
        records=2,
        size_bytes=20,
        checksum=99,
        last_at=NOON - 5,
        ranges=((10, 30),),
        spilled_records=1,
    )
    ledger.apply(grow, grow)
    grown = ledger.batch("it")
    ledger.do(close_batch("it", start=10))
    return opened, grown, ledger.batch("it")


class LifeOfABatch(OnALedger):
    """What happens to one batch."""

    def test_a_minibatch_until_it_is_closed(self, ledger: Driver) -> None:
        """A minibatch is opened, grows and is closed, and every fact of it is kept."""
        opened, grown, closed = opened_grown_closed(ledger)

        assert (opened.state, opened.kind, opened.key, opened.start) == (State.OPEN, Kind.MINIBATCH, "customer 7", 10)
        assert (opened.opened_at, opened.closes_at, opened.records) == (NOON - 60, NOON, 0)
        assert (grown.records, grown.size_bytes, grown.spilled_records, grown.last_at) == (2, 20, 1, NOON - 5)
        assert (closed.state, closed.cut, closed.closed_at) == (State.READY, CutReason.TIME, NOON)
        assert (closed.records, closed.checksum, closed.ranges) == (3, 1234, ((10, 40),))

    def test_a_minibatch_from_its_claim_on(self, ledger: Driver) -> None:
        """A minibatch is claimed with all that a worker must know, is started and done, and every fact is kept."""
        _, _, closed = opened_grown_closed(ledger)
        (job,) = ledger.do(claim(at=NOON + 1))
        ledger.do(Start(batch_id="it", fence=job.fence, at=NOON + 2))
        started = ledger.batch("it")
        end = ledger.do(finish(job, Done("fine"), at=NOON + 3))
        done = ledger.batch("it")

        assert job == Job(
            id="it",
            kind=Kind.MINIBATCH,
            pipeline=PIPELINE,
            attempt=1,
            fence=closed.fence + 1,
            records=3,
            size_bytes=30,
            key="customer 7",
            cut=CutReason.TIME,
            opened_at=NOON - 60,
            closed_at=NOON,
            log="runs",
            ranges=((10, 40),),
            checksum=1234,
        )
        assert (started.state, started.claimed_at, started.started_at) == (State.RUNNING, NOON + 1, NOON + 2)
        assert end is State.DONE
        assert (done.state, done.finished_at, done.attempts, done.failures) == (State.DONE, NOON + 3, 1, 0)
        assert done.error is None

    @pytest.mark.parametrize("step", [step for step in Step if step is not Step.REDO])  # that is of chunks alone
    @pytest.mark.parametrize("state", State)
    def test_steps_are_guarded(self, ledger: Driver, state: State, step: Step) -> None:
        """A step is taken from exactly the states of the table; from any other it changes nothing at all."""
        before = ledger.in_state(state)
        if step is Step.CLOSE_CANCELLED and state is State.OPEN:
            ledger.do(Cancel(batch_id=before.id, at=NOON))
        ledger.do(asking_for(step, before))
        after = ledger.batch(before.id)

        assert before.state is state
        if allowed(step, state):
            assert after.state is TRANSITIONS[step].target
        else:
            assert replace(after, cancelled=False) == before

    def test_a_closed_minibatch_grows_no_more(self, ledger: Driver) -> None:
        """Growing and closing a minibatch that is closed changes nothing and says so."""
        ledger.ready("it")
        before = ledger.batch("it")
        late = GrowBatch(batch_id="it", records=9, size_bytes=90, checksum=9, last_at=NOON, ranges=((0, 90),))

        assert ledger.apply(late, close_batch("it", size_bytes=90)) == [False, False]
        assert ledger.batch("it") == before

    @pytest.mark.parametrize("late_operation", fenced(1), ids=repr)
    def test_an_old_fence_is_refused(self, ledger: Driver, late_operation: Operation[object]) -> None:
        """What a worker says after its claim was taken from it is answered with False and changes nothing."""
        first = ledger.claimed("it")
        ledger.do(Release(batch_id="it", fence=first.fence, at=NOON))
        (second,) = ledger.do(claim())
        before = ledger.batch("it"), ledger.read(ReadAttempts(batch_id="it"))

        assert (first.fence, second.fence, second.attempt) == (1, 2, 2)
        assert ledger.do(late_operation) is False
        assert (ledger.batch("it"), ledger.read(ReadAttempts(batch_id="it"))) == before
        assert len(ledger.read(ReadBatches())) == 1

    @pytest.mark.parametrize("stray_operation", fenced(1), ids=repr)
    def test_a_batch_nobody_knows(self, ledger: Driver, stray_operation: Operation[object]) -> None:
        """A result for a batch that is not there is refused like one with an old fence."""
        assert ledger.do(stray_operation) is False
        assert ledger.read(ReadBatches()) == ()

    def test_attempts_are_remembered(self, ledger: Driver) -> None:
        """Every attempt that ended is listed with its outcome, in order, and failures count what was charged."""
        ends: list[tuple[Outcome, bool, bool]] = [
            (Retry(error="it broke"), False, True),
            (Retry(error="the host died"), True, False),
            (Retry(error="the host died again"), True, True),
            (Done(), False, True),
        ]
        ledger.ready("it")
        failures = []
        for number, (outcome, lost, charged) in enumerate(ends):
            (job,) = ledger.do(claim(at=DUE + number))
            failures.append(job.failures)
            ledger.do(finish(job, outcome, at=DUE + number, seconds=0.5, lost=lost, charged=charged))
        attempts = ledger.read(ReadAttempts(batch_id="it"))

        assert [row.attempt for row in attempts] == [1, 2, 3, 4]
        assert [row.outcome for row in attempts] == ["retry", "lost", "lost", "done"]
        assert [row.error for row in attempts] == ["it broke", "the host died", "the host died again", None]
        assert [(row.claimed_at, row.ended_at) for row in attempts] == [(DUE + n, DUE + n) for n in range(4)]
        assert {(row.seconds, row.batch_id) for row in attempts} == {(0.5, "it")}
        assert failures == [0, 1, 1, 2]
        assert (ledger.batch("it").attempts, ledger.batch("it").failures) == (4, 2)

    def test_a_failed_batch_waits(self, ledger: Driver) -> None:
        """A retry leads to waiting, with the error of the attempt and the time from which it may be worked."""
        end = ledger.do(finish(ledger.claimed("it"), Retry(error="it broke"), alone=True))
        waiting = ledger.batch("it")

        assert end is State.WAITING
        assert (waiting.error, waiting.not_before, waiting.alone) == ("it broke", DUE, True)
        (job,) = ledger.do(claim(at=DUE))
        assert (job.alone, job.failures) == (True, 1)

    def test_a_discarded_batch(self, ledger: Driver) -> None:
        """A handler that gives its batch up leaves its reason, and no failure is charged."""
        end = ledger.do(finish(ledger.claimed("it"), Discard("not wanted")))
        row, (attempt,) = ledger.batch("it"), ledger.read(ReadAttempts(batch_id="it"))

        assert end is State.DISCARDED
        assert (row.error, row.failures, row.finished_at) == ("not wanted", 0, NOON)
        assert (attempt.outcome, attempt.error) == ("discard", "not wanted")

    def test_a_released_batch(self, ledger: Driver) -> None:
        """A drain gives a batch back at no charge; the attempt is listed, the next one has a new number and fence."""
        first = ledger.claimed("it")
        released = ledger.do(Release(batch_id="it", fence=first.fence, at=NOON + 1, reason="draining"))
        (attempt,) = ledger.read(ReadAttempts(batch_id="it"))
        (second,) = ledger.do(claim())

        assert released is True
        assert attempt == AttemptRow(
            batch_id="it",
            attempt=1,
            claimed_at=NOON,
            ended_at=NOON + 1,
            outcome="released",
            seconds=0.0,
            error="draining",
            owner=attempt.owner,
        )
        assert (second.attempt, second.fence, second.failures) == (2, first.fence + 1, 0)

    def test_a_dead_batch_revives(self, ledger: Driver) -> None:
        """A batch that is buried is dead with its error until an operator revives it, with fresh retries."""
        end = ledger.do(finish(ledger.claimed("it"), Retry(error="it broke"), bury=True, alone=True))
        dead = ledger.batch("it")
        revived = ledger.do(Revive(batch_id="it", at=NOON))
        ready = ledger.batch("it")
        (job,) = ledger.do(claim())

        assert end is State.DEAD
        assert (dead.error, dead.failures, dead.finished_at) == ("it broke", 1, NOON)
        assert revived == 1
        assert (ready.state, ready.failures, ready.alone, ready.finished_at) == (State.READY, 0, False, None)
        assert (job.attempt, job.failures) == (2, 0)

    def test_all_dead_batches_revive(self, ledger: Driver) -> None:
        """Without a name every dead batch is revived and nothing else."""
        for number in range(2):
            ledger.in_state(State.DEAD, batch_id=f"dead-{number}")
        done = ledger.in_state(State.DONE)

        assert ledger.do(Revive(batch_id=None, at=NOON)) == 2
        assert {job.id for job in ledger.do(claim())} == {"dead-0", "dead-1"}
        assert ledger.batch("it") == done
        assert ledger.do(Revive(batch_id="nobody", at=NOON)) == 0
