"""What the tests of real worker processes share."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from millstream.runtime.batch import Handler
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from millstream.testing.pool_suite import PATIENCE_S, PIPELINE

T = TypeVar("T")

untraced = pytest.mark.skipif(
    sys.gettrace() is not None,
    reason="while it traces, for coverage, CPython 3.11 cannot raise an exception in another thread and call it back",
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
