"""How the suite talks to a ledger: from synchronous tests, in few words.

Theory of operation: every test gets a `Driver` on an empty ledger of its own. The functions at the end build the
operations of the one pipeline that the tests use, with everything filled in that does not matter, so that a test
names only what it is about. Times are engine seconds; things happen at `NOON` unless a test says otherwise.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

import pytest

from millstream.core.identity import bucket_id
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, CutReason, Discard, Done, FileRef, Job, Outcome, Retry
from millstream.core.operations import Claim, CloseBatch, Finish, OpenBatch, Operation, PlanBucket
from millstream.core.queries import Query, ReadBatches
from millstream.core.rows import BatchRow
from millstream.ports import Ledger

Answer = TypeVar("Answer")
MakeLedger = Callable[[], Ledger]

PIPELINE = "orders"
NOON = 43_200.0
DUE = NOON + 60.0
"""When a batch that waits for its retry may be worked again."""

OUTCOMES: dict[State, Outcome] = {
    State.WAITING: Retry(error="it broke"),
    State.DEAD: Retry(error="it broke"),
    State.DONE: Done(),
    State.DISCARDED: Discard("not wanted"),
}
"""What an attempt must come to for its batch to get into a state."""


class Driver:
    """One ledger and the event loop that its calls run in."""

    def __init__(self, make_ledger: MakeLedger) -> None:
        self._make_ledger = make_ledger
        self._runner = asyncio.Runner()
        self.ledger = make_ledger()

    def run(self, work: Coroutine[object, object, Answer]) -> Answer:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    def do(self, operation: Operation[Answer]) -> Answer:
        """Apply one operation."""
        return self.run(self.ledger.do(operation))

    def apply(self, *operations: Operation[object]) -> list[object]:
        """Apply several operations in one call."""
        return self.run(self.ledger.apply(operations))

    def read(self, query: Query[Answer]) -> Answer:
        """Answer a query."""
        return self.run(self.ledger.read(query))

    def batch(self, batch_id: str) -> BatchRow:
        """The row of a batch."""
        (row,) = self.read(ReadBatches(batch_id=batch_id))
        return row

    def reopen(self) -> None:
        """Close the ledger and open it again, as the next process does."""
        self.run(self.ledger.close())
        self.ledger = self._make_ledger()

    def close(self) -> None:
        """Close the ledger and the event loop."""
        self.run(self.ledger.close())
        self._runner.close()

    def ready(self, batch_id: str) -> None:
        """Open a minibatch and close it."""
        self.apply(open_batch(batch_id), close_batch(batch_id))

    def claimed(self, batch_id: str) -> Job:
        """Open a minibatch, close it and claim it; no other may be ready."""
        self.ready(batch_id)
        (job,) = self.do(claim())
        return job

    def in_state(self, state: State, *, batch_id: str = "it") -> BatchRow:
        """Drive a new minibatch into `state`; no other may be ready."""
        match state:
            case State.OPEN:
                self.do(open_batch(batch_id))
            case State.READY:
                self.ready(batch_id)
            case State.RUNNING:
                self.claimed(batch_id)
            case _:
                self.do(finish(self.claimed(batch_id), OUTCOMES[state], bury=state is State.DEAD))
        return self.batch(batch_id)


class OnALedger:
    """Tests of a ledger; `make_ledger` is what an adapter's tests override."""

    @pytest.fixture
    def make_ledger(self) -> MakeLedger:
        """A function that opens a ledger; within one test all that it opens share one store, empty at first."""
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, make_ledger: MakeLedger) -> Iterator[Driver]:
        """A driver of an empty ledger."""
        driver = Driver(make_ledger)
        yield driver
        driver.close()


def open_batch(
    batch_id: str, *, pipeline: str = PIPELINE, seq: int = 1, key: str | None = None, start: int = 0, log: str = "main"
) -> OpenBatch:
    """A minibatch opens; it is due a minute later."""
    return OpenBatch(
        batch_id=batch_id,
        pipeline=pipeline,
        key=key,
        seq=seq,
        opened_at=NOON - 60.0,
        closes_at=NOON,
        start=start,
        log=log,
    )


def close_batch(batch_id: str, *, start: int = 0, size_bytes: int = 30) -> CloseBatch:
    """A minibatch of three records is due."""
    return CloseBatch(
        batch_id=batch_id,
        cut=CutReason.TIME,
        closed_at=NOON,
        at=NOON,
        records=3,
        size_bytes=size_bytes,
        checksum=1234,
        ranges=((start, start + size_bytes),),
    )


def claim(
    *,
    pipeline: str = PIPELINE,
    at: float = NOON,
    limit: int = 100,
    max_bytes: int = 1_000_000,
    at_least_one: bool = True,
    epoch: int = 1,
    lease_until: float | None = None,
) -> Claim:
    """Claim what is ready: all of it, unless a limit is given."""
    return Claim(
        pipeline=pipeline,
        at=at,
        limit=limit,
        max_bytes=max_bytes,
        at_least_one=at_least_one,
        owner="engine",
        epoch=epoch,
        lease_until=lease_until,
    )


def finish(
    claimed: Job | BatchRow,
    outcome: Outcome,
    *,
    at: float = NOON,
    bury: bool = False,
    seconds: float = 0.5,
    charged: bool = True,
    alone: bool = False,
    lost: bool = False,
) -> Finish:
    """An attempt ends; if it is to be repeated, then not before `DUE`."""
    result = AttemptResult(outcome=outcome, seconds=seconds, charged=charged, alone=alone, lost=lost)
    return Finish(batch_id=claimed.id, fence=claimed.fence, at=at, result=result, not_before=DUE, bury=bury)


def a_file(name: str, *, version: int = 1, size_bytes: int = 100) -> FileRef:
    """A file in the folder `/in`, in some version."""
    return FileRef(path=f"/in/{name}", size_bytes=size_bytes, mtime_ns=version, inode=version, root="/in", name=name)


def plan(*files: FileRef, pipeline: str = PIPELINE, cost_s: float = 1.0, at: float = NOON) -> PlanBucket:
    """A bucket of files is planned."""
    return PlanBucket(
        batch_id=bucket_id(pipeline, files=files),
        pipeline=pipeline,
        files=files,
        size_bytes=sum(file.size_bytes for file in files),
        cost_s=cost_s,
        oversize=False,
        at=at,
    )
