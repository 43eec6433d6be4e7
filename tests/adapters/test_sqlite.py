"""The embedded ledger: it is a ledger, it groups commits, and it survives full disks and kills."""

import asyncio
import contextlib
import random
import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters import child
from millstream.adapters.sql import SCHEMA_VERSION, statement
from millstream.adapters.sql.steps import choose
from millstream.adapters.sqlite import SqliteLedger, ledger, ring
from millstream.adapters.sqlite.rows import DIALECT
from millstream.core.ingestion import Status
from millstream.core.lifecycle import State
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadBatches, ReadMeta
from millstream.errors import LedgerUnusableError, LedgerVersionError
from millstream.testing.ledger_suite import LedgerSuite, MakeLedger
from millstream.testing.ledger_suite.driver import PIPELINE, Driver
from millstream.testing.ledger_suite.ingestion_driver import Ingestions
from millstream.testing.ledger_suite.transactions import Transactions

TIMEOUT_S = 30
WHOLE_TABLE = re.compile(r"SCAN (batch|file|attempt|event|ingestion|chunk|reject)")
VERSION_1 = Path(__file__).with_name("ledger_version_1.sql")


class TestSqliteLedger(LedgerSuite):
    """It is a ledger."""

    @pytest.fixture
    def make_ledger(self, tmp_path: Path) -> MakeLedger:
        """Without waiting for the disk, which no test here can see."""
        return lambda: SqliteLedger(tmp_path / "ledger.db", synchronous="OFF")


class TestInlineLedger(Transactions):
    """Without its thread it is a ledger as well."""

    @pytest.fixture
    def make_ledger(self, tmp_path: Path) -> MakeLedger:
        """Without waiting for the disk, which no test here can see."""
        return lambda: SqliteLedger(tmp_path / "ledger.db", synchronous="OFF", inline=True)


def test_an_inline_ledger_starts_no_thread(tmp_path: Path) -> None:
    """With `inline` everything happens in the calling task, before it first waits."""

    async def apply_and_look() -> tuple[int, str | None]:
        one = SqliteLedger(tmp_path / "ledger.db", inline=True)
        before = threading.active_count()
        pending = asyncio.ensure_future(one.do(SetMeta(key="a", value="1")))
        await asyncio.sleep(0)
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
            (value,) = db.execute("SELECT value FROM meta WHERE key = 'a'").fetchone()
        await pending
        await one.close()
        return threading.active_count() - before, value

    threads, value = asyncio.run(apply_and_look())

    assert (threads, value) == (0, "1")


