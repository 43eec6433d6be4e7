"""Ingestions from their first plan step to their end."""

# ruff: noqa: S101 - a suite asserts, and its numbers are examples

import pytest

from millstream.core.ingestion import (
    CHUNKS_OF_A_STEP,
    ENOUGH_CHUNKS,
    ChunkTask,
    Explain,
    FileState,
    PlanReport,
    PlanTask,
    ReadRejects,
    ReadUnjoined,
    Status,
)
from millstream.core.lifecycle import State
from millstream.core.model import Kind, Retry
from millstream.core.splitting import Chunk, Head, Policy, Rejected
from millstream.errors import InvalidValueError
from millstream.testing.ledger_suite.driver import DUE, NOON, Driver
from millstream.testing.ledger_suite.ingestion_driver import (
    FOUND,
    Ingestions,
    a_chunk,
    accept,
    border,
    claim_ours,
    planned,
    published,
    report,
    spec,
)
from millstream.testing.ledger_suite.ingestions import AMQP, OnIngestions


class Progress(OnIngestions):
    """How a file is planned, worked and concluded."""

    def test_from_the_first_byte_to_the_last(self, files: Ingestions) -> None:
        """A file is planned, its chunks are published and joined, and it has succeeded."""
        jobs = files.start(chunks=3)
        running = files.row()
        files.finish(*jobs)
        done = files.row()
        joined = files.join(at=NOON + 1)
        row = files.row()

        assert [job.chunk for job in jobs] == [
            ChunkTask(spec=spec(), found=FOUND, chunk=a_chunk(seq)) for seq in range(3)
        ]
        assert next((job.id, job.key, job.records, job.size_bytes) for job in jobs) == ("m-000000", "m", 2, 10)
        assert (running.status, running.chunks_running, running.started_at) == (Status.RUNNING, 3, NOON)
        assert (running.found, running.planned_to, running.planned_all) == (FOUND, border(3), True)
        assert (done.status, done.chunks_done, done.bytes_done, done.records_published) == (Status.RUNNING, 3, 30, 6)
        assert joined is True
        assert (row.status, row.out_bytes, row.ended_at, row.error) == (Status.SUCCEEDED, 21, NOON + 1, "")
        assert (row.chunks_planned, row.chunks_running, row.chunks_failed) == (3, 0, 0)
        whats = ["accepted", "queued", "running", "planned", "chunk", "chunk", "chunk", "joined", "ended"]
        assert files.happened() == whats
        assert next(event.detail for event in files.events() if event.what == "chunk") == "0 done, 2 records"
        assert files.events()[-1].detail == "succeeded"

    def test_what_was_found_is_kept_exactly(self, ledger: Driver) -> None:
        """The head, the copy and odd names of columns come back to every chunk as they were."""
        names = ("a\0b", 'q"', "zwölf 🚂", "\\", "\n")
        found = FileState(
            version="v\\1",
            size_bytes=2**40,
            head=Head(names=names, start=3, fingerprint="0" * 32),
            copy="c",
            copy_version="2",
        )
        ledger.do(accept())
        (plan,) = ledger.do(claim_ours())
        long = Chunk(seq=0, start=3, end=2**40, first_record=0, records=1, too_long=True, unterminated=True)
        ledger.do(report(plan, PlanReport(found=found, chunks=(long,), at=long.after, is_last=False)))
        jobs = {job.kind: job for _ in range(2) for job in ledger.do(claim_ours())}

        assert jobs[Kind.CHUNK].chunk == ChunkTask(spec=spec(), found=found, chunk=long)
        assert jobs[Kind.PLAN].plan == PlanTask(spec=spec(), found=found, at=long.after)

    def test_an_empty_file(self, ledger: Driver, files: Ingestions) -> None:
        """A file without records has succeeded as soon as it was planned."""
        ledger.do(accept())
        (plan,) = ledger.do(claim_ours())
        ledger.do(report(plan, planned(0)))

        assert (files.row().status, files.row().chunks_planned) == (Status.SUCCEEDED, 0)

    def test_a_broker_needs_no_joining(self, files: Ingestions, ledger: Driver) -> None:
        """What goes to a queue or a topic has ended with its last chunk."""
        for number, sink in enumerate((AMQP, "kafka://host:9092/topic")):
            files.finish(*files.start(f"m{number}", sink=sink))

            assert files.row(f"m{number}").status is Status.SUCCEEDED
        assert ledger.read(ReadUnjoined()) == ()

    def test_planning_goes_on_in_time(self, ledger: Driver, files: Ingestions) -> None:
        """The next plan step is made when fewer than enough chunks are unfinished, and is claimed before chunks."""
        jobs = files.start(chunks=CHUNKS_OF_A_STEP, is_last=False, sink=AMQP)
        enough = CHUNKS_OF_A_STEP - ENOUGH_CHUNKS
        files.finish(*jobs[:enough])
        too_early = ledger.do(claim_ours())
        files.finish(jobs[enough])
        (plan,) = ledger.do(claim_ours())
        files.finish(jobs[enough + 1])

        assert too_early == ()
        assert (plan.id, plan.plan) == ("m-plan-000064", PlanTask(spec=spec(sink=AMQP), found=FOUND, at=border(64)))
        assert ledger.do(claim_ours()) == ()
        ledger.do(report(plan, planned(2, first=64)))
        assert [job.id for job in ledger.do(claim_ours())] == ["m-000064", "m-000065"]
        assert files.row().planned_all is True

    def test_several_files_share_the_workers(self, ledger: Driver) -> None:
        """A plan step goes before all chunks, and chunks in the order in which they were planned."""
        ledger.do(accept("a"))
        (plan,) = ledger.do(claim_ours())
        ledger.apply(report(plan, planned(2)), accept("b"))
        (plan,) = ledger.do(claim_ours(limit=1))
        ledger.do(report(plan, planned(1)))

        assert plan.key == "b"
        assert [job.id for job in ledger.do(claim_ours())] == ["a-000000", "a-000001", "b-000000"]

    def test_rejects_are_kept(self, ledger: Driver, files: Ingestions) -> None:
        """Malformed records are kept with range and reason, and counted; under `strict` they make it partial."""
        one, other = files.start(chunks=2, sink=AMQP)
        bad = Rejected(record=1, start=5, end=10, reason="expected 2 fields, found 3")
        worse = Rejected(record=2, start=10, end=15, reason="not \\ UTF-8")
        ledger.do(report(other, published(records=1, rejected=1, rejects=(worse,))))
        ledger.do(report(one, published(records=1, rejected=1, rejects=(bad,))))
        rows = ledger.read(ReadRejects(message_id="m"))

        assert [(row.record, row.seq, row.start, row.end, row.reason) for row in rows] == [
            (1, 0, 5, 10, bad.reason),
            (2, 1, 10, 15, worse.reason),
        ]
        assert ledger.read(ReadRejects(message_id="m", after=1)) == rows[1:]
        assert ledger.read(ReadRejects(message_id="m", limit=1)) == rows[:1]
        assert (files.row().status, files.row().records_rejected) == (Status.PARTIAL, 2)
        assert "2 records are malformed" in files.row().error
        assert [row.rejected for row in files.chunks()] == [1, 1]

    def test_a_policy_that_allows_rejects(self, ledger: Driver, files: Ingestions) -> None:
        """Under `skip` a file with malformed records has succeeded."""
        (job,) = files.start(chunks=1, sink=AMQP, policy=Policy.SKIP)
        ledger.do(report(job, published(records=0, rejected=2)))

        assert (files.row().status, files.row().error) == (Status.SUCCEEDED, "")

    def test_nothing_but_rejects(self, ledger: Driver, files: Ingestions) -> None:
        """Under `strict` a file without a good record has failed."""
        (job,) = files.start(chunks=1, sink=AMQP)
        ledger.do(report(job, published(records=0, rejected=2)))

        assert files.row().status is Status.FAILED

    @pytest.mark.parametrize("wrong", ["nothing", "the other", "of a minibatch"])
    def test_a_report_must_fit(self, ledger: Driver, files: Ingestions, wrong: str) -> None:
        """Work that is done without the report it owes is refused, and nothing of it is written down."""
        (job,) = files.start(chunks=1)
        batch = ledger.claimed("it")
        before = files.everything()
        operation = {
            "nothing": report(job, None),
            "the other": report(job, planned(1)),
            "of a minibatch": report(batch, published()),
        }[wrong]

        with pytest.raises(InvalidValueError, match="report"):
            ledger.do(operation)
        assert files.everything() == before

    def test_a_chunk_is_retried(self, ledger: Driver, files: Ingestions) -> None:
        """A failed attempt changes the chunk only, which waits and is published the next time."""
        (job,) = files.start(chunks=1, sink=AMQP)
        waiting = ledger.do(report(job, None, outcome=Retry(error="broker away")))
        (row,) = files.chunks()
        (again,) = ledger.do(claim_ours(at=DUE))
        files.finish(again, at=DUE)

        assert waiting is State.WAITING
        assert (row.state, row.attempts, row.error, row.not_before) == (State.WAITING, 1, "broker away", DUE)
        assert (again.attempt, again.failures, again.chunk) == (2, 1, job.chunk)
        assert files.row().status is Status.SUCCEEDED

    def test_what_it_waits_for(self, ledger: Driver, files: Ingestions) -> None:
        """The reason for waiting is shown, told once, and gone when something was published again."""
        jobs = files.start(chunks=2)
        why = Explain(message_id="m", reason="the broker is away", at=NOON)
        told = ledger.apply(why, why, Explain(message_id="other", reason="?", at=NOON))
        shown = files.row().waits_for
        files.finish(jobs[0])

        assert (told, shown) == ([True, True, False], "the broker is away")
        assert files.row().waits_for == ""
        assert files.happened().count("waiting") == 1
        ledger.apply(why, Explain(message_id="m", reason="", at=NOON))
        assert files.row().waits_for == ""
