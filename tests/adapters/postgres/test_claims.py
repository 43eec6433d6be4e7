"""Many callers on one database."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

from adapters import child
from adapters.postgres.places import Place, place_of
from millstream.adapters.postgres import PostgresLedger
from millstream.core.model import Done
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadTotals
from millstream.testing.ledger_suite.driver import a_file, claim, close_batch, finish, open_batch, plan

BATCHES = 400
TIMEOUT_S = 30


async def work_everything(ledger: PostgresLedger) -> None:
    """Claim a few at a time and finish them, until nothing is left; print what was finished."""
    while jobs := await ledger.do(claim(limit=3, lease_until=1e9)):
        ends = await asyncio.gather(*(ledger.do(finish(job, Done())) for job in jobs))
        for job, end in zip(jobs, ends, strict=True):
            print(f"{job.id} {job.attempt} {end}", flush=True)


def work_in_four_tasks(_folder: Path) -> None:
    """Work in a process of its own, beside others."""

    async def main() -> None:
        ledger = place_of(sys.stdin.readline()).ledger()
        await asyncio.gather(*(work_everything(ledger) for _ in range(4)))
        await ledger.close()

    asyncio.run(main())


def test_no_batch_is_worked_twice(place: Place, tmp_path: Path) -> None:
    """Sixteen claimers in four processes get every batch once, and nobody gets another's."""
    names = [f"batch-{number:03d}" for number in range(BATCHES)]

    async def make() -> None:
        ledger = place.ledger()
        await asyncio.gather(*(ledger.apply([open_batch(name), close_batch(name)]) for name in names))
        await ledger.close()

    asyncio.run(make())
    workers = [child.start(work_in_four_tasks, folder=tmp_path) for _ in range(4)]
    for worker in workers:
        child.say(worker, str(place))
    said = [line for worker in workers for line in worker.communicate(timeout=TIMEOUT_S)[0].splitlines()]

    assert Counter(said) == Counter(f"{name} 1 done" for name in names)
    assert [worker.returncode for worker in workers] == [0] * 4
    assert place.execute("SELECT COUNT(*), MIN(attempts), MAX(attempts), MAX(fence) FROM batch") == [(BATCHES, 1, 1, 1)]


def test_who_was_left_over_is_rung(place: Place) -> None:
    """A claim that had locked more than it took rings for those who passed the rest by meanwhile."""

    async def claim_one_of_three() -> int:
        ours, theirs, rung = place.ledger(), place.ledger(), asyncio.Semaphore(0)
        await ours.apply([plan(a_file(name)) for name in "abc"])
        stop = theirs.listen(rung.release)
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)  # it listens
        jobs = await ours.do(claim(max_bytes=1))
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)
        stop()
        await asyncio.gather(ours.close(), theirs.close())
        return len(jobs)

    assert asyncio.run(claim_one_of_three()) == 1


def test_deadlocks_are_solved(place: Place) -> None:
    """Transactions that want the same rows in different orders wait for each other or are done again, none fails."""
    names = [f"batch-{number:02d}" for number in range(40)]

    async def pull_both_ways() -> int:
        ledgers = [place.ledger(), place.ledger()]
        await ledgers[0].apply([each for name in names for each in (open_batch(name), close_batch(name))])
        jobs = await ledgers[0].do(claim(lease_until=10.0))
        for turn in range(10):
            ups = [finish(job, Done(), at=float(turn)) for job in jobs]
            await asyncio.gather(ledgers[0].apply(ups), ledgers[1].apply(ups[::-1]))
        (total,) = await ledgers[0].read(ReadTotals())
        await asyncio.gather(*(each.close() for each in ledgers))
        return total.batches

    assert asyncio.run(pull_both_ways()) == len(names)


def test_calls_that_wait_share_a_transaction(place: Place) -> None:
    """A hundred calls at the same time are committed together."""

    async def apply_at_once() -> None:
        ledger = place.ledger()
        await asyncio.gather(*(ledger.do(SetMeta(key=f"{number}", value="1")) for number in range(100)))
        await ledger.close()

    asyncio.run(apply_at_once())

    ((rows, transactions),) = place.execute("SELECT COUNT(*), COUNT(DISTINCT xmin::text) FROM meta")
    assert rows == 100
    assert transactions <= 2
