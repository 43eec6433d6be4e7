"""An engine whose batches are worked on other machines.

Theory of operation: this process takes in and cuts, as ever; the ledger is a database that all machines reach, workers
are rung for, and the records of minibatches are put into a shared store. No user code runs here, so there is no nursery
and nothing is forked. Time is the ledger's, because leases and retries are judged by it. Nothing can be done while that
is away, so it is waited for, however long that takes.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from millstream.config import Config
from millstream.config.elsewhere import ElsewhereConfig
from millstream.core.exits import Exit
from millstream.core.model import Kind
from millstream.core.operations import SetMeta
from millstream.core.terms import TERMS, dump_terms
from millstream.ports import Clock, Ledger
from millstream.ports.bell import Bell
from millstream.ports.store import Store
from millstream.runtime.engine import Engine
from millstream.runtime.events import Events, Listener
from millstream.runtime.janitor import Kept
from millstream.runtime.summary import Tallies
from millstream.wiring.bells import TEMPORAL_KEY, open_bell
from millstream.wiring.engine import Report, assemble, first_of, lock_state, stop_on_signals
from millstream.wiring.inputs import check_inputs
from millstream.wiring.pipelines import Elsewhere, Parts, terms_of
from millstream.wiring.shared import clock_of, open_ledger
from millstream.wiring.spaces import claim_streams
from millstream.wiring.workbench import payload_store

NOBODY = "engine"
"""What the engine would answer for; it only rings."""

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outside:
    """What an engine shares with its workers; `clock` is the ledger's."""

    ledger: Ledger
    clock: Clock
    bell: Bell
    payloads: Store | None


def run_elsewhere(config: Config, *, elsewhere: ElsewhereConfig, listeners: Sequence[Listener] = ()) -> Report:
    """Run all pipelines of `config` until they are done or drained; blocks, installs signal handlers.

    Raises MillstreamError when nothing could be started.
    """
    check_inputs(config)
    state = Path(config.engine.state)
    lock = lock_state(state)
    try:
        return asyncio.run(_run(config, elsewhere, state=state, listeners=listeners))
    except BaseExceptionGroup as group:
        raise first_of(group) from group
    finally:
        lock.release()


async def _run(config: Config, elsewhere: ElsewhereConfig, *, state: Path, listeners: Sequence[Listener]) -> Report:
    stop = asyncio.Event()
    stop_on_signals(stop.set)
    async with _opened(elsewhere, stop=stop) as outside, _closing_spools() as kept:
        if outside is None:
            return Report(exit=Exit.KEPT, tallies=())
        space = await claim_streams([stream.name for stream in config.streams], state=state, ledger=outside.ledger)
        await outside.ledger.do(SetMeta(key=TERMS, value=dump_terms(terms_of(config))))
        kinds = dict.fromkeys((stream.name for stream in config.streams), Kind.MINIBATCH)
        kinds |= dict.fromkeys((files.name for files in config.files), Kind.BUCKET)
        tallies = Tallies(kinds, began_at=outside.clock.now(), speed=outside.clock.speed)
        parts = Parts(
            state=state,
            ledger=outside.ledger,
            clock=outside.clock,
            events=Events(tallies, *listeners),
            tallies=tallies,
            elsewhere=Elsewhere(bell=outside.bell, payloads=outside.payloads, space=space),
        )
        engine = assemble(config, parts, kept=kept)
        ended = await _run_until(engine, stop)
        failure = str(engine.failure) if engine.failure else None
        return Report(exit=ended, tallies=tuple(tallies.of.values()), failure=failure)


async def _run_until(engine: Engine, stop: asyncio.Event) -> Exit:
    """Run the engine, which drains once `stop` is set."""

    async def stop_engine() -> None:
        await stop.wait()
        engine.stop()

    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(stop_engine(), name="stop")
        ended = await engine.run()
        stopping.cancel()
    return ended


@asynccontextmanager
async def _opened(elsewhere: ElsewhereConfig, *, stop: asyncio.Event) -> AsyncIterator[_Outside | None]:
    """Everything that is shared, closed in the end; None if `stop` was set while the ledger was still waited for."""
    ledger = await open_ledger(elsewhere.dispatch, stop=stop, is_endless=True)
    if ledger is None:
        yield None
        return
    store = payload_store(elsewhere.payload) if elsewhere.payload.payloads else None
    bell: Bell | None = None
    try:
        clock = await clock_of(ledger)
        bell = open_bell(elsewhere.dispatch, pipeline=NOBODY, now=clock.now, api_key=os.environ.get(TEMPORAL_KEY))
        async with asyncio.TaskGroup() as group:
            following = group.create_task(clock.follow(), name="clock")
            yield _Outside(ledger=ledger, clock=clock, bell=bell, payloads=store)
            following.cancel()
    finally:
        if bell is not None:
            await bell.close()
        if store is not None:
            store.close()
        await ledger.close()


@asynccontextmanager
async def _closing_spools() -> AsyncIterator[list[Kept]]:
    """For the spools that an engine opens."""
    kept: list[Kept] = []
    try:
        yield kept
    finally:
        for own in kept:
            own.spool.close()
