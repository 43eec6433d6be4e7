"""How commands get at a state folder, whether an engine is running on it or not.

Theory of operation: they read and change the same ledger as the engine, in transactions of their own; after a change
they ring at the engine's door, so that it looks at once. The only module of the command line that knows what a state
folder is made of.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from millstream.adapters.clock import Anchor, SystemClock
from millstream.adapters.lock import running_engine
from millstream.adapters.sqlite import SqliteLedger, ring
from millstream.core.container import is_object_address
from millstream.core.queries import PAUSED, ReadBatches, ReadFiles, ReadMeta
from millstream.core.rows import BatchRow, FileRow
from millstream.core.terms import TERMS, Terms, load_terms
from millstream.errors import MillstreamError, UnknownBatchError
from millstream.ports import Ledger
from millstream.wiring.engine import CLOCK_ANCHOR, LEDGER


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is true of a whole state folder while one looks at it.

    `engine_pid` is the process that works on it, None without one; `now_s` the engine's time, `speed` times as fast
    as the wall; `is_paused` says whether an operator holds back all work; `terms` are those of the engine that was
    started last, None when they are not known.
    """

    engine_pid: int | None
    now_s: float
    speed: float = 1.0
    is_paused: bool = False
    terms: Mapping[str, Terms] | None = None


@asynccontextmanager
async def open_ledger(state: str) -> AsyncIterator[Ledger]:
    """The ledger of a state folder, closed at the end; raises MillstreamError when nothing was run there yet."""
    path = Path(state) / LEDGER
    if not path.exists():
        raise MillstreamError(
            f"state: no state at {state}: nothing was run there yet; name the folder of an engine with --state"
        )
    # Inline: a command asks one thing after the other and has nothing to do meanwhile.
    ledger = SqliteLedger(path, inline=True, on_full=_give_up)
    try:
        yield ledger
    finally:
        await ledger.close()


def _give_up(reason: str) -> NoReturn:
    """An engine waits for room on a full disk; a person at a terminal would wonder."""
    raise MillstreamError(f"state: nothing was changed: {reason}; make room and try again")


def engine_pid(state: str) -> int | None:
    """The process id of the engine that works on a state folder, None when there is none."""
    return running_engine(Path(state))


def ring_engine(state: str) -> None:
    """Tell the engine, if one runs, that its ledger was changed."""
    ring(Path(state) / LEDGER)


async def look_around(ledger: Ledger, *, state: str) -> Surroundings:
    """What is true of the state folder now."""
    anchor = await ledger.read(ReadMeta(key=CLOCK_ANCHOR))
    terms = await ledger.read(ReadMeta(key=TERMS))
    clock = SystemClock(Anchor.loads(anchor) if anchor else None)
    return Surroundings(
        engine_pid=engine_pid(state),
        now_s=clock.now(),
        speed=clock.speed,
        is_paused=await ledger.read(ReadMeta(key=PAUSED)) == "1",
        terms=load_terms(terms) if terms else None,
    )


async def find_batch(ledger: Ledger, name: str, *, state: str) -> BatchRow:
    """The batch of that name; raises UnknownBatchError."""
    rows = await ledger.read(ReadBatches(batch_id=name)) if _can_be_known(name) else ()
    if not rows:
        raise UnknownBatchError(name=name, state=state)
    return rows[0]


async def find_batch_or_file(ledger: Ledger, name: str, *, state: str) -> BatchRow | tuple[FileRow, ...]:
    """The batch of that name or else all versions of the file at that path; raises UnknownBatchError."""
    try:
        return await find_batch(ledger, name, state=state)
    except UnknownBatchError:
        versions = await ledger.read(_file_at(name)) if _can_be_known(name) else ()
        if not versions:
            raise
        return versions


def _file_at(name: str) -> ReadFiles:
    """The question for a file, which the ledger knows by its real path, or by its address in an object store."""
    return ReadFiles(path=name if is_object_address(name) else os.path.realpath(name))


def _can_be_known(name: str) -> bool:
    """Whether a name can be in a ledger: bytes that are no text, which Python reads as surrogates, cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
