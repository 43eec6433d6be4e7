"""Where a ledger is: its schema, its versions, what people are told of its address."""

import asyncio
import contextlib

import pytest

from adapters.postgres.places import Place
from millstream.adapters.postgres import PostgresLedger
from millstream.adapters.sql import SCHEMA_VERSION, statement
from millstream.core.ingestion import Status
from millstream.core.lifecycle import State
from millstream.core.model import Kind, Retry
from millstream.core.operations import DeclarePipeline, SetMeta
from millstream.core.queries import ReadAttempts, ReadBatches, ReadMeta, ReadPipelines
from millstream.errors import InvalidValueError, LedgerUnreachableError, LedgerUnusableError, LedgerVersionError
from millstream.testing.ledger_suite.driver import Driver, claim, close_batch, finish, open_batch
from millstream.testing.ledger_suite.ingestion_driver import Ingestions


def test_many_create_the_schema_at_once(place: Place) -> None:
    """Whoever comes second finds the schema of the first, none of them fails."""

    async def open_together() -> list[str | None]:
        ledgers = [place.ledger() for _ in range(8)]
        await asyncio.gather(*(each.do(SetMeta(key=f"{n}", value="1")) for n, each in enumerate(ledgers)))
        values = [await ledgers[0].read(ReadMeta(key=f"{n}")) for n in range(8)]
        await asyncio.gather(*(each.close() for each in ledgers))
        return values

    assert asyncio.run(open_together()) == ["1"] * 8
    assert place.execute("SELECT version FROM schema_version") == [(SCHEMA_VERSION,)]


VERSION_1 = """
INSERT INTO schema_version VALUES (1);
INSERT INTO batch (id, pipeline, kind, state, opened_at, closed_at) VALUES ('old', 'orders', 'minibatch', 'dead', 0, 0);
INSERT INTO event (at, batch_id, what, detail) VALUES (0, 'old', 'paused', 'by an operator');
"""


def test_an_older_ledger_is_brought_up_to_date(place: Place) -> None:
    """A ledger of version 1 opens, for many at once, with all that is in it, and takes ingestions."""
    place.execute(f"CREATE SCHEMA {place.schema}")
    place.execute(statement("schema", "postgres") + VERSION_1)

    async def open_together() -> None:
        ledgers = [place.ledger() for _ in range(4)]
        await asyncio.gather(*(each.open() for each in ledgers))
        await asyncio.gather(*(each.close() for each in ledgers))

    asyncio.run(open_together())
    driver = Driver(place.ledger)
    files = Ingestions(driver)
    files.finish(*files.start(chunks=2, sink="amqp://host/queue"))
    status, old = files.row().status, driver.batch("old").state
    known = files.events(None)
    driver.close()

    assert place.execute("SELECT version FROM schema_version") == [(SCHEMA_VERSION,)]
    assert (status, old) == (Status.SUCCEEDED, State.DEAD)
    assert {event.message_id for event in known} == {"m"}


def test_a_newer_ledger_is_refused(place: Place) -> None:
    """A ledger that a newer Millstream wrote is refused by version, by a call as by opening it."""

    async def use(ledger: PostgresLedger) -> None:
        await ledger.open()
        await ledger.close()

    async def ask(ledger: PostgresLedger) -> None:
        try:
            with contextlib.suppress(LedgerVersionError):
                await ledger.read(ReadPipelines())
            await ledger.read(ReadPipelines())
        finally:
            await ledger.close()

    asyncio.run(use(place.ledger()))
    place.execute("UPDATE schema_version SET version = version + 1")

    for work in (use, ask):
        with pytest.raises(LedgerVersionError, match=f"schema version {SCHEMA_VERSION + 1}.* up to {SCHEMA_VERSION}"):
            asyncio.run(work(place.ledger()))


def test_a_wrong_address_is_told_at_once() -> None:
    """Opening a ledger where no database is fails without patience, in one line that hides the password."""
    ledger = PostgresLedger("postgresql://mill:secret@127.0.0.1:1/mill")

    with pytest.raises(LedgerUnreachableError, match=r"postgresql://127\.0\.0\.1:1/mill: .*refused") as caught:
        asyncio.run(ledger.open())
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("url", ["postgresql://mill@localhost/mill?colour=red", "what is this"])
def test_an_address_must_be_one(url: str) -> None:
    """What cannot be an address is refused before anything is tried."""
    with pytest.raises(InvalidValueError, match="ledger: expected postgresql://"):
        PostgresLedger(url)


def test_a_ledger_that_may_not_be_made(place: Place) -> None:
    """Without the right to create a schema the ledger is unusable, and says why."""
    name = f"guest_{place.schema}"
    place.execute(f"CREATE ROLE {name} LOGIN")
    stranger = Place(url=place.url.replace("mill@", f"{name}@"), schema=place.schema)

    async def apply() -> None:
        ledger = stranger.ledger()
        try:
            await ledger.do(SetMeta(key="a", value="1"))
        finally:
            await ledger.close()

    with pytest.raises(LedgerUnusableError, match="cannot be used as a ledger: permission denied"):
        asyncio.run(apply())
    place.execute(f"DROP ROLE {name}")


def test_a_closed_ledger_takes_no_more(place: Place) -> None:
    """A call after the end is refused, it does not wait for ever."""

    async def close_and_call() -> None:
        ledger = place.ledger()
        await ledger.close()
        await ledger.do(SetMeta(key="a", value="1"))

    with pytest.raises(LedgerUnusableError, match="closed"):
        asyncio.run(close_and_call())


def test_characters_that_a_database_has_not(place: Place) -> None:
    """A key comes back as it was, whatever is in it; of a message the character zero is replaced."""
    keys = ["a\0b", "a\\0b", "\\", "\0", "z\\\0\\", "zwölf 🚂"]

    async def work() -> tuple[list[str | None], list[str | None], str | None]:
        ledger = place.ledger()
        await ledger.do(DeclarePipeline(name="orders", kind=Kind.MINIBATCH, at=0.0))
        for number, key in enumerate(keys):
            await ledger.apply([open_batch(f"{number}", key=key), close_batch(f"{number}")])
        jobs = await ledger.do(claim())
        await ledger.do(finish(jobs[0], Retry(error="it \0 broke")))
        read = await ledger.read(ReadBatches())
        (attempt,) = await ledger.read(ReadAttempts(batch_id="0"))
        await ledger.close()
        return [job.key for job in jobs], [row.key for row in read], attempt.error

    claimed, read, error = asyncio.run(work())

    assert claimed == read == keys
    assert error == "it � broke"


def test_a_damaged_schema_is_told(place: Place) -> None:
    """Who took a table away hears of it from every call, and when it is back the ledger works on."""

    async def break_and_mend() -> list[str]:
        ledger, said = place.ledger(), list[str]()

        async def call() -> None:
            try:
                await ledger.do(SetMeta(key="a", value="1"))
            except LedgerUnusableError as error:
                said.append(str(error))
            else:
                said.append("done")

        await call()
        for change in ("ALTER TABLE meta RENAME TO away", "ALTER TABLE away RENAME TO meta"):
            place.execute(change)
            await call()
        for change in ("ALTER TABLE writer RENAME TO away", "ALTER TABLE away RENAME TO writer"):
            place.execute(change)
            await call()
            await call()
        await ledger.close()
        return said

    said = asyncio.run(break_and_mend())

    assert [each == "done" for each in said] == [True, False, True, False, False, True, True]
    assert all('relation "' in each and "cannot be used as a ledger" in each for each in said if each != "done")
