"""The accounting of open minibatches: what the ledger is told is what lies in the spool."""

import asyncio
import json
import zlib
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from millstream.core.lifecycle import State
from millstream.core.minibatch import Limits
from millstream.core.model import CutReason, Kind, Lines
from millstream.core.operations import Accept, CloseBatch, GrowBatch, OpenBatch
from millstream.core.rows import BatchRow, PipelineRow
from millstream.runtime.intake import Intake
from millstream.testing.faults import MemorySpool


def read_keys(records: list[bytes]) -> list[str | None]:
    return [json.loads(record).get("k") for record in records]


class TinyLedger:
    """Applies what an intake collects, and checks every claim against the spool."""

    def __init__(self) -> None:
        self.pipeline = PipelineRow(name="s", kind=Kind.MINIBATCH)
        self.rows: dict[str, dict] = {}
        self.source = ""

    def apply(self, operations) -> None:
        for operation in operations:
            match operation:
                case OpenBatch():
                    assert operation.batch_id not in self.rows
                    self.rows[operation.batch_id] = {"open": operation, "grow": None, "close": None}
                case GrowBatch():
                    self.rows[operation.batch_id]["grow"] = operation
                case CloseBatch():
                    assert self.rows[operation.batch_id]["close"] is None
                    self.rows[operation.batch_id]["close"] = operation
                case Accept():
                    self.accept(operation)

    def accept(self, operation: Accept) -> None:
        self.source = operation.position
        self.pipeline = PipelineRow(
            name="s",
            kind=Kind.MINIBATCH,
            next_seq=len(self.rows) + 1,
            accepted_records=self.pipeline.accepted_records + operation.records,
            accepted_at=operation.at,
            main_end=operation.main_end,
            runs_end=operation.runs_end,
            spilled_to=operation.spilled_to,
        )

    def open_rows(self) -> list[BatchRow]:
        return [self.row(row) for row in self.rows.values() if row["close"] is None]

    @staticmethod
    def row(row: dict) -> BatchRow:
        opened, grown = row["open"], row["grow"]
        return BatchRow(
            id=opened.batch_id,
            pipeline="s",
            kind=Kind.MINIBATCH,
            state=State.OPEN,
            key=opened.key,
            cut=None,
            records=grown.records if grown else 0,
            size_bytes=grown.size_bytes if grown else 0,
            opened_at=opened.opened_at,
            closes_at=opened.closes_at,
            closed_at=None,
            last_at=grown.last_at if grown else opened.opened_at,
            attempts=0,
            failures=0,
            fence=0,
            not_before=None,
            claimed_at=None,
            started_at=None,
            finished_at=None,
            owner=None,
            paused=False,
            cancelled=False,
            oversize=False,
            cost_s=0,
            error=None,
            log=opened.log,
            start=opened.start,
            ranges=grown.ranges if grown else (),
            checksum=grown.checksum if grown else 0,
            spilled_records=grown.spilled_records if grown else 0,
        )


limits = st.builds(
    Limits,
    window_s=st.none() | st.floats(1, 9),
    max_count=st.none() | st.integers(1, 6),
    max_bytes=st.none() | st.integers(10, 120),
    idle_gap_s=st.none() | st.floats(0.5, 4),
    max_keys=st.integers(1, 3),
)
blocks = st.lists(
    st.tuples(st.floats(0, 3), st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=6)), max_size=10
)


@given(limits, blocks, st.booleans(), st.integers(1, 300), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_batches_hold_what_was_accepted_through_crashes(  # noqa: PLR0917 - drawn by Hypothesis
    limits, blocks, keyed, spill_bytes, commits, crashes
):
    """With and without keys, spilling and crashing anywhere, closed minibatches re-join to the accepted records."""
    ledger, spool = TinyLedger(), MemorySpool()

    def start() -> Intake:
        spool.recover("main", ledger.pipeline.main_end)
        spool.recover("runs", ledger.pipeline.runs_end)
        intake = Intake(
            ledger.pipeline,
            source="x",
            limits=limits,
            spool=spool,
            key_reader=read_keys if keyed else None,
            spill_bytes=spill_bytes,
        )
        intake.restore(ledger.open_rows(), accepted_at=ledger.pipeline.accepted_at)
        return intake

    def commit(intake: Intake, now: float) -> None:
        collected = intake.collect(now=now)
        if collected is not None:
            asyncio.run(spool.sync())
            ledger.apply(collected.operations)

    intake, now, sent, position = start(), 0.0, [], 0
    for number, (gap, keys) in enumerate(blocks):
        now += gap
        records = [json.dumps({"k": key, "n": len(sent) + index}).encode() for index, key in enumerate(keys)]
        position += len(records)
        data = b"".join(record + b"\n" for record in records)
        intake.take(Lines(data=data, count=len(records), read_at=now, position=str(position)))
        sent += records
        if number in commits:
            commit(intake, now)
        if number in crashes:
            spool = spool.after_crash(keep_unsynced=3)
            intake = start()
            sent = sent[: int(ledger.source or 0)]
            position = len(sent)
    intake.finish(CutReason.END, now=now)
    commit(intake, now)

    found = defaultdict(list)
    for row in ledger.rows.values():
        closed = row["close"]
        data = b"".join(spool.read(row["open"].log, closed.ranges))
        assert (len(data), zlib.crc32(data)) == (closed.size_bytes, closed.checksum)
        records = data.split(b"\n")[:-1]
        assert len(records) == closed.records > 0
        if keyed:
            assert {json.loads(record)["k"] for record in records} == {row["open"].key}
        found[row["open"].key] += records
    expected = defaultdict(list)
    for record in sent:
        expected[json.loads(record)["k"] if keyed else None].append(record)
    assert found == expected
    assert ledger.pipeline.accepted_records == len(sent)
