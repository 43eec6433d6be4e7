"""What people do and look at: cancel, prune, totals, pins, events."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import pytest

from millstream.core.lifecycle import FINISHED, State
from millstream.core.model import Done
from millstream.core.operations import Cancel, CopiedOut, GrowBatch, Prune, Revive, SetMeta, SetPaused
from millstream.core.queries import (
    ReadAttempts,
    ReadBatches,
    ReadEvents,
    ReadFiles,
    ReadKnownVersions,
    ReadMeta,
    ReadNewestBatches,
    ReadPins,
    ReadTotals,
)
from millstream.core.rows import PinRow, TotalRow
from millstream.testing.ledger_suite.driver import (
    DUE,
    NOON,
    PIPELINE,
    Driver,
    OnALedger,
    a_file,
    claim,
    close_batch,
    finish,
    open_batch,
    plan,
)


class Operators(OnALedger):
    """What an operator asks for."""

    @pytest.mark.parametrize("state", [State.READY, State.RUNNING, State.WAITING, State.DEAD])
    def test_a_batch_is_cancelled(self, ledger: Driver, state: State) -> None:
        """A batch that is named is discarded at once, wherever it is, and nothing brings it back."""
        ledger.in_state(state)
        cancelled = ledger.do(Cancel(batch_id="it", at=NOON + 5))
        row = ledger.batch("it")

        assert cancelled == 1
        assert (row.state, row.error, row.finished_at) == (State.DISCARDED, "cancelled", NOON + 5)
        assert ledger.do(claim(at=DUE)) == ()
        assert ledger.do(Revive(batch_id=None, at=DUE)) == 0

    def test_cancelling_fences_the_attempt_off(self, ledger: Driver) -> None:
        """The attempt that was running when its batch was cancelled cannot complete it any more."""
        job = ledger.claimed("it")
        ledger.do(Cancel(batch_id="it", at=NOON))
        row = ledger.batch("it")

        assert ledger.do(finish(job, Done())) is False
        assert ledger.batch("it") == row

    def test_an_open_batch_is_cancelled_when_it_closes(self, ledger: Driver) -> None:
        """An open minibatch that is cancelled goes on taking records, and is discarded by its cut."""
        cancel = Cancel(batch_id="it", at=NOON)
        ledger.do(open_batch("it"))
        cancelled = ledger.apply(cancel, cancel)
        marked = ledger.batch("it")
        closed = ledger.do(close_batch("it"))
        row = ledger.batch("it")

        assert cancelled == [1, 0]
        assert (marked.state, marked.cancelled) == (State.OPEN, True)
        assert closed is True
        assert (row.state, row.records, row.error, row.finished_at) == (State.DISCARDED, 3, "cancelled", NOON)
        assert ledger.do(claim()) == ()

    @pytest.mark.parametrize("state", [State.DONE, State.DISCARDED])
    def test_what_is_over_is_not_cancelled(self, ledger: Driver, state: State) -> None:
        """Nothing happens to a batch that is done or discarded, nor to one that is not there."""
        before = ledger.in_state(state)

        assert ledger.do(Cancel(batch_id="it", at=NOON + 5)) == 0
        assert ledger.do(Cancel(batch_id="nobody", at=NOON + 5)) == 0
        assert ledger.batch("it") == before

    def test_everything_unfinished_is_cancelled(self, ledger: Driver) -> None:
        """Without a name all work that is not finished is cancelled; dead batches wait on for an operator."""
        for state in (State.DEAD, State.DONE, State.WAITING, State.RUNNING, State.OPEN, State.READY):
            ledger.in_state(state, batch_id=state)

        assert ledger.do(Cancel(batch_id=None, at=NOON)) == 4
        assert {row.id: row.state for row in ledger.read(ReadBatches())} == {
            "dead": State.DEAD,
            "done": State.DONE,
            "waiting": State.DISCARDED,
            "running": State.DISCARDED,
            "open": State.OPEN,
            "ready": State.DISCARDED,
        }
        assert ledger.batch("open").cancelled is True

    def test_what_operators_did_is_remembered(self, ledger: Driver) -> None:
        """Each batch tells what operators did to it and when; the newest of all are told together, oldest first."""
        ledger.in_state(State.DEAD)
        ledger.apply(
            SetPaused(batch_id="it", paused=True, at=NOON + 1),
            SetPaused(batch_id="it", paused=False, at=NOON + 2),
            Revive(batch_id="it", at=NOON + 3),
            Cancel(batch_id="it", at=NOON + 4),
            SetPaused(batch_id=None, paused=True, at=NOON + 5),
        )
        of_it = ledger.read(ReadEvents(batch_id="it"))

        assert [(event.at, event.what) for event in of_it] == [
            (NOON + 1, "paused"),
            (NOON + 2, "resumed"),
            (NOON + 3, "revived"),
            (NOON + 4, "cancelled"),
        ]
        assert [event.at for event in ledger.read(ReadEvents(limit=2))] == [NOON + 4, NOON + 5]

    # --- removing what is old -------------------------------------------------------------------------------------

    def test_old_batches_are_pruned(self, ledger: Driver) -> None:
        """Done and discarded batches that finished before go, with attempts and events; all others stay."""
        for state in (State.DEAD, State.DISCARDED, State.DONE, State.WAITING, State.RUNNING, State.OPEN, State.READY):
            ledger.in_state(state, batch_id=state)
            ledger.do(SetPaused(batch_id=state, paused=True, at=NOON))

        assert ledger.do(Prune(before=NOON)) == 0
        assert ledger.do(Prune(before=NOON + 1)) == 2
        assert {row.id for row in ledger.read(ReadBatches())} == {"dead", "waiting", "running", "open", "ready"}
        for gone in ("done", "discarded"):
            assert ledger.read(ReadAttempts(batch_id=gone)) == ()
            assert ledger.read(ReadEvents(batch_id=gone)) == ()
        assert len(ledger.read(ReadAttempts(batch_id="dead"))) == 1
        assert len(ledger.read(ReadEvents(batch_id="dead"))) == 1

    def test_files_outlive_their_bucket(self, ledger: Driver) -> None:
        """A file that was worked is still known when its bucket is pruned, so it is not worked again."""
        file = a_file("a")
        ledger.do(plan(file))
        (job,) = ledger.do(claim())
        ledger.apply(finish(job, Done()), Prune(before=NOON + 1))

        assert ledger.read(ReadBatches()) == ()
        assert [row.state for row in ledger.read(ReadFiles(path=file.path))] == ["done"]
        assert ledger.read(ReadKnownVersions(pipeline=PIPELINE, files=(file,))) == {(file.path, file.version)}

    def test_dead_records_are_copied_out(self, ledger: Driver) -> None:
        """The records of a dead batch may move to another log; a batch that is not dead keeps its place."""
        ledger.in_state(State.DEAD, batch_id="dead")
        ledger.in_state(State.DONE, batch_id="done")
        moves = [CopiedOut(batch_id=name, log="dead", ranges=((7, 37),)) for name in ("dead", "done")]

        assert ledger.apply(*moves) == [True, False]
        assert (ledger.batch("dead").log, ledger.batch("dead").ranges) == ("dead", ((7, 37),))
        assert ledger.batch("done").log == "main"
        ledger.do(Revive(batch_id="dead", at=NOON))
        assert [(job.log, job.ranges) for job in ledger.do(claim())] == [("dead", ((7, 37),))]

    # --- looking --------------------------------------------------------------------------------------------------

    def test_batches_are_found(self, ledger: Driver) -> None:
        """Batches are listed oldest first, all of them or by state, pipeline and id, up to a limit."""
        ledger.ready("c")
        ledger.ready("a")
        ledger.do(open_batch("b", pipeline="others"))

        def found(query: ReadBatches) -> list[str]:
            return [row.id for row in ledger.read(query)]

        assert found(ReadBatches()) == ["c", "a", "b"]
        assert found(ReadBatches(states=(State.READY,))) == ["c", "a"]
        assert found(ReadBatches(states=(State.OPEN, State.READY), limit=2)) == ["c", "a"]
        assert found(ReadBatches(pipeline="others")) == ["b"]
        assert found(ReadBatches(batch_id="a")) == ["a"]
        assert found(ReadBatches(batch_id="a", states=tuple(FINISHED))) == []

    def test_the_newest_batches_are_found(self, ledger: Driver) -> None:
        """The batches that were made last are listed newest first, all of them or by state, up to a limit."""
        ledger.ready("c")
        ledger.ready("a")
        ledger.do(open_batch("b", pipeline="others"))

        def found(query: ReadNewestBatches) -> list[str]:
            return [row.id for row in ledger.read(query)]

        assert found(ReadNewestBatches()) == ["b", "a", "c"]
        assert found(ReadNewestBatches(limit=2)) == ["b", "a"]
        assert found(ReadNewestBatches(states=(State.READY,))) == ["a", "c"]

    def test_totals(self, ledger: Driver) -> None:
        """Batches, records and bytes are added up for each pipeline and state."""
        ledger.ready("a")
        ledger.ready("b")
        ledger.do(open_batch("c"))
        ledger.do(plan(a_file("d", size_bytes=7), a_file("e", size_bytes=8), pipeline="others"))
        ours = {
            TotalRow(pipeline=PIPELINE, state=State.READY, batches=2, records=6, size_bytes=60),
            TotalRow(pipeline=PIPELINE, state=State.OPEN, batches=1, records=0, size_bytes=0),
        }
        theirs = {TotalRow(pipeline="others", state=State.READY, batches=1, records=2, size_bytes=15)}

        assert set(ledger.read(ReadTotals())) == ours | theirs
        assert set(ledger.read(ReadTotals(pipeline=PIPELINE))) == ours

    def test_pins(self, ledger: Driver) -> None:
        """For each log the ledger knows from where on it is needed, by dead batches and by others apart."""
        ledger.in_state(State.DEAD, batch_id="dead")
        ledger.apply(
            open_batch("later", start=70),
            open_batch("open", start=40),
            open_batch("keyed", start=50, log="runs", key="k"),
            open_batch("elsewhere", pipeline="others", start=3),
        )
        unspilled = set(ledger.read(ReadPins(pipeline=PIPELINE)))
        ledger.do(
            GrowBatch(batch_id="keyed", records=1, size_bytes=5, checksum=0, last_at=NOON, ranges=((20, 25), (30, 31)))
        )

        assert unspilled == {PinRow(log="main", dead=True, first=0), PinRow(log="main", dead=False, first=40)}
        assert set(ledger.read(ReadPins(pipeline=PIPELINE))) == unspilled | {PinRow(log="runs", dead=False, first=20)}

    def test_what_is_pruned_pins_nothing(self, ledger: Driver) -> None:
        """Finished batches pin their records until they are pruned, so that they can be looked at until then."""
        ledger.in_state(State.DONE)

        assert ledger.read(ReadPins(pipeline=PIPELINE)) == (PinRow(log="main", dead=False, first=0),)
        ledger.do(Prune(before=NOON + 1))
        assert ledger.read(ReadPins(pipeline=PIPELINE)) == ()

    def test_values_of_the_engine(self, ledger: Driver) -> None:
        """A stored value is read back, the newest one, and None where there is none."""
        ledger.apply(SetMeta(key="anchor", value="1"), SetMeta(key="anchor", value="zwölf"))

        assert ledger.read(ReadMeta(key="anchor")) == "zwölf"
        assert ledger.read(ReadMeta(key="other")) is None
