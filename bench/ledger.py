"""Whole lives of batches through the ledger with fsync: open, close, claim, done."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.model import AttemptResult, CutReason, Done, Kind
from millstream.core.operations import Claim, CloseBatch, DeclarePipeline, Finish, OpenBatch

AT_ONCE = 500


async def lives(ledger: SqliteLedger, *, batches: int) -> float:
    """Batches per second, with many callers waiting at the same time as in a busy engine."""
    await ledger.do(DeclarePipeline(name="b", kind=Kind.MINIBATCH, at=0.0))
    gate = asyncio.Semaphore(AT_ONCE)

    async def live(number: int) -> None:
        async with gate:
            name = f"b-{number:08d}"
            opened = OpenBatch(batch_id=name, pipeline="b", key=None, seq=number, opened_at=1.0, closes_at=2.0, start=0)
            closed = CloseBatch(
                batch_id=name,
                cut=CutReason.TIME,
                closed_at=2.0,
                at=2.0,
                records=1,
                size_bytes=1,
                checksum=0,
                ranges=((0, 1),),
            )
            await ledger.apply([opened])
            await ledger.apply([closed])
            claim = Claim(pipeline="b", at=3.0, limit=1, max_bytes=1 << 40, owner="bench", epoch=1)
            for job in await ledger.do(claim):
                await ledger.do(Finish(batch_id=job.id, fence=job.fence, at=4.0, result=AttemptResult(outcome=Done())))

    began = time.perf_counter()
    await asyncio.gather(*(live(number) for number in range(1, batches + 1)))
    return batches / (time.perf_counter() - began)


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
