"""A service, its app and a client of it, in one event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from web.serving import FolderService

T = TypeVar("T")


@pytest.fixture
def loop_of_test() -> Iterator[asyncio.Runner]:
    """An event loop."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def service(tmp_path: Path, loop_of_test: asyncio.Runner) -> Iterator[FolderService]:
    """A service with the file data.csv in the container test."""
    own = FolderService(tmp_path)
    own.put("data.csv")
    yield own
    loop_of_test.run(own.close())


@pytest.fixture
def run(loop_of_test: asyncio.Runner) -> Callable[[Callable[[], Awaitable[T]]], T]:
    """Run an async function of the test."""

    def run_it(test: Callable[[], Awaitable[T]]) -> T:
        async def it() -> T:
            return await test()

        return loop_of_test.run(it())

    return run_it
