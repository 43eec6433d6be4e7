"""What a worker answers a bell from the ledger: what is ready, where a batch is, and what became ready by an end."""

from millstream.core.ingestion import PlanReport, ReadIngestion, ReadReady, Spoiled, chunk_id
from millstream.core.lifecycle import FINISHED, State
from millstream.core.model import AttemptResult, Job
from millstream.core.queries import ReadBatches
from millstream.ports import Clock
from millstream.ports.bell import Ring, Worked
from millstream.runtime.patientledger import PatientLedger
from millstream.runtime.ringing import is_plan_step, rings_of

ALL_READY = 200
"""How many ready batches are told to one who asks what is ready."""


class Lookup:
    """Reads of a ledger, which wait while it is away."""

    def __init__(self, ledger: PatientLedger, *, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def ingestion(self, ring: Ring) -> Worked:
        """What is ready of an ingestion, and whether there is anything left to wait for."""
        if ring.message_id is None:
            return Worked(state=None, is_over=True)
        row = await self._ledger.read(ReadIngestion(message_id=ring.message_id))
        if row is None or row.ended_at is not None:
            return Worked(state=None, is_over=True)
        ready = await self._ledger.read(ReadReady(message_id=ring.message_id, at=self._clock.now(), limit=ALL_READY))
        is_worked = row.planned_all and row.chunks_done + row.chunks_failed == row.chunks_planned
        return Worked(state=None, ready=rings_of(ready), is_over=is_worked and not ready)

    async def batch(self, ring: Ring) -> Worked:
        """Where a batch is that another works, or that is worked already."""
        rows = await self._ledger.read(ReadBatches(batch_id=ring.batch_id))
        if not rows:
            return Worked(state=None, is_over=ring.message_id is None)
        state = rows[0].state
        return Worked(
            state=state,
            not_before=rows[0].not_before if state is State.WAITING else None,
            is_over=ring.message_id is None and state in FINISHED,
        )

    async def made_ready(self, job: Job, result: AttemptResult) -> tuple[Ring, ...]:
        """What became ready by an end: the chunks that were planned, the next plan step, a successor's first one."""
        if job.key is None or (job.plan is None and job.chunk is None):
            return ()
        report = result.report
        if isinstance(report, Spoiled):
            row = await self._ledger.read(ReadIngestion(message_id=job.key))
            heirs = [job.key] if row is None or not row.successor else [job.key, row.successor]
            found = [await self._ledger.read(ReadReady(message_id=heir)) for heir in heirs]
            return tuple(each for rows in found for each in rings_of(rows))
        planned = report.chunks if isinstance(report, PlanReport) else ()
        made = {chunk_id(job.key, seq=chunk.seq) for chunk in planned}
        # Plan steps come first in the queue, so one row is enough to see whether there is a new one.
        rows = await self._ledger.read(ReadReady(message_id=job.key, limit=ALL_READY if planned else 1))
        return rings_of([row for row in rows if row.batch_id in made or is_plan_step(row)])
