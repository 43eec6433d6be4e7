"""What can be seen of ingestions, and for how long."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

from millstream.core.ingestion import (
    PIPELINE,
    Act,
    Action,
    Answered,
    Queue,
    ReadChunks,
    ReadIngestion,
    ReadIngestionEvents,
    ReadIngestions,
    ReadRejects,
    Status,
)
from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.core.operations import Prune
from millstream.core.queries import ReadAttempts, ReadBatches, ReadEvents, ReadTotals, ReadUnfinished
from millstream.core.splitting import Rejected
from millstream.testing.ledger_suite.driver import NOON, Driver, claim
from millstream.testing.ledger_suite.ingestion_driver import (
    ALL,
    Ingestions,
    a_chunk,
    accept,
    published,
    report,
)
from millstream.testing.ledger_suite.ingestions import AMQP, OnIngestions


class Looking(OnIngestions):
    """Questions about ingestions, and their removal."""

    def test_ingestions_are_found(self, ledger: Driver) -> None:
        """Ingestions are listed newest first, by owner and status, page by page."""
        for name, principal in [("a", "me"), ("b", "you"), ("c", "me"), ("d", "me")]:
            ledger.do(accept(name, principal=principal, is_queued=name != "d"))
        ledger.do(Act(message_id="a", action=Action.CANCEL, at=NOON))

        def found(query: ReadIngestions) -> list[str]:
            return [row.spec.message_id for row in ledger.read(query)]

        assert found(ReadIngestions()) == ["d", "c", "b", "a"]
        assert found(ReadIngestions(principal="me")) == ["d", "c", "a"]
        assert found(ReadIngestions(statuses=(Status.QUEUED,))) == ["c", "b"]
        assert found(ReadIngestions(statuses=(Status.CANCELLED, Status.ACCEPTED), principal="me")) == ["d", "a"]
        first = ledger.read(ReadIngestions(limit=2))
        assert found(ReadIngestions(limit=2, before=first[-1].seq)) == ["b", "a"]

    def test_chunks_are_found(self, ledger: Driver, files: Ingestions) -> None:
        """Chunks are listed in order, by state, page by page."""
        jobs = files.start(chunks=4)
        files.finish(jobs[1], jobs[3], at=NOON + 2)
        done = ledger.read(ReadChunks(message_id="m", states=(State.DONE,)))

        assert [row.chunk for row in files.chunks()] == [a_chunk(seq) for seq in range(4)]
        assert [row.chunk.seq for row in done] == [1, 3]
        assert [row.chunk.seq for row in ledger.read(ReadChunks(message_id="m", after=0, limit=2))] == [1, 2]
        assert (done[0].batch_id, done[0].published, done[0].finished_at) == ("m-000001", 2, NOON + 2)
        assert (done[0].claimed_at, done[0].owner) == (NOON, "engine/1")
        assert ledger.read(ReadChunks(message_id="other")) == ()

    def test_events_are_read_on(self, ledger: Driver, files: Ingestions) -> None:
        """Who has read up to an event gets those behind it, of one ingestion or of all; ids only rise."""
        files.finish(*files.start("a", sink=AMQP))
        ledger.do(accept("b", is_queued=False))
        everything = files.events(None)

        assert [event.id for event in everything] == sorted({event.id for event in everything})
        assert everything == files.events("a") + files.events("b")
        assert ledger.read(ReadIngestionEvents(message_id=None, after=everything[-2].id)) == everything[-1:]
        assert ledger.read(ReadIngestionEvents(message_id="a", after=everything[1].id, limit=2)) == everything[2:4]
        ledger.do(Prune(before=NOON + 1))
        ledger.do(Queue(message_id="b", at=NOON))
        assert files.events(None)[-1].id > everything[-1].id

    def test_they_are_batches_as_any(self, ledger: Driver, files: Ingestions) -> None:
        """Plan steps and chunks are seen by all questions about batches."""
        jobs = files.start(chunks=3)
        files.finish(jobs[0])

        assert {row.kind for row in ledger.read(ReadBatches(pipeline=PIPELINE))} == {Kind.PLAN, Kind.CHUNK}
        totals = {row.state: (row.batches, row.records) for row in ledger.read(ReadTotals(pipeline=PIPELINE))}
        assert totals == {State.DONE: (2, 2), State.RUNNING: (2, 4)}
        assert [(row.state, row.batches) for row in ledger.read(ReadUnfinished())] == [(State.RUNNING, 2)]
        (attempt,) = ledger.read(ReadAttempts(batch_id=jobs[0].id))
        assert (attempt.outcome, attempt.seconds, attempt.owner) == ("done", 0.5, "engine/1")

    # --- pruning --------------------------------------------------------------------------------------------------

    def test_ended_ingestions_are_pruned(self, ledger: Driver, files: Ingestions) -> None:
        """An ingestion that ended before goes with all that belongs to it; of an unfinished one nothing goes."""
        bad = Rejected(record=0, start=0, end=5, reason="?")
        (job,) = files.start("old", chunks=1, sink=AMQP)
        ledger.do(report(job, published(rejected=1, rejects=(bad,))))
        files.finish(files.start("going", chunks=2)[0])
        kept = files.everything()

        assert ledger.do(Prune(before=NOON)) == 0
        assert files.everything() == kept
        assert ledger.do(Prune(before=NOON + 1)) == 2
        assert ledger.read(ReadIngestion(message_id="old")) is None
        assert not files.chunks("old")
        assert not files.events("old")
        assert not ledger.read(ReadRejects(message_id="old"))
        assert ledger.read(ReadAttempts(batch_id=job.id)) == ()
        assert ledger.read(ReadEvents(batch_id=job.id)) == ()
        assert files.states("going") == [State.DONE, State.RUNNING]
        assert len(ledger.read(ReadBatches())) == 3
        assert ledger.do(accept("old")).answered is Answered.NEW

    def test_other_pipelines_are_left_alone(self, ledger: Driver, files: Ingestions) -> None:
        """Who claims minibatches gets no chunks, and a minibatch whose key is a message id is not taken for one."""
        ledger.do(accept())

        assert ledger.do(claim()) == ()
        assert files.row().chunks_running == 0
        assert len(ledger.read(ReadBatches(limit=ALL))) == 1
