"""A service over a real ledger and a real folder, whose chunks are worked by the test."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path

import httpx
from fastapi import FastAPI

from millstream.adapters.sqlite import SqliteLedger
from millstream.adapters.store import LocalStore
from millstream.core.ingestion import (
    PIPELINE,
    Accept,
    Acceptance,
    ChunkReport,
    FileSpec,
    FileState,
    Joined,
    PlanReport,
    ReadIngestion,
    ReadUnjoined,
    Report,
)
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Done, Job, Kind, Outcome
from millstream.core.operations import Claim, DeclarePipeline, Finish
from millstream.core.splitting import Chunk, Dialect, Format, Head, Policy, Position, Rejected
from millstream.errors import StoreUnavailableError
from millstream.ports import Ledger
from millstream.ports.store import StoredObject
from millstream.web import ApiKey, Part, PoolStatus, Wanted, WebSettings, create_app, digest_of

CONTAINERS = ("test", "other")
KEYS = {"alice": "key-of-alice", "bob": "key-of-bob", "root": "key-of-root"}
API_KEYS = (
    ApiKey(name="alice", sha256=digest_of(KEYS["alice"]), containers=("test",)),
    ApiKey(name="bob", sha256=digest_of(KEYS["bob"]), containers=("test", "other")),
    ApiKey(name="root", sha256=digest_of(KEYS["root"]), containers=("*",), operator=True),
)


class FolderService:
    """Implements millstream.web.Service with a ledger and a folder for each container.

    `is_store_down` makes stores unavailable; `hold` is awaited before a file is accepted.
    """

    def __init__(self, folder: Path, *, names: Collection[str] = CONTAINERS) -> None:
        self._names = names
        self._ledger = SqliteLedger(folder / "ledger.db", synchronous="OFF")
        self._stores = {}
        for name in names:
            (folder / name).mkdir()
            self._stores[name] = LocalStore(folder / name)
        self.folder = folder
        self.is_store_down = False
        self.rings = 0
        self.heads = 0
        self.parts: Sequence[Part] = (Part(name="ledger"), Part(name="sink", required=False))
        self.hold: Callable[[], Awaitable[None]] | None = None

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    @property
    def containers(self) -> Collection[str]:
        return self._names

    def now(self) -> float:
        return time.time()

    def head(self, container: str, *, name: str) -> StoredObject:
        self.heads += 1
        if self.is_store_down:
            raise StoreUnavailableError(address=container, reason="it is down")
        return self._stores[container].head(name)

    async def accept(self, wanted: Wanted) -> Acceptance:
        if self.hold is not None:
            await self.hold()
        spec = FileSpec(
            message_id=f"{time.time_ns():032x}",
            container=wanted.container,
            name=wanted.file_name,
            sink=str(self.folder / "out"),
            dialect=Dialect(format=wanted.format or Format.CSV),
            policy=wanted.policy or Policy.STRICT,
            chunk_bytes=wanted.chunk_bytes or 4_000_000,
        )
        return await self._ledger.do(
            Accept(
                spec=spec,
                principal=wanted.principal,
                at=self.now(),
                is_queued=True,
                idempotency_key=wanted.idempotency_key,
                fingerprint=wanted.fingerprint,
                limit=wanted.limit,
            )
        )

    def ring(self) -> None:
        self.rings += 1

    async def check(self) -> Sequence[Part]:
        return self.parts

    def pool(self) -> PoolStatus | None:
        return PoolStatus(workers=4, busy=1)

    async def close(self) -> None:
        await self._ledger.close()

    # --- what workers do ----------------------------------------------------------------------------------------

    def put(self, name: str, *, container: str = "test", data: bytes = b"a,b\n1,2\n") -> None:
        """Put a file into a container."""
        path = self.folder / container / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    async def claim(self) -> Job:
        """Claim the next batch."""
        await self._ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.CHUNK, at=self.now()))
        (job,) = await self._ledger.do(
            Claim(pipeline=PIPELINE, at=self.now(), limit=1, max_bytes=1 << 40, owner="w", epoch=1)
        )
        return job

    async def finish(
        self, job: Job, *, report: Report | None = None, outcome: Outcome | None = None, bury: bool = False
    ) -> State | bool:
        """End an attempt."""
        result = AttemptResult(outcome=outcome or Done(), seconds=0.5, report=report)
        return await self._ledger.do(Finish(batch_id=job.id, fence=job.fence, at=self.now(), result=result, bury=bury))

    async def plan(self, *, chunks: int, records: int = 10, size_bytes: int = 100) -> Job:
        """Work the next plan step: so many chunks of so many records and bytes each, and no more."""
        job = await self.claim()
        assert job.plan is not None
        head = Head(names=("a", "b"), start=4, fingerprint="0" * 32)
        cut = tuple(
            Chunk(
                seq=seq,
                start=4 + size_bytes * seq,
                end=4 + size_bytes * (seq + 1),
                first_record=records * seq,
                records=records,
            )
            for seq in range(chunks)
        )
        at = cut[-1].after if cut else Position(offset=4)
        found = FileState(version="v1", size_bytes=at.offset, head=head)
        await self.finish(job, report=PlanReport(found=found, chunks=cut, at=at, is_last=True))
        return job

    async def work(self, *, rejects: Sequence[Rejected] = ()) -> Job:
        """Work the next chunk."""
        job = await self.claim()
        assert job.chunk is not None
        published = job.chunk.chunk.records - len(rejects)
        report = ChunkReport(published=published, rejected=len(rejects), rejects=tuple(rejects), receipt="r")
        await self.finish(job, report=report)
        return job

    async def join(self) -> None:
        """Put the records of done chunks into the one file, as far as the ledger is concerned."""
        for row in await self._ledger.read(ReadUnjoined()):
            known = await self._ledger.read(ReadIngestion(message_id=row.message_id))
            assert known is not None
            end = known.out_bytes + row.size_bytes
            joined = Joined(
                message_id=row.message_id, seqs=(row.seq,), from_bytes=known.out_bytes, out_bytes=end, at=self.now()
            )
            assert await self._ledger.do(joined)

    async def status(self, message_id: str) -> str:
        """The status of a job."""
        row = await self._ledger.read(ReadIngestion(message_id=message_id))
        assert row is not None
        return row.status


def app_of(service: FolderService, **settings: object) -> FastAPI:
    """The app over a service."""
    return create_app(service, settings=WebSettings(**settings))  # type: ignore[arg-type]


def client_of(app: FastAPI, *, key: str | None = None, **headers: str) -> httpx.AsyncClient:
    """A client of the app in this process."""
    own = {"Authorization": f"Bearer {KEYS.get(key, key)}"} if key is not None else {}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers={**own, **headers}
    )


WANTED = {"file_name": "data.csv", "file_container": "test"}
