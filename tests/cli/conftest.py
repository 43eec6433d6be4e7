"""State folders with real ledgers, and a way to run verbs on them."""

import argparse
import asyncio
import io
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from rich.console import Console

from millstream.adapters.clock import Anchor
from millstream.adapters.sqlite import SqliteLedger
from millstream.cli import explain, operate, status
from millstream.core.model import AttemptResult, CutReason, Done, FileRef, Job, Kind, Outcome
from millstream.core.operations import (
    Accept,
    Claim,
    CloseBatch,
    DeclarePipeline,
    Finish,
    GrowBatch,
    OpenBatch,
    Operation,
    PlanBucket,
    SetMeta,
)
from millstream.core.queries import Query

Answer = TypeVar("Answer")

NOON = datetime(2025, 7, 20, 12, 0, tzinfo=UTC).timestamp()


class Mill:
    """A state folder whose engine time was 12:05:00 when it was made; times are minutes after 12:00:00."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.set_clock(5)

    def apply(self, *operations: Operation[object]) -> list[object]:
        """Apply operations to the ledger, in one transaction."""
        return asyncio.run(self._with_ledger(lambda ledger: ledger.apply(operations)))

    def read(self, query: Query[Answer]) -> Answer:
        """Answer a query."""
        return asyncio.run(self._with_ledger(lambda ledger: ledger.read(query)))

    async def _with_ledger(self, work: Callable[[SqliteLedger], Awaitable[Answer]]) -> Answer:
        ledger = SqliteLedger(self.folder / "ledger.db", synchronous="OFF", inline=True)
        try:
            return await work(ledger)
        finally:
            await ledger.close()

    def at(self, minute: float) -> float:
        """Engine seconds."""
        return NOON + 60 * minute

    def set_clock(self, minute: float, *, speed: float = 1.0) -> None:
        """Make it that time now."""
        anchor = Anchor(engine_s=self.at(minute), wall_s=time.time(), speed=speed)
        self.apply(SetMeta(key="clock", value=anchor.dumps()))

    def declare(self, name: str, *, kind: Kind) -> None:
        """Make a pipeline known."""
        self.apply(DeclarePipeline(name=name, kind=kind, at=self.at(0)))

    def open(self, batch_id: str, *, minute: float, records: int = 3, key: str | None = None) -> None:
        """Open a minibatch of the pipeline clicks with a window of five minutes."""
        self.declare("clicks", kind=Kind.MINIBATCH)
        opened_at = self.at(minute)
        self.apply(
            OpenBatch(
                batch_id=batch_id,
                pipeline="clicks",
                key=key,
                seq=1,
                opened_at=opened_at,
                closes_at=opened_at + 300,
                start=0,
            ),
            GrowBatch(
                batch_id=batch_id,
                records=records,
                size_bytes=10 * records,
                checksum=0,
                last_at=opened_at,
                ranges=((0, 10 * records),),
            ),
            Accept(
                pipeline="clicks",
                source="-",
                position="",
                records=records,
                size_bytes=10 * records,
                main_end=0,
                at=opened_at,
            ),
        )

    def close(self, batch_id: str, *, minute: float, cut: CutReason = CutReason.TIME, records: int = 3) -> None:
        """Close a minibatch."""
        self.apply(
            CloseBatch(
                batch_id=batch_id,
                cut=cut,
                closed_at=self.at(minute),
                at=self.at(minute),
                records=records,
                size_bytes=10 * records,
                checksum=0,
                ranges=((0, 10 * records),),
            )
        )

    def plan(self, batch_id: str, *paths: str, cost_s: float = 1.0, oversize: bool = False) -> None:
        """Plan a bucket of the pipeline nightly at 12:00:00, files of 1 kB."""
        self.declare("nightly", kind=Kind.BUCKET)
        files = tuple(
            FileRef(path=path, size_bytes=1_000, mtime_ns=1, inode=number) for number, path in enumerate(paths)
        )
        self.apply(
            PlanBucket(
                batch_id=batch_id,
                pipeline="nightly",
                files=files,
                size_bytes=1_000 * len(files),
                cost_s=cost_s,
                oversize=oversize,
                at=self.at(0),
            )
        )

    def claim(self, pipeline: str, *, minute: float) -> Job:
        """Claim the next batch for an embedded engine in its third life."""
        claim = Claim(
            pipeline=pipeline, at=self.at(minute), limit=1, max_bytes=1 << 30, owner="engine", epoch=3, lease_until=None
        )
        ((job,),) = self.apply(claim)
        return job

    def finish(
        self,
        job: Job,
        *,
        minute: float,
        outcome: Outcome | None = None,
        retry_at: float = 0,
        bury: bool = False,
        checksums: dict[str, str] | None = None,
    ) -> None:
        """End an attempt that took two seconds; a retry waits until the minute `retry_at`."""
        result = AttemptResult(outcome=outcome or Done(), seconds=2.0, checksums=checksums or {})
        self.apply(
            Finish(
                batch_id=job.id,
                fence=job.fence,
                at=self.at(minute),
                result=result,
                not_before=self.at(retry_at),
                bury=bury,
            )
        )


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    """A state folder with an empty ledger, and no engine on it."""
    return Mill(tmp_path / "state")


@pytest.fixture
def run(mill: Mill) -> Callable[..., int]:
    """Run `millstream` with these words on the state folder, in this process; returns the exit code."""

    def run_verb(*words: str, json: bool = False, quiet: bool = False) -> int:
        shared = argparse.ArgumentParser(add_help=False)
        shared.set_defaults(state=str(mill.folder), json=json, quiet=quiet)
        parser = argparse.ArgumentParser(prog="millstream")
        verbs = parser.add_subparsers(required=True)
        for verb in (status, explain, operate):
            verb.add_parser(verbs, parents=[shared])
        args = parser.parse_args(words)
        return int(args.run(args))

    return run_verb


@pytest.fixture
def run_in_terminal(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The same in a dumb terminal of 160 columns."""

    def run_verb(*words: str, quiet: bool = False) -> int:
        for name, value in {"COLUMNS": "160", "LINES": "50", "TERM": "dumb"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        return run(*words, quiet=quiet)

    return run_verb


@pytest.fixture
def screen() -> Console:
    """A terminal of 120 columns without colours; what was written is in `screen.file`."""
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=120,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )
