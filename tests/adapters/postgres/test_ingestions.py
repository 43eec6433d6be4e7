"""Many workers on the ingestions of one database."""

import asyncio
import random

from adapters.postgres.places import Place
from millstream.adapters.postgres import PostgresLedger
from millstream.core.ingestion import (
    CHUNKS_OF_A_STEP,
    Act,
    Action,
    ClaimBatch,
    IngestionRow,
    ReadChunks,
    ReadIngestion,
    ReadIngestionEvents,
    ReadReady,
    ReadUnjoined,
    Status,
)
from millstream.core.lifecycle import State
from millstream.core.model import Job
from millstream.core.operations import Finish
from millstream.testing.ledger_suite.driver import DUE, NOON
from millstream.testing.ledger_suite.ingestion_driver import ALL, accept, claim_ours, join, planned, published, report

NAMES = ("a", "b", "c")
CHUNKS = 150


def done(job: Job) -> Finish:
    """What a worker says of its job."""
    if job.plan is None:
        return report(job, published())
    first = job.plan.at.seq
    number = min(CHUNKS_OF_A_STEP, CHUNKS - first)
    return report(job, planned(number, first=first, is_last=first + number == CHUNKS))


async def row_of(ledger: PostgresLedger, name: str) -> IngestionRow:
    """Where an ingestion stands."""
    row = await ledger.read(ReadIngestion(message_id=name))
    assert row is not None
    return row


async def all_ended(ledger: PostgresLedger) -> bool:
    """Whether there is nothing left to do."""
    return all([(await row_of(ledger, name)).ended_at is not None for name in NAMES])


async def work(ledger: PostgresLedger, draw: random.Random) -> None:
    """Claim some, and end their attempts all at once, in any order, so that groups of them share transactions."""
    while not await all_ended(ledger):
        jobs = list(await ledger.do(claim_ours(limit=draw.randrange(1, 12), lease_until=DUE)))
        draw.shuffle(jobs)
        await asyncio.gather(*(ledger.do(done(job)) for job in jobs))


async def answer_bells(ledger: PostgresLedger, draw: random.Random) -> None:
    """Claim what is said to be ready, one by one."""
    while not await all_ended(ledger):
        ready = await ledger.read(ReadReady(limit=8))
        claims = (ledger.do(ClaimBatch(batch_id=row.batch_id, at=NOON, owner="w", lease_until=DUE)) for row in ready)
        jobs = [job for job in await asyncio.gather(*claims) if job is not None]
        draw.shuffle(jobs)
        await asyncio.gather(*(ledger.do(done(job)) for job in jobs))


async def join_all(ledger: PostgresLedger) -> None:
    """Append what may be appended, as there is one joiner only."""
    while not await all_ended(ledger):
        for name in NAMES:
            rows = [row for row in await ledger.read(ReadUnjoined(limit=ALL)) if row.message_id == name]
            if rows:
                seqs = [row.seq for row in rows]
                assert await ledger.do(join(name, seqs, start=rows[0].out_bytes, size=7 * len(rows))) is True


async def pause_and_resume(ledger: PostgresLedger, draw: random.Random) -> None:
    """Owners act on ingestions all the time."""
    while not await all_ended(ledger):
        acts = [Act(message_id=name, action=Action.PAUSE, at=NOON) for name in draw.sample(NAMES, k=2)]
        await asyncio.gather(*(ledger.do(act) for act in acts))
        await asyncio.gather(*(ledger.do(Act(message_id=name, action=Action.RESUME, at=NOON)) for name in NAMES))


def test_many_workers_on_some_files(place: Place) -> None:
    """However many claim, finish, join, pause and are rung for at once, every chunk is published and counted once."""
    draw = random.Random(3)

    async def work_together() -> list[tuple[IngestionRow, list[State], list[str]]]:
        ledgers = [place.ledger() for _ in range(5)]
        await asyncio.gather(*(ledgers[0].do(accept(name)) for name in NAMES))
        workers = [work(ledgers[0], draw), work(ledgers[1], draw), answer_bells(ledgers[2], draw)]
        await asyncio.gather(*workers, join_all(ledgers[3]), pause_and_resume(ledgers[4], draw))
        found = []
        for name in NAMES:
            chunks = await ledgers[0].read(ReadChunks(message_id=name, limit=ALL))
            events = await ledgers[0].read(ReadIngestionEvents(message_id=name, limit=ALL))
            found.append(
                (await row_of(ledgers[0], name), [row.state for row in chunks], [each.what for each in events])
            )
        await asyncio.gather(*(each.close() for each in ledgers))
        return found

    for row, states, events in asyncio.run(work_together()):
        assert states == [State.DONE] * CHUNKS
        assert (row.status, row.chunks_planned, row.chunks_done) == (Status.SUCCEEDED, CHUNKS, CHUNKS)
        assert (row.records_published, row.out_bytes) == (2 * CHUNKS, 7 * CHUNKS)
        assert (events.count("chunk"), events.count("running"), events[-1]) == (CHUNKS, 1, "ended")


def test_whoever_reads_all_events_misses_none(place: Place) -> None:
    """Who reads the events of all ingestions from where it was, while many write, gets every one once, in order."""

    async def accept_many(ledger: PostgresLedger, name: str) -> None:
        for number in range(40):
            await ledger.do(accept(f"{name}{number}"))

    async def read_along(ledger: PostgresLedger, writing: "asyncio.Future[list[None]]") -> list[int]:
        seen: list[int] = []
        while True:
            is_over = writing.done()
            events = await ledger.read(ReadIngestionEvents(message_id=None, after=seen[-1] if seen else 0))
            seen.extend(event.id for event in events)
            if is_over and not events:
                return seen

    async def write_and_read() -> tuple[list[int], list[int]]:
        ledgers = [place.ledger() for _ in range(4)]
        await ledgers[3].open()
        writing = asyncio.gather(*(accept_many(each, f"l{n}-") for n, each in enumerate(ledgers[:3])))
        seen = await read_along(ledgers[3], writing)
        everything = await ledgers[3].read(ReadIngestionEvents(message_id=None, limit=ALL))
        await asyncio.gather(*(each.close() for each in ledgers))
        return seen, [event.id for event in everything]

    seen, everything = asyncio.run(write_and_read())

    assert len(everything) == 3 * 40 * 2
    assert seen == everything