# --- schema -----------------------------------------------------------------------------------------------------


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    """A ledger that a newer Millstream wrote is refused by version, and left as it is."""
    path = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    with pytest.raises(LedgerVersionError, match=f"schema version {SCHEMA_VERSION + 1}.* up to {SCHEMA_VERSION}"):
        SqliteLedger(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone() == (0,)


def write_version_1(path: Path) -> None:
    """A ledger as the first version left it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(VERSION_1.read_text(encoding="utf-8"))


def test_an_older_ledger_is_brought_up_to_date(tmp_path: Path) -> None:
    """A ledger of version 1 opens with all that is in it, its numbers go on, and it takes ingestions."""
    path = tmp_path / "ledger.db"
    write_version_1(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        before = {
            table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608
            for table in ("batch", "event", "attempt", "file", "meta", "pipeline", "source")
        }
        version = db.execute("PRAGMA user_version").fetchone()

    driver = Driver(lambda: SqliteLedger(path))
    files = Ingestions(driver)
    with contextlib.closing(sqlite3.connect(path)) as db:
        after = {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in before}  # noqa: S608
    states = {row.state for row in driver.read(ReadBatches(pipeline=PIPELINE))}
    files.finish(*files.start(chunks=2, sink="amqp://host/queue"))
    status, first = files.row().status, files.events()[0].id
    driver.reopen()

    assert version == (1,)
    assert before == after
    assert states == set(State)
    assert (status, files.row().status) == (Status.SUCCEEDED, Status.SUCCEEDED)
    assert first == max(event[0] for event in before["event"]) + 1
    assert driver.batch("keyed").key == "m"
    assert len(driver.read(ReadBatches(pipeline="ingest"))) == 3
    driver.close()


def test_an_upgrade_happens_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that is broken off leaves the ledger of version 1 as it was, and is done the next time."""
    path = tmp_path / "ledger.db"
    write_version_1(path)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "schema", lambda _: "CREATE TABLE ingestion (a TEXT);\nDROP TABLE nothing")
        with pytest.raises(LedgerUnusableError, match="nothing"):
            SqliteLedger(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        left = db.execute("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'ingestion'").fetchone()
    asyncio.run(SqliteLedger(path).close())

    assert left == (0,)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def open_together(folder: Path) -> None:
    """Open a new ledger each time that a line with its name comes in."""
    for line in sys.stdin:
        asyncio.run(SqliteLedger(folder / line.strip()).close())
        print("opened", flush=True)


def test_two_processes_create_the_schema_at_once(tmp_path: Path) -> None:
    """Whoever comes second finds the schema of the first, neither of them fails."""
    answers = []
    with child.start(open_together, folder=tmp_path) as one, child.start(open_together, folder=tmp_path) as other:
        for number in range(20):
            for process in (one, other):
                child.say(process, f"{number}.db")
            answers += [child.hear(process) for process in (one, other)]

    assert answers == ["opened"] * 40


@pytest.mark.parametrize(
    "name",
    [
        "cancel_ingestion",
        "cancel_open",
        "claim_batch",
        "close_batch",
        "count_going",
        "count_plans",
        "drop_chunks",
        "drop_plan",
        "files_of_batch",
        "find_claimed",
        "find_chunk",
        "find_ended",
        "find_file",
        "find_ingestion",
        "find_ingestion_by_key",
        "find_ingestion_of",
        "find_later",
        "find_ready",
        "find_ready_batch",
        "find_unjoined",
        "finish_done",
        "finish_files",
        "finish_retry",
        "grow_batch",
        "join_chunk",
        "lose_embedded",
        "lose_expired",
        "pause_ingestion",
        "plan_bucket",
        "plan_batch",
        "plan_file",
        "prune_attempts",
        "prune_batches",
        "prune_ingestion_attempts",
        "prune_ingestion_batches",
        "prune_ingestion_chunks",
        "prune_ingestion_events",
        "prune_ingestion_rejects",
        "read_attempts",
        "read_all_ingestion_events",
        "read_chunks",
        "read_ingestion",
        "read_ingestion_events",
        "read_known_versions",
        "read_next_due",
        "read_ready_in",
        "read_ready_of",
        "read_rejects",
        "read_task",
        "read_unjoined",
        "recount",
        "release",
        "renew",
        "revive_ingestion",
        "ripen",
        "ripen_batch",
        "save_ingestion",
        "seal_file",
        "shrink_bucket",
        "start",
        "start_ingestion",
    ],
)
def test_statements_find_rows_by_an_index(tmp_path: Path, name: str) -> None:
    """What is asked often never reads a whole table, however many batches and files are kept."""
    query = choose(statement(name, DIALECT), chosen=("done",))
    with contextlib.closing(ledger.connect(tmp_path / "ledger.db")) as db:
        rows = db.execute(f"EXPLAIN QUERY PLAN {query}", dict.fromkeys(re.findall(r":(\w+)", query)))
        plan = [row[3] for row in rows]

    assert [step for step in plan if WHOLE_TABLE.fullmatch(step)] == []


# --- group commit and doorbell ----------------------------------------------------------------------------------


def test_calls_that_wait_share_a_commit(tmp_path: Path) -> None:
    """A hundred calls that wait behind another process are committed together."""
    path, statements = tmp_path / "ledger.db", list[str]()

    async def apply_behind_a_lock() -> None:
        one = SqliteLedger(path)
        one._db.set_trace_callback(statements.append)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            calls = [asyncio.ensure_future(one.do(SetMeta(key=f"{n}", value="1"))) for n in range(100)]
            await asyncio.sleep(0)
            other.execute("ROLLBACK")
        await asyncio.gather(*calls)
        await one.close()

    asyncio.run(apply_behind_a_lock())

    # The first one may have been alone when the thread saw it.
    assert 1 <= statements.count("COMMIT") <= 2


def test_a_doorbell_wakes_the_engine(tmp_path: Path) -> None:
    """Who changed the ledger from another process rings, and whoever listens is called."""
    path = tmp_path / "ledger.db"
    ring_here = "import pathlib, sys; from millstream.adapters.sqlite import ring; ring(pathlib.Path(sys.argv[1]))"

    async def listen_until_rung() -> int:
        one, rung = SqliteLedger(path), asyncio.Semaphore(0)
        stop = one.listen(rung.release)
        ringer = await asyncio.create_subprocess_exec(sys.executable, "-c", ring_here, str(path))
        status = await ringer.wait()
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)
        ring(path)
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)
        stop()
        await one.close()
        return status

    assert asyncio.run(listen_until_rung()) == 0


def test_ringing_where_nobody_listens(tmp_path: Path) -> None:
    """Ringing does nothing when no engine ever ran, or when it has stopped to listen."""
    path = tmp_path / "ledger.db"
    ring(path)

    async def listen_and_stop() -> None:
        one = SqliteLedger(path)
        one.listen(lambda: None)()
        await one.close()

    asyncio.run(listen_and_stop())
    ring(path)

    assert (tmp_path / ledger.DOORBELL).is_fifo()


# --- a full disk ------------------------------------------------------------------------------------------------


