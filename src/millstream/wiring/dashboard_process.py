"""The process that serves the dashboard of an engine: `python -m millstream.wiring.dashboard_process STATE SOCKET`.

Theory of operation: started by `wiring.dashboard`. It ends when its standard input does, which the engine holds. What
it asks of the ledger is bounded however many look: counting all batches, the one question whose cost grows with the
ledger, is answered from memory until twenty times as long has passed as it took.
"""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar, cast

import uvicorn

from millstream.adapters.clock import CLOCK_ANCHOR, Anchor, SystemClock
from millstream.adapters.lock import running_engine
from millstream.adapters.sqlite import SqliteLedger, ring
from millstream.core.ingestion import Acceptance
from millstream.core.lifecycle import State
from millstream.core.operations import Operation
from millstream.core.queries import Query, ReadMeta, ReadTotals, ReadUnfinished
from millstream.core.terms import TERMS, Terms, load_terms
from millstream.errors import MillstreamError, ObjectMissingError
from millstream.ports import Ledger
from millstream.ports.store import StoredObject
from millstream.web import Part, PoolStatus, Wanted, WebSettings
from millstream.web.dashboard import create_dashboard
from millstream.wiring.engine import LEDGER

NICENESS = 5
SHARE = 20
"""At most one part in so many of the time goes into counting."""
FRESH_S = 0.5
LOOK_S = 1.0
WATCHED_S = 15.0
"""Nobody looks any more when nobody has asked for so long."""

Answer = TypeVar("Answer")


class SparingLedger:
    """A ledger that counts its batches seldom enough not to be slowed by it."""

    def __init__(self, ledger: Ledger, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._monotonic = monotonic
        self._counting = asyncio.Lock()
        self._totals: object = ()
        self._good_until_s = float("-inf")

    async def apply(self, operations: Sequence[Operation[object]]) -> list[object]:
        """See ports.Ledger."""
        self._good_until_s = float("-inf")
        return await self._ledger.apply(operations)

    async def do(self, operation: Operation[Answer]) -> Answer:
        """See ports.Ledger."""
        self._good_until_s = float("-inf")
        return await self._ledger.do(operation)

    async def read(self, query: Query[Answer]) -> Answer:
        """See ports.Ledger."""
        if not isinstance(query, ReadTotals) or query.pipeline is not None:
            return await self._ledger.read(query)
        async with self._counting:
            began_s = self._monotonic()
            if began_s >= self._good_until_s:
                self._totals = await self._ledger.read(query)
                ended_s = self._monotonic()
                self._good_until_s = ended_s + max(FRESH_S, SHARE * (ended_s - began_s))
            return cast("Answer", self._totals)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See ports.Ledger."""
        return self._ledger.listen(callback)

    async def close(self) -> None:
        """See ports.Ledger."""
        await self._ledger.close()


class StateFolder:
    """Implements web.Service: a state folder to look at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ledger = SparingLedger(SqliteLedger(folder / LEDGER))
        self._clock = SystemClock()
        self._terms: dict[str, Terms] = {}
        self._pool = PoolStatus(workers=0, busy=0)
        self._asked_s = time.monotonic()

    @property
    def ledger(self) -> Ledger:
        """See web.Service."""
        return self._ledger

    @property
    def containers(self) -> Collection[str]:
        """See web.Service."""
        return ()

    def now(self) -> float:
        """See web.Service."""
        return self._clock.now()

    def head(self, container: str, *, name: str) -> StoredObject:
        """See web.Service; there is nothing."""
        raise ObjectMissingError(container=container, name=name)

    async def accept(self, wanted: Wanted) -> Acceptance:
        """See web.Service; nothing is taken on here."""
        raise MillstreamError(f"{wanted.file_name}: this engine takes no files on; millstream serve does")

    def ring(self) -> None:
        """See web.Service."""
        ring(self._folder / LEDGER)

    async def check(self) -> Sequence[Part]:
        """See web.Service."""
        await self._ledger.read(ReadMeta(key=TERMS))
        engine = running_engine(self._folder)
        return [Part(name="ledger"), Part(name="engine", problem="" if engine else "no engine is running")]

    def pool(self) -> PoolStatus | None:
        """See web.Service; as it was at most a second ago, once somebody has asked."""
        self._asked_s = time.monotonic()
        return self._pool

    async def begin(self) -> None:
        """Learn what does not change while an engine runs."""
        anchor = await self._ledger.read(ReadMeta(key=CLOCK_ANCHOR))
        terms = await self._ledger.read(ReadMeta(key=TERMS))
        self._clock = SystemClock(Anchor.loads(anchor) if anchor else None)
        self._terms = load_terms(terms) if terms else {}
        await self._look()

    async def watch(self) -> None:
        """Keep the number of busy workers fresh while anybody asks for it; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if time.monotonic() - self._asked_s < WATCHED_S:
                await self._look()

    async def _look(self) -> None:
        unfinished = await self._ledger.read(ReadUnfinished())
        running = {row.pipeline: row.batches for row in unfinished if row.state is State.RUNNING}
        # What is claimed beyond the number of workers waits for one in the engine's own queue.
        busy = sum(min(running.get(name, 0), terms.workers) for name, terms in self._terms.items())
        self._pool = PoolStatus(workers=sum(terms.workers for terms in self._terms.values()), busy=busy)


async def serve(folder: Path, *, listening: socket.socket) -> None:
    """Serve until standard input ends."""
    service = StateFolder(folder)
    await service.begin()
    app = create_dashboard(service, settings=WebSettings())
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        app.state.room.close()
        server.should_exit = True

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait_for_the_end, name="engine", daemon=True).start()
    watching = asyncio.ensure_future(service.watch())
    try:
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        await service.ledger.close()


def main() -> None:
    """Serve the state folder and socket that the command line names."""
    folder, descriptor = sys.argv[1:]
    os.nice(NICENESS)
    asyncio.run(serve(Path(folder), listening=socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    main()
