"""A room for tests: a ledger in memory, a clock that only the test moves, and what is put into the one by the other."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.ingestion import Accept, FileSpec, plan_id
from millstream.core.model import Kind
from millstream.core.operations import DeclarePipeline
from millstream.core.tasks import PIPELINE
from millstream.testing.clock import ManualClock

LIMIT_S = 30


class LedgerRoom:
    """The ledger and the clock; made in an event loop."""

    def __init__(self) -> None:
        self.ledger = SqliteLedger(Path(":memory:"))
        self.clock = ManualClock()

    async def accept(self, message_id: str = "m1", *, is_queued: bool = True, sink: str = "/out") -> str:
        """Accept an ingestion; returns the id of its first plan step."""
        now = self.clock.now()
        await self.ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.CHUNK, at=now))
        spec = FileSpec(message_id=message_id, container="c", name="f.csv", sink=sink)
        await self.ledger.do(Accept(spec=spec, principal="", at=now, is_queued=is_queued))
        return plan_id(message_id, seq=0)


AnyRoom = TypeVar("AnyRoom", bound=LedgerRoom)


def play_in(make: Callable[[], AnyRoom], scenario: Callable[[AnyRoom], Awaitable[None]]) -> None:
    """Play a scenario in a room of its own, for `LIMIT_S` at most."""

    async def bounded() -> None:
        room = make()
        try:
            await asyncio.wait_for(scenario(room), LIMIT_S)
        finally:
            await room.ledger.close()

    asyncio.run(bounded())