def with_alarm(path: Path) -> tuple[SqliteLedger, asyncio.Event]:
    """A ledger, and what is set when its disk is full."""
    loop, full = asyncio.get_running_loop(), asyncio.Event()

    def sound(_message: str) -> None:
        loop.call_soon_threadsafe(full.set)

    return SqliteLedger(path, on_full=sound), full


async def fill_until_full(path: Path, make_room: Callable[[SqliteLedger], None]) -> None:
    """Apply until the disk is full, make room, and check that nothing was lost and all goes on."""
    one, full = with_alarm(path)
    filled: asyncio.Future[Any] = asyncio.ensure_future(full.wait())
    calls: list[asyncio.Future[Any]] = []
    while not filled.done():
        calls.append(asyncio.ensure_future(one.do(SetMeta(key=f"{len(calls)}", value="x" * 2000))))
        await asyncio.wait([calls[-1], filled], timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
    late = range(len(calls), len(calls) + 3)
    calls.extend(asyncio.ensure_future(one.do(SetMeta(key=f"{number}", value="late"))) for number in late)
    await asyncio.sleep(0)
    waiting = [call for call in calls if not call.done()]
    make_room(one)
    await asyncio.wait_for(asyncio.gather(*calls), TIMEOUT_S)
    await one.close()
    reopened = SqliteLedger(path)
    found = [await reopened.read(ReadMeta(key=f"{n}")) for n in range(len(calls))]
    await reopened.close()

    assert len(waiting) == 4
    assert found == ["x" * 2000] * (len(calls) - 3) + ["late"] * 3


def fill_a_disk(folder: Path) -> None:
    """Fill the disk that `folder` is, then delete something else that is on it."""
    ledger.FULL_RETRY_S = 0.02
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(400_000))
    asyncio.run(fill_until_full(folder / "ledger.db", lambda _: ballast.unlink()))


def test_a_full_disk_holds_calls_up_and_loses_nothing(tmp_path: Path) -> None:
    """On a disk without room calls wait; once there is room they are done, and what was acknowledged is there."""
    child.run_on_a_small_disk(fill_a_disk, folder=tmp_path, size_bytes=1_000_000)


def test_a_full_database_holds_calls_up_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where no disk can be mounted: SQLite says that it is full, and then that it is not."""
    path = tmp_path / "ledger.db"
    monkeypatch.setattr(ledger, "FULL_RETRY_S", 0.02)
    create = ledger.connect

    def connect_with_a_limit(path: Path, *, synchronous: str) -> sqlite3.Connection:
        db = create(path, synchronous=synchronous)
        db.execute("PRAGMA max_page_count = 60")
        return db

    monkeypatch.setattr(ledger, "connect", connect_with_a_limit)

    def lift_the_limit(one: SqliteLedger) -> None:
        one._db.execute("PRAGMA max_page_count = 1000000")

    asyncio.run(fill_until_full(path, lift_the_limit))


def test_a_full_disk_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """Closing while the disk is full returns at once, and tells the calls that waited."""

    async def close_while_full() -> object:
        one, full = with_alarm(tmp_path / "ledger.db")
        one._db.execute("PRAGMA max_page_count = 1")
        call = asyncio.ensure_future(one.do(SetMeta(key="a", value="x" * 1_000_000)))
        await asyncio.wait_for(full.wait(), TIMEOUT_S)
        await one.close()
        return (await asyncio.gather(call, return_exceptions=True))[0]

    assert isinstance(asyncio.run(close_while_full()), LedgerUnusableError)


# --- a kill -----------------------------------------------------------------------------------------------------


def apply_and_print(folder: Path) -> None:
    """Apply for ever, in eight tasks; print what was acknowledged."""

    async def apply_forever(one: SqliteLedger, first: int) -> None:
        number = first
        while True:
            await one.do(SetMeta(key=f"{number}", value="1"))
            print(number, flush=True)
            number += 8

    async def main() -> None:
        one = SqliteLedger(folder / "ledger.db")
        last = int(await one.read(ReadMeta(key="last")) or 0)
        async with asyncio.TaskGroup() as tasks:
            for task in range(8):
                tasks.create_task(apply_forever(one, last + task))

    asyncio.run(main())


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Whenever the process is killed, the next one finds everything that the ledger had answered."""
    draw = random.Random(7)
    acknowledged: set[int] = set()

    async def what_is_missing() -> set[int]:
        one = SqliteLedger(tmp_path / "ledger.db")
        found = {n for n in acknowledged if await one.read(ReadMeta(key=f"{n}")) == "1"}
        await one.do(SetMeta(key="last", value=f"{max(acknowledged) + 100}"))
        await one.close()
        return acknowledged - found

    for _ in range(4):
        with child.start(apply_and_print, folder=tmp_path) as process:
            acknowledged.update(int(child.hear(process)) for _ in range(draw.randrange(1, 200)))
            process.send_signal(signal.SIGKILL)
            while said := child.hear(process):
                acknowledged.add(int(said))

        assert asyncio.run(what_is_missing()) == set()
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
