"""From blocks of records to what the ledger must know: the accounting of open minibatches.

Theory of operation: `Intake` feeds blocks to the cutter, puts the bytes where they belong in the spool, and collects
the operations that make all of it a fact. It does no I/O of its own: appending to the spool only remembers, and the
operations wait in `collect` until whoever drives it has synced the spool and applies them. So the ledger never knows
of a byte that is not on disk, and a crash between the two leaves only a torn tail that recovery cuts off.

Without a key the main log *is* the batches: a minibatch is one range of it. With a key the main log keeps the order of
arrival for durability, records gather per key in memory, and go to the `runs` log, sorted by key, when a minibatch
closes or when too much has gathered.
"""

from collections.abc import Sequence

from millstream.core.identity import minibatch_id
from millstream.core.minibatch import Closed, Cutter, Grown, Limits, Opened, OpenMinibatch, Step
from millstream.core.model import CutReason, Lines
from millstream.core.operations import Accept, CloseBatch, GrowBatch, OpenBatch, Operation
from millstream.core.rows import BatchRow, PipelineRow
from millstream.ports import Spool
from millstream.runtime.drafts import Commit, Cut, Draft
from millstream.runtime.keyed import KeyReader, grouped, positions, replayed

MAIN, RUNS = "main", "runs"
SPILL_BYTES = 32 << 20
GROWN_PER_COMMIT = 500


