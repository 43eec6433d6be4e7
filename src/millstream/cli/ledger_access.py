"""How commands get at a ledger, whether something works with it or not.

Theory of operation: they read and change the same ledger as engines, services and workers, in transactions of their
own. After a change of the ledger of a state folder they ring at its engine's door, so that it looks at once; in a
shared one the change itself tells everybody who listens, and that workers are to be rung for what is ready. The only
module of the command line that knows what a state folder is made of.
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar, cast

from millstream.adapters.clock import CLOCK_ANCHOR, Anchor, SystemClock
from millstream.adapters.lock import running_engine
from millstream.adapters.sqlite import SqliteLedger, ring
from millstream.cli.output import local_time
from millstream.cli.place import Place
from millstream.config.dispatching import LEDGER_FILE
from millstream.core.container import is_object_address
from millstream.core.ingestion import IngestionRow, ReadIngestion
from millstream.core.operations import Operation, SetMeta
from millstream.core.queries import PAUSED, ReadBatches, ReadFiles, ReadMeta, ReadTime
from millstream.core.rows import BatchRow, FileRow
from millstream.core.terms import TERMS, Terms, load_terms
from millstream.errors import MillstreamError, UnknownBatchError
from millstream.ports import Ledger
from millstream.runtime.sweeper import RING, SWEEPER
from millstream.wiring.shared import open_at_once

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is true of a whole ledger while one looks at it.

    `engine_pid` is the process that works on the state folder, None without one; `now_s` the engine's time, `speed`
    times as fast as the wall; `is_paused` says whether an operator holds back all work; `terms` are those of the engine
    that was started last, None when they are not known.

    A ledger that `is_shared` has no one engine. There `keeper` is the service or worker that looks after it for all, as
    one of them always does, None when none is running; `kept_until` is how long the last one would have.
    """

    engine_pid: int | None
    now_s: float
    speed: float = 1.0
    is_paused: bool = False
    terms: Mapping[str, Terms] | None = None
    is_shared: bool = False
    keeper: str | None = None
    kept_until: float | None = None

    @property
    def is_alive(self) -> bool:
        """Whether somebody is there who acts on a change."""
        return self.engine_pid is not None or self.keeper is not None

    @property
    def absence(self) -> str | None:
        """Why nobody works now, None when somebody does."""
        if self.is_alive:
            return None
        if not self.is_shared:
            return "no engine is running on this state folder"
        if self.kept_until is None:
            return "no service or worker has looked after this ledger yet"
        last = local_time(self.kept_until, now_s=self.now_s)
        return f"no service or worker has been running on this ledger since {last}"


@asynccontextmanager
async def open_ledger(place: Place) -> AsyncIterator[Ledger]:
    """The ledger at a place, closed at the end; raises MillstreamError when there is none yet, or it is away."""
    ledger = _open_folder(place.folder) if place.address is None else await open_at_once(place.address)
    try:
        yield ledger
    finally:
        await ledger.close()


def _open_folder(state: str) -> Ledger:
    path = Path(state) / LEDGER_FILE
    if not path.exists():
        raise MillstreamError(
            f"state: no state at {state}: nothing was run there yet; name the folder of an engine with --state"
        )
    # Inline: a command asks one thing after the other and has nothing to do meanwhile.
    return SqliteLedger(path, inline=True, on_full=_give_up)


def _give_up(reason: str) -> NoReturn:
    """An engine waits for room on a full disk; a person at a terminal would wonder."""
    raise MillstreamError(f"state: nothing was changed: {reason}; make room and try again")


async def change(ledger: Ledger, operation: Operation[Answer], *, place: Place, now_s: float) -> Answer:
    """Apply an operation, and have what it lets go looked at now; returns its result."""
    if place.is_shared:
        told = SetMeta(key=RING, value=repr(now_s))
        return cast("Answer", (await ledger.apply([operation, told]))[0])
    result = await ledger.do(operation)
    ring(Path(place.folder) / LEDGER_FILE)
    return result


async def look_around(ledger: Ledger, *, place: Place) -> Surroundings:
    """What is true of the ledger now."""
    terms = await ledger.read(ReadMeta(key=TERMS))
    is_paused = await ledger.read(ReadMeta(key=PAUSED)) == "1"
    known = load_terms(terms) if terms else None
    if place.is_shared:
        now_s = await ledger.read(ReadTime())
        keeper, until = _duty(await ledger.read(ReadMeta(key=SWEEPER)))
        return Surroundings(
            engine_pid=None,
            now_s=now_s,
            is_paused=is_paused,
            terms=known,
            is_shared=True,
            keeper=keeper if until is not None and until > now_s else None,
            kept_until=until,
        )
    anchor = await ledger.read(ReadMeta(key=CLOCK_ANCHOR))
    clock = SystemClock(Anchor.loads(anchor) if anchor else None)
    return Surroundings(
        engine_pid=running_engine(Path(place.folder)),
        now_s=clock.now(),
        speed=clock.speed,
        is_paused=is_paused,
        terms=known,
    )


def _duty(text: str | None) -> tuple[str | None, float | None]:
    """Who looks after a shared ledger, and until when; nobody if what is written cannot be read."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        found = json.loads(text or "")
        return str(found["owner"]), float(found["until"])
    return None, None


async def find_work(ledger: Ledger, name: str, *, place: Place) -> BatchRow | IngestionRow:
    """The batch or the ingestion of that id; raises UnknownBatchError."""
    if _can_be_known(name):
        rows = await ledger.read(ReadBatches(batch_id=name))
        found = rows[0] if rows else await ledger.read(ReadIngestion(message_id=name))
        if found is not None:
            return found
    raise UnknownBatchError(name=name, state=place.shown)


async def find_anything(ledger: Ledger, name: str, *, place: Place) -> BatchRow | IngestionRow | tuple[FileRow, ...]:
    """The batch or ingestion of that id, or else all versions of the file at that path; raises UnknownBatchError."""
    try:
        return await find_work(ledger, name, place=place)
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
