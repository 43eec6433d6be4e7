"""One SQLite file, one writer thread, group commit.

Theory of operation: whoever calls `apply` hands its operations to a thread and waits for a future. The thread takes
everything that waits, runs it in one transaction (each call in a savepoint of its own, so that one bad call does not
spoil its neighbours), commits once, which is one fsync, and answers all. A full disk rolls the transaction back and
tries the same again until there is room: callers simply wait longer. Another process that changed the ledger rings
a doorbell (a named pipe beside the file), so nobody polls.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from millstream.adapters.sql import SCHEMA_VERSION, schema
from millstream.adapters.sqlite import going
from millstream.adapters.sqlite.answers import answer
from millstream.adapters.sqlite.changes import change
from millstream.core.operations import Operation
from millstream.core.queries import Query
from millstream.errors import LedgerUnusableError, LedgerVersionError

GROUP = 1000
BUSY_MS = 30_000
BUSY_RETRY_S = 0.01
FULL_RETRY_S = 1.0
DOORBELL = "doorbell"

Answer = TypeVar("Answer")
_Work = Sequence[Operation[object]] | Query[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    work: _Work
    future: "asyncio.Future[list[object]]"
    loop: asyncio.AbstractEventLoop

    def answer(self, result: list[object] | Exception) -> None:
        # The loop may be gone when the process is ending: then nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, result)

    def _settle(self, result: list[object] | Exception) -> None:
        if self.future.done():
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


def connect(path: Path, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open the ledger file, create or check its schema.

    Raises LedgerVersionError when a newer Millstream wrote it, LedgerUnusableError when it cannot be opened.
    """
    try:
        return _open(path, synchronous=synchronous)
    except sqlite3.DatabaseError as error:
        raise LedgerUnusableError(path=str(path), reason=str(error)) from error


def _open(path: Path, *, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, cached_statements=256, check_same_thread=False)
    try:
        db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        _use_wal(db)
        if _checked_version(db, path) < SCHEMA_VERSION:
            _create(db)
        going.prepare(db)
    except BaseException:
        db.close()  # or what it had begun would hold up the next one
        raise
    return db


def _checked_version(db: sqlite3.Connection, path: Path) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise LedgerVersionError(path=str(path), found=version, known=SCHEMA_VERSION)
    return version


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL mode; when another process switches a new file at the same moment, SQLite itself does not wait."""
    give_up_at = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(BUSY_RETRY_S)
        else:
            return


def _create(db: sqlite3.Connection) -> None:
    """Create the schema, or bring it up to date, in one transaction, unless another process was faster."""
    db.execute("BEGIN IMMEDIATE")
    found = db.execute("PRAGMA user_version").fetchone()[0]
    for version in range(found + 1, SCHEMA_VERSION + 1):
        for part in schema(version).split(";\n"):
            if part.strip():
                db.execute(part)
    if found < SCHEMA_VERSION:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


class SqliteLedger:
    """Implements ports.Ledger on the file `path`.

    `on_full` is called (in the writer thread) with a message each time that the disk turns out to be full.
    With `inline` there is no writer thread: every call does its work before it first waits, so that a simulation
    with a manual clock runs the same way each time; it blocks the event loop and shares no commits.
    """

    def __init__(
        self,
        path: Path,
        *,
        synchronous: str = "FULL",
        on_full: Callable[[str], None] | None = None,
        inline: bool = False,
    ) -> None:
        self.path = path
        self._on_full = on_full
        self._inline = inline
        self._db = connect(path, synchronous=synchronous)
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    async def apply(self, operations: Sequence[Operation[object]]) -> list[object]:
        """See ports.Ledger."""
        return await self._call(operations)

    async def do(self, operation: Operation[Answer]) -> Answer:
        """See ports.Ledger."""
        return cast("Answer", (await self._call([operation]))[0])

    async def read(self, query: Query[Answer]) -> Answer:
        """See ports.Ledger."""
        return cast("Answer", (await self._call(query))[0])

    def _call(self, work: _Work) -> "asyncio.Future[list[object]]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[object]] = loop.create_future()
        call = _Call(work=work, future=future, loop=loop)
        if self._inline:
            self._work([call])
            return future
        if self._thread is None:
            # Started late, so that worker processes can be forked before any thread exists.
            self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
            self._thread.start()
        self._calls.put(call)
        return future

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See ports.Ledger."""
        path = self.path.with_name(DOORBELL)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # Opened for both directions: so there is always a writer, and reading never meets an end of file.
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()

        def answer_door() -> None:
            with contextlib.suppress(BlockingIOError):
                os.read(descriptor, 4096)
            callback()

        def stop() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)

        loop.add_reader(descriptor, answer_door)
        return stop

    async def close(self) -> None:
        """See ports.Ledger."""
        self._closing.set()
        if self._thread is not None:
            self._calls.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        self._db.close()

    def _serve(self) -> None:
        while (first := self._calls.get()) is not None:
            group, last = self._gather(first)
            self._work(group)
            if last:
                return

    def _gather(self, first: _Call) -> tuple[list[_Call], bool]:
        """Everything that waits, and whether the end is behind it."""
        group = [first]
        while len(group) < GROUP:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                break
            if call is None:
                return group, True
            group.append(call)
        return group, False

    def _work(self, group: list[_Call]) -> None:
        while True:
            try:
                results = self._transaction(group)
                break
            except sqlite3.OperationalError as error:
                if not _is_full(error) or self._closing.is_set():
                    results = [LedgerUnusableError(path=str(self.path), reason=str(error))] * len(group)
                    break
                if self._on_full is not None:
                    self._on_full(f"ledger: {error}")
                self._closing.wait(FULL_RETRY_S)
            except sqlite3.Error as error:
                results = [error] * len(group)
                break
        for call, result in zip(group, results, strict=True):
            call.answer(result)

    def _transaction(self, group: list[_Call]) -> list[list[object] | Exception]:
        writes = any(isinstance(call.work, Sequence) for call in group)
        self._db.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            results = [self._one(call) for call in group]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return results

    def _one(self, call: _Call) -> list[object] | Exception:
        self._db.execute("SAVEPOINT one")
        try:
            if isinstance(call.work, Sequence):
                return [change(operation, self._db) for operation in call.work]
            return [answer(call.work, self._db)]
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - one of three borders: the caller gets it, its neighbours go on
            self._db.execute("ROLLBACK TO one")
            return error
        finally:
            if self._db.in_transaction:
                self._db.execute("RELEASE one")


def _is_full(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode == sqlite3.SQLITE_FULL


def ring(path: Path) -> None:
    """Tell the engine that works with the ledger at `path`, if there is one, that it was changed from outside."""
    try:
        descriptor = os.open(path.with_name(DOORBELL), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return  # no engine listens
    with contextlib.suppress(BlockingIOError, BrokenPipeError):  # rung enough already, or gone in between
        os.write(descriptor, b".")
    os.close(descriptor)
