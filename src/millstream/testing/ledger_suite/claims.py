"""Who gets which batch: order, limits, pauses, crashes, leases, and many at once."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import asyncio

from millstream.core.lifecycle import State
from millstream.core.model import Done, Job, Retry
from millstream.core.operations import ExpireLeases, Release, Renew, SetPaused, Start, TakeOver
from millstream.core.queries import ReadAttempts, ReadNextDue, ReadQueuePosition
from millstream.ports import Ledger
from millstream.testing.ledger_suite.driver import (
    DUE,
    NOON,
    PIPELINE,
    Driver,
    MakeLedger,
    OnALedger,
    a_file,
    claim,
    close_batch,
    finish,
    open_batch,
    plan,
)


async def claim_everything(ledger: Ledger) -> list[Job]:
    """Claim three at a time until nothing is left."""
    claimed: list[Job] = []
    while jobs := await ledger.do(claim(limit=3)):
        claimed.extend(jobs)
    return claimed


class Claims(OnALedger):
    """What a claim gives, and to whom."""

    def test_costliest_first_then_oldest(self, ledger: Driver) -> None:
        """Batches are claimed by falling cost, and of equal cost in the order in which they came."""
        plans = [plan(a_file(name), cost_s=cost_s) for name, cost_s in [("a", 1), ("b", 5), ("c", 1), ("d", 5)]]
        ledger.apply(*plans)
        a, b, c, d = (bucket.batch_id for bucket in plans)

        assert [job.id for job in ledger.do(claim())] == [b, d, a, c]

    def test_the_position_in_the_queue(self, ledger: Driver) -> None:
        """The ledger tells how many batches of a pipeline a claim would give before one of them."""
        plans = [plan(a_file(name), cost_s=cost_s) for name, cost_s in [("a", 1), ("b", 5), ("c", 1), ("d", 5)]]
        a, b, c, d = (bucket.batch_id for bucket in plans)
        ledger.apply(*plans, plan(a_file("x"), pipeline="others", cost_s=9))

        def positions() -> list[int]:
            return [ledger.read(ReadQueuePosition(batch_id=name)) for name in (b, d, a, c)]

        assert positions() == [0, 1, 2, 3]
        ledger.do(SetPaused(batch_id=d, paused=True, at=NOON))
        assert positions() == [0, 1, 1, 2]
        ledger.do(claim(limit=1))
        assert positions() == [0, 0, 0, 1]

    def test_no_more_than_the_limit(self, ledger: Driver) -> None:
        """A claim gives at most as many batches as it asks for, and the rest to the next one."""
        for name in ("a", "b", "c"):
            ledger.ready(name)

        assert [job.id for job in ledger.do(claim(limit=2))] == ["a", "b"]
        assert [job.id for job in ledger.do(claim(limit=2))] == ["c"]
        assert ledger.do(claim(limit=2)) == ()

    def test_no_more_than_the_bytes(self, ledger: Driver) -> None:
        """Batches of one claim fit into its bytes together, but for the first, which is taken whatever its size."""
        ledger.apply(*(plan(a_file(name, size_bytes=100)) for name in ("a", "b", "c", "d")))

        assert len(ledger.do(claim(max_bytes=299))) == 2
        assert len(ledger.do(claim(max_bytes=1))) == 1
        assert len(ledger.do(claim(max_bytes=100))) == 1

    def test_not_even_one(self, ledger: Driver) -> None:
        """Who has work in hand already may ask for none rather than for one that does not fit."""
        ledger.do(plan(a_file("a", size_bytes=100)))

        assert ledger.do(claim(max_bytes=99, at_least_one=False)) == ()
        assert len(ledger.do(claim(max_bytes=100, at_least_one=False))) == 1

    def test_pipelines_are_apart(self, ledger: Driver) -> None:
        """A claim gives batches of its own pipeline only."""
        ledger.apply(plan(a_file("a")), plan(a_file("a"), pipeline="others"))

        assert [job.pipeline for job in ledger.do(claim())] == [PIPELINE]

    def test_a_paused_batch_is_held_back(self, ledger: Driver) -> None:
        """A batch that is paused is claimed only after it was let go; saying the same twice changes nothing."""
        ledger.ready("held")
        ledger.ready("free")
        pause, resume = (SetPaused(batch_id="held", paused=paused, at=NOON) for paused in (True, False))

        assert ledger.apply(pause, pause) == [1, 0]
        assert ledger.batch("held").paused is True
        assert [job.id for job in ledger.do(claim())] == ["free"]
        assert ledger.apply(resume, resume) == [1, 0]
        assert [job.id for job in ledger.do(claim())] == ["held"]

    def test_everything_is_held_back(self, ledger: Driver) -> None:
        """While all work is paused nothing is claimed; batches that are paused by name stay so afterwards."""
        ledger.ready("held")
        ledger.ready("free")
        ledger.apply(SetPaused(batch_id="held", paused=True, at=NOON), SetPaused(batch_id=None, paused=True, at=NOON))

        assert ledger.do(claim()) == ()
        ledger.do(SetPaused(batch_id=None, paused=False, at=NOON))
        assert [job.id for job in ledger.do(claim())] == ["free"]

    def test_a_retry_ripens_when_it_is_due(self, ledger: Driver) -> None:
        """A batch that waits is claimed from its time on and not before; the ledger knows when that is."""
        assert ledger.read(ReadNextDue(pipeline=PIPELINE)) is None
        ledger.in_state(State.WAITING)

        assert ledger.do(claim(at=DUE - 0.001)) == ()
        assert ledger.batch("it").state is State.WAITING
        assert ledger.read(ReadNextDue(pipeline=PIPELINE)) == DUE
        assert ledger.read(ReadNextDue(pipeline="others")) is None
        assert [job.id for job in ledger.do(claim(at=DUE))] == ["it"]
        assert ledger.read(ReadNextDue(pipeline=PIPELINE)) is None

    # --- crashes --------------------------------------------------------------------------------------------------

    def test_a_new_engine_takes_over(self, ledger: Driver) -> None:
        """What dead engines were working on is ready at once, at no charge, and their results are refused."""
        orphan = ledger.claimed("it")
        ledger.do(Start(batch_id="it", fence=orphan.fence, at=NOON))
        ledger.reopen()
        first, number = ledger.do(TakeOver(at=NOON + 9))
        row, (attempt,) = ledger.batch("it"), ledger.read(ReadAttempts(batch_id="it"))
        late = ledger.do(finish(orphan, Done()))
        (job,) = ledger.do(claim(epoch=first))
        later = ledger.do(finish(orphan, Done()))
        second, nothing = ledger.do(TakeOver(at=NOON + 10))[0], ledger.do(TakeOver(at=NOON + 11))[1]

        assert (number, nothing) == (1, 0)
        assert second > first
        assert (row.state, row.failures, row.started_at) == (State.READY, 0, None)
        assert (attempt.outcome, attempt.ended_at) == ("lost", NOON + 9)
        assert (late, later) == (False, False)
        assert (job.attempt, job.failures, job.fence) == (2, 0, orphan.fence + 1)

    def test_a_take_over_leaves_leases_alone(self, ledger: Driver) -> None:
        """Remote workers go on when an embedded engine starts."""
        ledger.ready("it")
        (job,) = ledger.do(claim(lease_until=DUE))
        _, number = ledger.do(TakeOver(at=DUE + 1))

        assert number == 0
        assert ledger.do(finish(job, Done())) is State.DONE

    def test_a_lease_expires(self, ledger: Driver) -> None:
        """A lease that was not renewed in time makes its batch ready, at no charge, and fences the worker off."""
        ledger.ready("it")
        (job,) = ledger.do(claim(lease_until=DUE))

        assert ledger.read(ReadNextDue(pipeline=PIPELINE)) == DUE
        assert ledger.do(ExpireLeases(at=DUE - 0.001)) == 0
        assert ledger.do(ExpireLeases(at=DUE)) == 1
        assert ledger.do(finish(job, Done())) is False
        assert (ledger.batch("it").state, ledger.batch("it").failures) == (State.READY, 0)
        assert [attempt.outcome for attempt in ledger.read(ReadAttempts(batch_id="it"))] == ["lost"]
        assert ledger.read(ReadNextDue(pipeline=PIPELINE)) is None

    def test_a_lease_is_renewed(self, ledger: Driver) -> None:
        """A renewed lease lasts until its new time."""
        ledger.ready("it")
        (job,) = ledger.do(claim(lease_until=DUE))
        renewed = ledger.do(Renew(batch_id="it", fence=job.fence, lease_until=DUE + 60))

        assert renewed is True
        assert ledger.do(ExpireLeases(at=DUE + 59)) == 0
        assert ledger.read(ReadNextDue(pipeline=PIPELINE)) == DUE + 60
        assert ledger.do(finish(job, Done())) is State.DONE
        assert ledger.do(ExpireLeases(at=DUE + 61)) == 0

    def test_embedded_claims_do_not_expire(self, ledger: Driver) -> None:
        """A claim without a lease has no clock."""
        ledger.claimed("it")

        assert ledger.do(ExpireLeases(at=NOON + 1_000_000)) == 0

    def test_a_lease_ends_with_its_attempt(self, ledger: Driver) -> None:
        """Neither a batch that waits nor one that was released has a lease that could expire."""
        ledger.ready("waits")
        ledger.ready("released")
        for job in ledger.do(claim(lease_until=DUE)):
            if job.id == "waits":
                ledger.do(finish(job, Retry()))
            else:
                ledger.do(Release(batch_id=job.id, fence=job.fence, at=NOON))
        embedded = ledger.do(claim(at=DUE))

        assert {job.id for job in embedded} == {"waits", "released"}
        assert ledger.do(ExpireLeases(at=DUE + 1)) == 0

    # --- many at once ---------------------------------------------------------------------------------------------

    def test_no_batch_is_claimed_twice(self, ledger: Driver, make_ledger: MakeLedger) -> None:
        """However many tasks claim at once, through two ledgers on one store, every batch is given out once."""
        names = {f"batch-{number:03d}" for number in range(100)}
        for name in names:
            ledger.apply(open_batch(name), close_batch(name))

        async def claim_through_two() -> list[Job]:
            other = make_ledger()
            claims = await asyncio.gather(*(claim_everything(one) for one in [ledger.ledger, other] * 5))
            await other.close()
            return [job for jobs in claims for job in jobs]

        jobs = ledger.run(claim_through_two())

        assert len(jobs) == len(names)
        assert {job.id for job in jobs} == names
        assert {(job.attempt, job.fence) for job in jobs} == {(1, 1)}
