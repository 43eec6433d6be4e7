"""The intake of files: look, pack, plan; once, at a time of day, or every so often.

Theory of operation: a look lists all files and asks the ledger which versions it does not know; these are packed and
become buckets in one transaction, so a crash leaves either none or all of a plan. The cost model behind the balance
is fitted to past attempts when there are enough of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from millstream.core.identity import bucket_id
from millstream.core.model import FileRef, Kind
from millstream.core.operations import PlanBucket
from millstream.core.packing import CostModel, Packing, PackStrategy, fit_cost_model, pack
from millstream.core.queries import ReadCosts, ReadKnownVersions
from millstream.core.schedule import Every, Schedule
from millstream.ports import Clock, Ledger, Lister
from millstream.runtime.declare import declare
from millstream.runtime.events import Events, FilesListed, FilesPlanned, NextRun

LOOKS_FOR_UNSETTLED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSettings:
    """How one files pipeline finds and packs its files; `schedule` None means one look."""

    name: str
    capacity: int = 10_000_000
    strategy: str | PackStrategy = "auto"
    workers: int = 10
    open_cost: int = 0
    max_files: int | None = None
    group_by_folder: bool = False
    cost: CostModel = field(default_factory=CostModel)
    schedule: Schedule | None = None
    settle_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """New files, packed: `buckets` are what the ledger is told, `packing` says how good that is.

    `unsettled` counts files that are still being written and so are no part of it.
    """

    files: tuple[FileRef, ...]
    packing: Packing
    buckets: tuple[PlanBucket, ...]
    unsettled: int = 0


class FilesIntake:
    """Runs the looks of one files pipeline until the last one or a drain."""

    def __init__(
        self,
        settings: FilesSettings,
        *,
        lister: Lister,
        ledger: Ledger,
        clock: Clock,
        events: Events,
        on_ready: Callable[[], None],
    ) -> None:
        self.name = settings.name
        self.exhausted = False
        self.ended = asyncio.Event()
        self._settings = settings
        self._lister = lister
        self._ledger = ledger
        self._clock = clock
        self._events = events
        self._on_ready = on_ready
        self._stopping = asyncio.Event()

    @property
    def leaves_input(self) -> bool:
        """Whether a stop before the end leaves files that the next start looks for."""
        return self._settings.schedule is None

    def stop(self) -> None:
        """Look no more; `run` then returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Look as often as the schedule says, until `stop`."""
        try:
            await declare(self.name, kind=Kind.BUCKET, ledger=self._ledger, at=self._clock.now())
            anchor = self._clock.civil()
            schedule = self._settings.schedule
            if schedule is None:
                await self._look_until_settled()
            elif isinstance(schedule, Every):
                await self.look()
            due = anchor
            while schedule is not None:
                # Never before the last run: somebody may have set the wall clock back.
                due = schedule.next_after(max(due, self._clock.civil()), anchor_s=anchor)
                if not await self._wait_until(due):
                    break
                await self.look()
            self.exhausted = not self._stopping.is_set()
        finally:
            self.ended.set()

    async def _look_until_settled(self) -> None:
        """Look; and again, a few times, while files are still being written."""
        for _ in range(LOOKS_FOR_UNSETTLED):
            if not await self.look():
                return
            if not await self._sleep_until(self._clock.now() + self._settings.settle_s * self._clock.speed):
                return

    async def look(self) -> bool:
        """Find new files, pack them, make the buckets ready; returns whether files are still being written."""
        plan = await self.plan()
        if plan.buckets:
            await self._ledger.apply(plan.buckets)
            self._planned(plan)
            self._on_ready()
        return bool(plan.unsettled)

    def _planned(self, plan: Plan) -> None:
        packing = plan.packing
        self._events.emit(
            FilesPlanned(
                pipeline=self.name,
                files=len(plan.files),
                buckets=len(plan.buckets),
                size_bytes=sum(file.size_bytes for file in plan.files),
                lower_bound=packing.lower_bound,
                optimal=packing.optimal,
                strategy=packing.strategy,
                est_makespan_s=packing.est_makespan_s,
            )
        )

    async def plan(self) -> Plan:
        """Find new files and pack them, without telling the ledger."""
        listing = await self._lister.scan()
        known = await self._ledger.read(ReadKnownVersions(pipeline=self.name, files=listing.settled))
        files = tuple(file for file in listing.settled if (file.path, file.version) not in known)
        self._events.emit(
            FilesListed(
                pipeline=self.name,
                listed=len(listing.settled),
                new=len(files),
                unsettled=tuple(file.path for file in listing.unsettled),
                refused=listing.refused,
                ignored=listing.ignored,
            )
        )
        samples = await self._ledger.read(ReadCosts(pipeline=self.name))
        cost = fit_cost_model(
            [(row.size_bytes, row.files, row.seconds) for row in samples], default=self._settings.cost
        )
        plan = await asyncio.to_thread(make_plan, files, settings=self._settings, cost=cost, at=self._clock.now())
        return replace(plan, unsettled=len(listing.unsettled))

    async def _wait_until(self, due: float) -> bool:
        """Wait for the next run; False when a stop came first."""
        self._events.emit(NextRun(pipeline=self.name, at=due))
        while (left_s := due - self._clock.civil()) > 0:
            # In short steps, because somebody may set the wall clock meanwhile.
            if not await self._sleep_until(self._clock.now() + min(left_s, 30.0 * self._clock.speed)):
                return False
        return True

    async def _sleep_until(self, when: float) -> bool:
        """Sleep; False when a stop came first."""
        sleeping = asyncio.ensure_future(self._clock.sleep_until(when))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for wait in (sleeping, stopping):
            wait.cancel()
        return not self._stopping.is_set()


def make_plan(files: Sequence[FileRef], *, settings: FilesSettings, cost: CostModel, at: float) -> Plan:
    """Pack `files` as the settings say."""
    packing = pack(
        [file.size_bytes for file in files],
        capacity=settings.capacity,
        strategy=settings.strategy,
        workers=settings.workers,
        open_cost=settings.open_cost,
        max_files=settings.max_files,
        group=[str(PurePath(file.path).parent) for file in files] if settings.group_by_folder else None,
        cost=cost,
    )
    members = [tuple(files[index] for index in bucket) for bucket in packing.buckets]
    buckets = tuple(
        PlanBucket(
            batch_id=bucket_id(settings.name, files=own),
            pipeline=settings.name,
            files=own,
            size_bytes=sum(file.size_bytes for file in own),
            cost_s=packing.costs_s[number],
            oversize=packing.oversize[number],
            at=at,
        )
        for number, own in enumerate(members)
    )
    return Plan(files=tuple(files), packing=packing, buckets=buckets)
