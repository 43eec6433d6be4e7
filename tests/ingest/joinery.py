"""An ingestion whose chunks are published to a folder by hand, and the joiner that puts them together."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from millstream.adapters.clock import SystemClock
from millstream.adapters.partfile import EventMark, JoinedFolder, PartFolder, Receipt
from millstream.adapters.sqlite import SqliteLedger
from millstream.core.ingestion import ChunkReport
from millstream.core.model import Job
from millstream.ingest.joining import Joiner
from millstream.ports.sink import Publication, Published
from millstream.testing import ManualClock
from millstream.testing.ledger_suite.driver import Driver
from millstream.testing.ledger_suite.ingestion_driver import Ingestions, claim_ours, report


def lines_of(seq: int, *, message_id: str = "m", size: int = 3) -> bytes:
    """The records of a chunk, which differ from those of all others."""
    return b"".join(f'{{"_id":"{message_id}:{seq}.{each}"}}\n'.encode() for each in range(size * (1 + seq % 3)))


@dataclass
class Workshop:
    """A ledger and a folder."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    told: list[str] = field(default_factory=list)
    rung: int = 0

    def __post_init__(self) -> None:
        self.driver = Driver(self.ledger)
        self.files = Ingestions(self.driver)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self.folder / "ledger.db", synchronous="OFF")

    def start(self, message_id: str = "m", *, chunks: int = 3, **options: object) -> list[Job]:
        """Take a file on, plan its chunks, and claim them."""
        return self.files.start(message_id, chunks=chunks, sink=str(self.out), **options)

    def publish(self, *jobs: Job, size: int = 3) -> list[Published]:
        """Write the parts of chunks, and tell the ledger."""
        return [self._publish(job, size) for job in jobs]

    def joiner(self) -> Joiner:
        """A new joiner, as a new process would make it."""
        return self.joiner_on(self.driver.ledger)

    def joiner_on(self, ledger: object) -> Joiner:
        return Joiner(
            ledger,  # type: ignore[arg-type]
            open_folder=lambda sink: None if "://" in sink else JoinedFolder(Path(sink)),
            clock=self.clock,
            mark=EventMark(self.folder / "mark"),
            tell=self.told.append,
            ring=self._ring,
        )

    @contextmanager
    def joining(self) -> Iterator[Joiner]:
        """A joiner, closed at the end."""
        joiner = self.joiner()
        try:
            yield joiner
        finally:
            joiner.close()

    def settle(self, joiner: Joiner) -> None:
        """Let it work until there is nothing to do."""
        for _ in range(100):
            if not self.driver.run(joiner.step()):
                return
        raise AssertionError("it never comes to rest")

    def join(self) -> None:
        """All of a joiner's life."""
        with self.joining() as joiner:
            self.settle(joiner)

    def part(self, receipt: str, *, message_id: str = "m") -> Path:
        """Where a part is."""
        return self.out / ".parts" / message_id / Receipt.parse(receipt).part

    def names(self) -> list[str]:
        """The files in the folder, hidden ones aside."""
        return sorted(path.name for path in self.out.glob("[!.]*"))

    def unfinished(self) -> list[str]:
        """The ingestions that parts are there of."""
        return sorted(path.name for path in (self.out / ".parts").iterdir() if path.is_dir())

    def reclaim(self) -> list[Job]:
        """What is ready again."""
        return list(self.driver.do(claim_ours()))

    def close(self) -> None:
        self.driver.close()

    def _ring(self) -> None:
        self.rung += 1

    def _publish(self, job: Job, size: int) -> Published:
        assert job.chunk is not None
        message_id, seq = job.chunk.spec.message_id, job.chunk.chunk.seq
        writer = PartFolder(self.out).open(
            Publication(
                batch_id=job.id,
                message_id=message_id,
                seq=seq,
                fence=job.fence,
                attempt=job.attempt,
                first_record=job.chunk.chunk.first_record,
            )
        )
        writer.write(lines_of(seq, message_id=message_id, size=size), numbers=range(2))
        done = writer.commit()
        published = ChunkReport(published=2, rejected=0, receipt=done.receipt, out_bytes=done.out_bytes)
        self.driver.do(report(job, published))
        return done


def join_for_ever(folder: Path) -> None:
    """Join what is in a folder, until killed."""

    async def work() -> None:
        ledger = SqliteLedger(folder / "ledger.db", synchronous="OFF")
        joiner = Joiner(
            ledger,
            open_folder=lambda sink: JoinedFolder(Path(sink)),
            clock=SystemClock(),
            mark=EventMark(folder / "mark"),
            tell=print,
        )
        ledger.listen(joiner.wake)
        print("joining", flush=True)
        await joiner.run()

    asyncio.run(work())
