"""Whole lives of batches through the ledger with fsync: open, close, claim, done."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.model import AttemptResult, CutReason, Done, Job, Kind
from millstream.core.operations import Claim, CloseBatch, DeclarePipeline, Finish, OpenBatch

AT_ONCE = 500
QUEUE = 50


async def lives(ledger: SqliteLedger, *, batches: int) -> float:
    """Batches per second, with as many callers as in a busy engine.

    Each opens and closes one; a dispatcher claims up to 50 at a time, each of which is finished by its own caller.
    """
    await ledger.do(DeclarePipeline(name="b", kind=Kind.MINIBATCH, at=0.0))
    gate = asyncio.Semaphore(AT_ONCE)

    async def cut(number: int) -> None:
        name = f"b-{number:08d}"
        async with gate:
            opened = OpenBatch(batch_id=name, pipeline="b", key=None, seq=number, opened_at=1.0, closes_at=2.0, start=0)
            await ledger.apply([opened])
            await ledger.apply([closing(name)])

    async def work() -> None:
        done = 0
        claim = Claim(pipeline="b", at=3.0, limit=QUEUE, max_bytes=1 << 40, owner="bench", epoch=1)
        while done < batches:
            jobs = await ledger.do(claim)
            await asyncio.gather(*(ledger.do(finishing(job)) for job in jobs))
            done += len(jobs)

    began = time.perf_counter()
    await asyncio.gather(work(), *(cut(number) for number in range(1, batches + 1)))
    return batches / (time.perf_counter() - began)


def closing(name: str) -> CloseBatch:
    """A minibatch of one record was due."""
    return CloseBatch(
        batch_id=name,
        cut=CutReason.TIME,
        closed_at=2.0,
        at=2.0,
        records=1,
        size_bytes=1,
        checksum=0,
        ranges=((0, 1),),
    )


def finishing(job: Job) -> Finish:
    """Its attempt succeeded."""
    return Finish(batch_id=job.id, fence=job.fence, at=4.0, result=AttemptResult(outcome=Done()))


def run(*, quick: bool) -> dict[str, object]:
    """All figures of this file."""
    figures = []
    for _ in range(2 if quick else 5):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:

            async def measure(path: Path) -> float:
                ledger = SqliteLedger(path)
                try:
                    return await lives(ledger, batches=2_000 if quick else 20_000)
                finally:
                    await ledger.close()

            figures.append(asyncio.run(measure(Path(name) / "ledger.db")))
    return {"batches_per_s": figures}


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=1))
