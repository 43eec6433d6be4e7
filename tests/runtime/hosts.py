"""What the tests of real worker processes share."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from millstream.core.model import FileRef, Job, Kind
from millstream.runtime.batch import Handler
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool

T = TypeVar("T")
PIPELINE = "p"
PATIENCE_S = 20.0


def job(name: str = "b1", **fields: object) -> Job:
    """A claimed minibatch without records."""
    return Job(**{"id": name, "kind": Kind.MINIBATCH, "pipeline": PIPELINE, "attempt": 1, "fence": 1} | fields)


def bucket(*files: FileRef) -> Job:
    """A claimed bucket."""
    return job(kind=Kind.BUCKET, records=len(files), files=files)


def listed(path: Path) -> FileRef:
    """A file as a lister would name it now."""
    found = path.stat()
    return FileRef(
        path=str(path), size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino, name=path.name
    )


def with_host_pool(
    handler: Handler,
    scenario: Callable[[HostPool], Awaitable[T]],
    *,
    scratch: Path,
    read: Callable[[str, Sequence[tuple[int, int]]], Iterator[bytes]] | None = None,
    is_quiet: bool = True,
    **options: object,
) -> T:
    """Play a scenario with a started pool of real processes, and end them."""
    readers = {PIPELINE: read} if read else {}
    with Nursery.start(
        {PIPELINE: lambda: handler}, readers=readers, scratch=str(scratch), is_quiet=is_quiet
    ) as nursery:

        async def play() -> T:
            pool = HostPool(nursery, name=PIPELINE, **options)
            await pool.start()
            try:
                return await asyncio.wait_for(scenario(pool), PATIENCE_S)
            finally:
                await pool.stop()

        return asyncio.run(play())


async def until(condition: Callable[[], T]) -> T:
    """Wait for something that another process does."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := condition()):  # noqa: ASYNC110 - there is no event from another process
            await asyncio.sleep(0.005)
    return found


def wait_until(condition: Callable[[], T]) -> T:
    """Wait for something that another process does, outside of an event loop."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
    return found


def lives(pid: int) -> bool:
    """Whether a process can still do something: it exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