class Intake:
    """The open minibatches of one pipeline. Not thread-safe; driven by one task."""

    def __init__(
        self,
        pipeline: PipelineRow,
        *,
        source: str,
        limits: Limits,
        spool: Spool,
        key_reader: KeyReader | None = None,
        position: str = "",
        spill_bytes: int = SPILL_BYTES,
    ) -> None:
        self._pipeline = pipeline.name
        self._source = source
        self._spool = spool
        self._cutter = Cutter(limits)
        self._key_reader = key_reader
        self._spill_bytes = spill_bytes
        self._drafts: dict[str | None, Draft] = {}
        self._next_seq = pipeline.next_seq
        self._main_end = pipeline.main_end
        self._runs_end = pipeline.runs_end
        self._spilled_to = pipeline.spilled_to
        self._gathered_bytes = 0
        self._position = position
        self._has_moved = False
        self._finished = False
        self._finish_uncommitted = False
        # What the next commit holds.
        self._operations: list[Operation[object]] = []
        self._grown: dict[str, Draft] = {}
        self._cuts: list[Cut] = []
        self._records = 0
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._drafts)

    @property
    def uncommitted_bytes(self) -> int:
        """Bytes taken that no collected commit holds yet."""
        return self._size_bytes

    @property
    def has_cuts(self) -> bool:
        """Whether the next commit closes a minibatch, which should not wait."""
        return bool(self._cuts)

    @property
    def dirty(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._operations or self._grown or self._records or self._has_moved or self._finish_uncommitted)

    def next_due(self) -> float | None:
        """When `tick` should be called next, in engine seconds."""
        return self._cutter.next_due()

    def restore(self, rows: Sequence[BatchRow], *, accepted_at: float) -> None:
        """Go on with the minibatches that were open when an earlier engine ended; called before anything else."""
        for row in rows:
            self._drafts[row.key] = Draft.restored(row, records=row.spilled_records if row.log == RUNS else row.records)
        if self._key_reader is not None:
            self._replay(self._key_reader, {row.key: row.records for row in rows}, accepted_at)
        for row in rows:
            draft = self._drafts[row.key]
            self._cutter.restore(
                OpenMinibatch(
                    key=row.key,
                    opened_at=row.opened_at,
                    closes_at=row.closes_at,
                    last_at=draft.last_at,
                    records=draft.records,
                    size_bytes=draft.size_bytes,
                )
            )

    def take(self, lines: Lines) -> None:
        """Distribute a block of records; its position is committed with them, or alone when there are none."""
        self._position = lines.position
        if not lines.count:
            self._has_moved = True
            return
        self._records += lines.count
        self._size_bytes += len(lines.data)
        if self._key_reader is None:
            self._carry_out(self._cutter.take(lines.data, count=lines.count, at=lines.read_at), lines.read_at)
        else:
            self._take_keyed(lines, self._key_reader)

    def tick(self, now: float) -> None:
        """Close what is due."""
        self._carry_out(self._cutter.tick(now), now)

    def finish(self, reason: CutReason, *, now: float) -> None:
        """Close everything; with reason `end` the source counts as read to its end."""
        self._carry_out(self._cutter.finish(reason, now=now), now)
        if reason is CutReason.END:
            self._finished = self._finish_uncommitted = True

    def collect(self, *, now: float) -> Commit | None:
        """Hand over everything since the last call, or None when there is nothing.

        The caller must sync the spool before it applies the operations, and apply commits in order.
        """
        if not self.dirty:
            return None
        if self._gathered_bytes > self._spill_bytes or self._main_end - self._spilled_to > 4 * self._spill_bytes:
            self._spill()
        operations = [*self._operations, *self._take_grown(), self._accept(now)]
        commit = Commit(
            operations=tuple(operations),
            records=self._records,
            size_bytes=self._size_bytes,
            cuts=tuple(self._cuts),
            position=self._position,
        )
        self._operations, self._cuts = [], []
        self._records = self._size_bytes = 0
        self._has_moved = self._finish_uncommitted = False
        return commit

    def _accept(self, now: float) -> Accept:
        return Accept(
            pipeline=self._pipeline,
            source=self._source,
            position=self._position,
            records=self._records,
            size_bytes=self._size_bytes,
            main_end=self._main_end,
            runs_end=self._runs_end,
            spilled_to=self._spilled_to if self._key_reader else self._main_end,
            finished=self._finished,
            at=now,
        )

    def _take_grown(self) -> list[GrowBatch]:
        """Counters of grown minibatches: some of them when there are many, for recovery does not need them."""
        chosen = list(self._grown)[:GROWN_PER_COMMIT] if self._key_reader else list(self._grown)
        return [self._grown.pop(batch_id).grown() for batch_id in chosen]

    # --- carrying out what the cutter decided --------------------------------------------------------------

    def _carry_out(self, steps: list[Step], now: float, places: Sequence[int] = ()) -> None:
        """`places` are those of a keyed block's records in the main log."""
        for step in steps:
            match step:
                case Grown():  # first: by far the most frequent
                    self._grow(step)
                case Opened():
                    self._open(step, places[step.skipped] if places else self._main_end)
                case Closed():
                    self._close(step, now)

    def _open(self, step: Opened, start: int) -> None:
        draft = Draft(
            id=minibatch_id(self._pipeline, seq=self._next_seq),
            key=step.key,
            log=RUNS if self._key_reader else MAIN,
            start=start,
            last_at=step.at,
        )
        self._drafts[step.key] = draft
        self._operations.append(
            OpenBatch(
                batch_id=draft.id,
                pipeline=self._pipeline,
                key=step.key,
                seq=self._next_seq,
                opened_at=step.at,
                closes_at=step.closes_at,
                start=start,
                log=draft.log,
            )
        )
        self._next_seq += 1

    def _grow(self, step: Grown) -> None:
        draft = self._drafts[step.key]
        if self._key_reader is not None:
            self._gather(draft, step.data, step.records, step.at)
            return
        draft.records += step.records
        draft.size_bytes += len(step.data)
        draft.last_at = step.at
        draft.laid_down(self._spool.append(MAIN, step.data), step.data)
        self._main_end += len(step.data)
        self._grown[draft.id] = draft

    def _close(self, step: Closed, now: float) -> None:
        draft = self._drafts.pop(step.key)
        self._grown.pop(draft.id, None)
        self._lay_down(draft)
        due_at = step.at if step.reason in {CutReason.TIME, CutReason.IDLE} else None
        self._cuts.append(Cut(batch_id=draft.id, reason=step.reason, records=draft.records, due_at=due_at))
        self._operations.append(
            CloseBatch(
                batch_id=draft.id,
                cut=step.reason,
                closed_at=step.at,
                at=now,
                records=draft.records,
                size_bytes=draft.size_bytes,
                checksum=draft.checksum,
                ranges=tuple(draft.ranges),
            )
        )

    # --- keys --------------------------------------------------------------------------------------------------

    def _take_keyed(self, lines: Lines, key_reader: KeyReader) -> None:
        """The hot path of streams with keys, measured by bench/stream.py: most keys have one record in a block."""
        start = self._spool.append(MAIN, lines.data)
        self._main_end = start + len(lines.data)
        records = lines.data.split(b"\n")
        records.pop()
        keys = key_reader(records)
        now = lines.read_at
        self.tick(now)
        for key, own in grouped(records, keys).items():
            data = (own[0] if len(own) == 1 else b"\n".join(own)) + b"\n"
            if self._cutter.grow(key, count=len(own), size_bytes=len(data)):
                self._gather(self._drafts[key], data, len(own), now)
                continue
            places = positions(records, keys, key, start=start)
            self._carry_out(self._cutter.take(data, count=len(own), at=now, key=key), now, places)

    def _gather(self, draft: Draft, data: bytes, count: int, at: float) -> None:
        draft.records += count
        draft.size_bytes += len(data)
        draft.last_at = at
        draft.pieces.append(data)
        self._gathered_bytes += len(data)
        self._grown[draft.id] = draft

    def _lay_down(self, draft: Draft) -> None:
        """Move what a draft gathered in memory to the runs log."""
        if not draft.pieces:
            return
        data = b"".join(draft.pieces)
        draft.pieces.clear()
        self._gathered_bytes -= len(data)
        draft.laid_down(self._spool.append(RUNS, data), data)
        draft.spilled_records = draft.records
        self._runs_end += len(data)

    def _spill(self) -> None:
        """Write everything gathered as one run sorted by key; the main log is then not needed for recovery."""
        for draft in sorted(self._drafts.values(), key=lambda draft: draft.key or ""):
            if draft.pieces:
                self._lay_down(draft)
                self._operations.append(draft.grown())
                self._grown.pop(draft.id, None)
        self._spilled_to = self._main_end

    def _replay(self, key_reader: KeyReader, counted: dict[str | None, int], accepted_at: float) -> None:
        """Gather again what lay in memory: the records of open minibatches since the last run."""
        records = replayed(self._spool, MAIN, start=self._spilled_to, end=self._main_end, key_reader=key_reader)
        for position, key, record in records:
            draft = self._drafts.get(key)
            if draft is not None and position >= draft.start:
                draft.pieces.append(record)
                draft.records += 1
                draft.size_bytes += len(record)
                self._gathered_bytes += len(record)
        for key, draft in self._drafts.items():
            if draft.records > counted[key]:
                # Newer records than its row knew of: they came at the latest when they were accepted.
                draft.last_at = max(draft.last_at, accepted_at)
