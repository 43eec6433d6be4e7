"""A random walk: whatever happens to an ingestion in whatever order, its counts and its conclusion are right."""

# ruff: noqa: S101 - a suite asserts

import random
from typing import TYPE_CHECKING

import pytest

from millstream.core.ingestion import (
    CHUNKS_OF_A_STEP,
    ENOUGH_CHUNKS,
    PIPELINE,
    Act,
    Action,
    ChunkRow,
    ReadUnjoined,
    Status,
    Tally,
    conclude,
)
from millstream.core.lifecycle import State
from millstream.core.model import Discard, Job, Kind, Retry
from millstream.core.operations import Cancel, ExpireLeases, Release, Revive, SetPaused, TakeOver
from millstream.core.queries import ReadBatches
from millstream.core.splitting import Policy
from millstream.testing.ledger_suite.driver import NOON, Driver
from millstream.testing.ledger_suite.ingestion_driver import (
    CHUNK_BYTES,
    Ingestions,
    accept,
    bury,
    claim_ours,
    join,
    planned,
    published,
    report,
)
from millstream.testing.ledger_suite.ingestions import OnIngestions

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 100
UNFINISHED = (State.READY, State.RUNNING, State.WAITING)
FAILED = (State.DEAD, State.DISCARDED)


class Walk:
    """One ingestion, to which things happen by chance, with a record of what its counts must be."""

    def __init__(self, files: Ingestions, *, seed: int) -> None:
        self.files, self.ledger, self.draw = files, files.ledger, random.Random(seed)  # noqa: S311 - no secret
        self.chunks = self.draw.choice([1, 30, 150, 200])
        self.is_joined = self.draw.random() < 0.5  # noqa: PLR2004
        self.at = NOON
        self.running: dict[str, Job] = {}
        self.stale: list[Job] = []
        self.joined: set[int] = set()
        self.revived = 0
        self.plan_failed = self.is_cancelled = False
        self.ledger.do(accept(sink="out" if self.is_joined else "amqp://host/queue", policy=Policy.SKIP))

    # --- what can happen ------------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Workers take some."""
        lease = self.at + 50 if self.draw.random() < 0.3 else None  # noqa: PLR2004
        for job in self.ledger.do(claim_ours(limit=self.draw.randrange(1, 40), at=self.at, lease_until=lease)):
            if job.id in self.running:
                self.stale.append(self.running[job.id])
            self.running[job.id] = job

    def publish(self) -> None:
        """Attempts succeed."""
        for _ in range(self.draw.randrange(1, 30)):
            if (job := self._take()) is None:
                return
            if job.kind is Kind.CHUNK:
                bad = self.draw.choice([0, 0, 1])
                self.ledger.do(report(job, published(records=2 - bad, rejected=bad), at=self.at))
                continue
            assert job.plan is not None
            first = job.plan.at.seq
            number = min(CHUNKS_OF_A_STEP, self.chunks - first)
            self.ledger.do(report(job, planned(number, first=first, is_last=first + number == self.chunks), at=self.at))

    def fail(self) -> None:
        """An attempt fails, or is the last, or gives up."""
        if (job := self._take()) is None:
            return
        ends = {
            "retry": report(job, None, outcome=Retry(), at=self.at),
            "bury": bury(job, at=self.at),
            "discard": report(job, None, outcome=Discard("so"), at=self.at),
        }
        end = self.draw.choice(
            ["retry", "retry", "bury", "bury", "discard"] if job.kind is Kind.CHUNK else ["retry", "bury"]
        )
        ended = self.ledger.do(ends[end])
        self.plan_failed |= job.kind is Kind.PLAN and ended in FAILED

    def lose(self) -> None:
        """Workers are lost, or give back what they have."""
        match self.draw.choice(["epoch", "lease", "release"]):
            case "epoch":
                self.ledger.do(TakeOver(at=self.at))
            case "lease":
                self.ledger.do(ExpireLeases(at=self.at))
            case _:
                if (job := self._take()) is not None:
                    self.ledger.do(Release(batch_id=job.id, fence=job.fence, at=self.at))

    def speak_too_late(self) -> None:
        """Somebody who was replaced, or whose work is finished, says that it is done."""
        if not self.stale:
            return
        job, before = self.draw.choice(self.stale), self.files.everything()
        what = published() if job.kind is Kind.CHUNK else planned(3)
        assert self.ledger.do(report(job, what)) is False
        assert self.files.everything() == before

    def act(self) -> None:
        """The owner acts."""
        action = self.draw.choice([Action.PAUSE, Action.RESUME, Action.RESUME, Action.RETRY])
        dead = self._dead()
        status = self.ledger.do(Act(message_id="m", action=action, at=self.at))
        if action is Action.RETRY and status is not Status.CANCELLED:
            self._were_revived(dead)

    def operate(self) -> None:
        """An operator treats a single batch."""
        batch = self.draw.choice(self.ledger.read(ReadBatches(pipeline=PIPELINE)))
        match self.draw.choice(["cancel", "revive", "revive", "pause", "resume"]):
            case "cancel" if batch.kind is Kind.CHUNK:
                self.ledger.do(Cancel(batch_id=batch.id, at=self.at))
            case "revive":
                dead = [row for row in self._dead() if row == batch.id]
                if self.ledger.do(Revive(batch_id=batch.id, at=self.at)):
                    self._were_revived(dead)
            case "pause" | "resume" as what:
                self.ledger.do(SetPaused(batch_id=batch.id, paused=what == "pause", at=self.at))

    def join(self) -> None:
        """The joiner appends some of what is next."""
        rows = self.ledger.read(ReadUnjoined(limit=self.draw.randrange(1, 50)))
        if rows:
            unfinished = [row.chunk.seq for row in self.files.chunks() if row.state in UNFINISHED]
            seqs = [row.seq for row in rows]
            assert seqs == sorted(seqs)
            assert not unfinished or seqs[-1] < min(unfinished)
            assert not self.joined.intersection(seqs)
            assert self.ledger.do(join("m", seqs, start=rows[0].out_bytes, size=7 * len(rows), at=self.at)) is True
            self.joined.update(seqs)

    def _take(self) -> Job | None:
        """A job that still has its fence."""
        while self.running:
            job = self.running.pop(self.draw.choice(sorted(self.running)))
            self.stale.append(job)
            row = self.ledger.batch(job.id)
            if (row.state, row.fence) == (State.RUNNING, job.fence):
                return job
        return None

    def _dead(self) -> list[str]:
        return [row.id for row in self.ledger.read(ReadBatches(pipeline=PIPELINE, states=(State.DEAD,)))]

    def _were_revived(self, batch_ids: list[str]) -> None:
        self.revived += len(batch_ids)
        if any("-plan-" in batch_id for batch_id in batch_ids):
            self.plan_failed = False

    # --- what must hold -------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Counts are those of the chunks, and the conclusion is that of the counts."""
        row, chunks = self.files.row(), self.files.chunks()
        plans = [each for each in self.ledger.read(ReadBatches(pipeline=PIPELINE)) if each.kind is Kind.PLAN]
        counted = [len([each for each in chunks if each.state in states]) for states in ((State.DONE,), FAILED)]
        unfinished = [each for each in chunks if each.state in UNFINISHED]
        planning = [each for each in plans if each.state in UNFINISHED]
        done = [each for each in chunks if each.state is State.DONE]

        assert [row.chunks_done, row.chunks_failed] == counted
        assert row.chunks_planned == len(chunks)
        assert row.chunks_running == len([each for each in chunks if each.state is State.RUNNING])
        assert row.records_published == sum(each.published for each in done)
        assert row.records_rejected == sum(each.rejected for each in done)
        assert row.bytes_done == CHUNK_BYTES * len(done)
        assert row.out_bytes == 7 * len(self.joined)
        assert len(unfinished) <= CHUNKS_OF_A_STEP + ENOUGH_CHUNKS + self.revived
        assert len(planning) <= 1
        concluded = conclude(self._tally(done, len(unfinished) + len(planning), failed=counted[1]))
        if self.is_cancelled:
            assert row.status is Status.CANCELLED
        elif concluded is None:
            assert row.ended_at is None
            assert planning or row.planned_all or self.plan_failed or len(unfinished) >= ENOUGH_CHUNKS
        else:
            assert (row.status, row.ended_at is None) == (concluded, False)

    def _tally(self, done: list[ChunkRow], unfinished: int, *, failed: int) -> Tally:
        row = self.files.row()
        return Tally(
            policy=row.spec.policy,
            planned_all=row.planned_all,
            plan_failed=self.plan_failed,
            unfinished=unfinished,
            done=len(done),
            failed=failed,
            unjoined=len(done) - len(self.joined) if self.is_joined else 0,
            published=row.records_published,
            rejected=row.records_rejected,
        )

    def to_the_end(self) -> None:
        """Everything goes well from here on."""
        self.ledger.do(Act(message_id="m", action=Action.RESUME, at=self.at))
        while not self.is_cancelled:
            self._were_revived(dead := self._dead())
            self.ledger.do(Act(message_id="m", action=Action.RETRY, at=self.at))
            batches = self.ledger.read(ReadBatches(pipeline=PIPELINE))
            self.ledger.apply(*(SetPaused(batch_id=each.id, paused=False, at=self.at) for each in batches))
            self.ledger.apply(TakeOver(at=self.at), ExpireLeases(at=self.at + 1000))
            self.at += 1000
            self.claim()
            busy = bool(self.running)
            while self.running:
                self.publish()
            self.join()
            self.check()
            if not busy and not dead and not self.ledger.read(ReadUnjoined()):
                return


class Walks(OnIngestions):
    """Anything in any order."""

    @pytest.mark.parametrize("seed", range(6))
    def test_whatever_happens(self, files: Ingestions, ledger: Driver, seed: int) -> None:
        """Through finishes, losses, burials, pauses, retries and cancels in any order, counts and status are right."""
        walk = Walk(files, seed=seed)
        happenings: list[Callable[[], None]] = [
            *[walk.claim] * 4,
            *[walk.publish] * 4,
            *[walk.fail] * 3,
            *[walk.join] * 3,
            walk.lose,
            walk.speak_too_late,
            walk.act,
            walk.operate,
        ]
        for number in range(STEPS):
            walk.at += walk.draw.choice([0, 1, 30])
            walk.draw.choice(happenings)()
            if number == STEPS - 1 and seed % 3 == 0 and not files.row().ended_at:
                walk.is_cancelled = ledger.do(Act(message_id="m", action=Action.CANCEL, at=walk.at)) is Status.CANCELLED
            walk.check()
        walk.to_the_end()

        assert files.row().ended_at is not None
        if not walk.is_cancelled:
            assert files.row().status in (Status.SUCCEEDED, Status.PARTIAL)
            assert all(row.state in (State.DONE, State.DISCARDED) for row in files.chunks())
