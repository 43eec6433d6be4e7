"""Plans and publishes a file as a service does, without one: steps one after another, reports applied by hand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from millstream.adapters.partfile import PartFolder
from millstream.adapters.store import LocalStore
from millstream.core.ingestion import ChunkReport, ChunkTask, FileSpec, FileState, PlanReport, PlanTask, Spoiled
from millstream.core.splitting import Chunk, Position
from millstream.ingest.copying import Places
from millstream.ingest.planning import plan_step
from millstream.ingest.unpacking import UnpackLimits
from millstream.ingest.working import Publisher
from millstream.ports.sink import Publication, Sink


def nothing() -> None:
    """A heartbeat that nobody hears."""


@dataclass
class Site:
    """A container, a scratch store and a sink in one folder."""

    folder: Path
    steps: int = 0
    beats: int = 0
    publisher: Publisher = field(default_factory=Publisher)

    def __post_init__(self) -> None:
        for name in ("in", "scratch", "out"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def places(self) -> Places:
        return Places(
            store=LocalStore(self.folder / "in"),
            scratch=LocalStore(self.folder / "scratch"),
            limits=UnpackLimits(),
            heartbeat=self._beat,
        )

    def _beat(self) -> None:
        self.beats += 1

    def write(self, data: bytes, *, name: str = "data.csv") -> None:
        """Put a file into the container."""
        (self.folder / "in" / name).write_bytes(data)

    def spec(self, *, name: str = "data.csv", **options: object) -> FileSpec:
        """A request for it."""
        return FileSpec(message_id="m1", container="in", name=name, sink="out", **options)  # type: ignore[arg-type]

    def step(
        self, spec: FileSpec, *, found: FileState | None = None, at: Position | None = None, exact: bool = False
    ) -> PlanReport | Spoiled:
        """One plan step."""
        self.steps += 1
        return plan_step(PlanTask(spec=spec, found=found, at=at or Position(offset=0), exact=exact), places=self.places)

    def plan(self, spec: FileSpec, *, exact: bool = False) -> tuple[FileState, list[Chunk]]:
        """All steps."""
        report = self.step(spec, exact=exact)
        assert isinstance(report, PlanReport), report
        chunks = list(report.chunks)
        while not report.is_last:
            report = self.step(spec, found=report.found, at=report.at, exact=exact)
            assert isinstance(report, PlanReport), report
            chunks += report.chunks
        return report.found, chunks

    def publish(
        self, spec: FileSpec, *, found: FileState, chunk: Chunk, fence: int = 1, sink: Sink | None = None
    ) -> ChunkReport | Spoiled:
        """One chunk, to the folder unless another sink is given."""
        publication = Publication(
            batch_id=f"m1-{chunk.seq:06d}",
            message_id="m1",
            seq=chunk.seq,
            fence=fence,
            attempt=fence,
            first_record=chunk.first_record,
        )
        sink = sink or PartFolder(self.folder / "out")
        task = ChunkTask(spec=spec, found=found, chunk=chunk)
        return self.publisher.publish(task, publication=publication, places=self.places, sink=sink)

    def run(self, spec: FileSpec) -> tuple[list[dict[str, object]], list[ChunkReport]]:
        """Plan and publish everything; the records in order, and what the chunks came to."""
        found, chunks = self.plan(spec)
        reports = [self.publish(spec, found=found, chunk=chunk) for chunk in chunks]
        assert all(isinstance(report, ChunkReport) for report in reports), reports
        return list(self.records()), [report for report in reports if isinstance(report, ChunkReport)]

    def records(self) -> Iterator[dict[str, object]]:
        """What was published, in the order of the chunks."""
        for part in sorted((self.folder / "out" / ".parts" / "m1").iterdir()):
            yield from map(json.loads, part.read_bytes().split(b"\n")[:-1])
