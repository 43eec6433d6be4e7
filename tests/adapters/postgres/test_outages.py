"""The database goes away, stops to answer, and comes back."""

import asyncio
import random
from collections.abc import Awaitable, Sized

import pytest

from adapters.postgres.places import Place, a_place
from millstream.adapters.postgres import PostgresLedger, patience, transaction
from millstream.adapters.postgres.patience import Patience
from millstream.adapters.postgres.session import Session
from millstream.core.model import Kind
from millstream.core.operations import Accept, DeclarePipeline, SetMeta
from millstream.core.queries import ReadBatches, ReadMeta, ReadPipelines
from millstream.errors import LedgerUnreachableError
from millstream.testing.ledger_suite.driver import NOON, PIPELINE, open_batch
from servers.postgres import OwnPostgres

TIMEOUT_S = 60
IMPATIENT = Patience(away_s=0.3, answer_s=5.0)


def accept_one(position: str) -> Accept:
    """One record became durable."""
    return Accept(
        pipeline=PIPELINE, source="file", position=position, records=1, size_bytes=1, main_end=0, finished=False
    )


async def declare(ledger: PostgresLedger) -> None:
    """Make the pipeline known."""
    await ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.MINIBATCH, at=NOON))


async def until(said: Sized, number: float) -> None:
    """Wait until more than `number` was said."""
    async with asyncio.timeout(TIMEOUT_S):
        while len(said) <= number:  # noqa: ASYNC110 - what is waited for is any of many, and counts itself
            await asyncio.sleep(0.001)


async def accepted(ledger: PostgresLedger) -> int:
    """How many records the ledger counted."""
    (row,) = await ledger.read(ReadPipelines())
    return row.accepted_records


# --- a commit in doubt ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", [True, False], ids=["the commit arrived", "the commit was lost"])
def test_a_commit_in_doubt_is_cleared_up(place: Place, monkeypatch: pytest.MonkeyPatch, arrives: bool) -> None:
    """When the connection breaks during a commit, the change is made once, whether the commit had arrived or not."""
    commit, broken = transaction._commit, list[bool]()

    async def break_once(session: Session, doubt: transaction.Doubt, *, call: tuple[str, str] | None) -> None:
        if broken:
            return await commit(session, doubt, call=call)
        broken.append(True)
        if arrives:
            await commit(session, doubt, call=call)
        await session.connection.close()
        raise transaction.InDoubtError(doubt)

    async def count() -> tuple[list[object], int, list[str]]:
        ledger = place.ledger()
        await declare(ledger)
        monkeypatch.setattr(transaction, "_commit", break_once)
        results = await ledger.apply([accept_one("1"), open_batch("it")])
        number, rows = await accepted(ledger), await ledger.read(ReadBatches())
        await ledger.close()
        return results, number, [row.id for row in rows]

    assert asyncio.run(count()) == ([None, None], 1, ["it"])
    assert broken == [True]


# --- killed and restarted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kills", [3, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(900)])], ids="{} kills".format
)
def test_a_killed_server_loses_and_doubles_nothing(own_postgres: OwnPostgres, kills: int) -> None:
    """However often the server is killed under load, every call that was made took place exactly once."""
    draw, ledgers, calls = random.Random(5), 2, 150 * kills

    async def apply_many(ledger: PostgresLedger, name: str, told: list[str]) -> None:
        gate = asyncio.Semaphore(20)

        async def apply_one(number: int) -> None:
            async with gate:
                await ledger.apply([accept_one(name), open_batch(f"{name}-{number}")])
                told.append(f"{name}-{number}")

        await asyncio.gather(*(apply_one(number) for number in range(calls)))

    async def kill_under_load(place: Place) -> tuple[set[str], set[str], int]:
        opened, told = [place.ledger() for _ in range(ledgers)], list[str]()
        await declare(opened[0])
        work = asyncio.gather(*(apply_many(each, f"l{n}", told) for n, each in enumerate(opened)))
        for kill in range(kills):
            await until(told, (kill + 0.5) / (kills + 1) * ledgers * calls)
            await asyncio.sleep(draw.random() * 0.01)  # into the middle of whatever happens then
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.to_thread(own_postgres.start)
        await asyncio.wait_for(work, TIMEOUT_S)
        rows, number = await opened[0].read(ReadBatches()), await accepted(opened[0])
        await asyncio.gather(*(each.close() for each in opened))
        return set(told), {row.id for row in rows}, number

    with a_place(own_postgres) as place:
        told, found, number = asyncio.run(kill_under_load(place))

    assert found == told
    assert number == len(told) == ledgers * calls


# --- away, and frozen -------------------------------------------------------------------------------------------


def test_calls_wait_for_a_server_that_is_away(own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the server is down calls wait, people are told why, and when it is back all go on by themselves."""
    monkeypatch.setattr(patience, "REMIND_S", 0.2)
    messages: list[str] = []

    async def call_while_down(place: Place) -> str | None:
        ledger = place.ledger(on_trouble=messages.append)
        await ledger.do(SetMeta(key="a", value="1"))
        await ledger.read(ReadMeta(key="a"))
        await asyncio.to_thread(own_postgres.stop)
        writing, reading = ledger.do(SetMeta(key="a", value="2")), ledger.read(ReadMeta(key="a"))
        calls = [asyncio.ensure_future(writing), asyncio.ensure_future(reading)]
        await until(messages, 3)
        waited = not any(call.done() for call in calls)
        await asyncio.to_thread(own_postgres.start)
        await asyncio.wait_for(asyncio.gather(*calls), TIMEOUT_S)
        value = await ledger.read(ReadMeta(key="a"))
        await ledger.close()
        return value if waited else None

    with a_place(own_postgres) as place:
        assert asyncio.run(call_while_down(place)) == "2"
    assert {len(message.splitlines()) for message in messages} == {1}
    *away, back = messages
    assert all(message.startswith(f"ledger: postgresql://{own_postgres.address}/postgres: ") for message in away)
    assert back.startswith(f"ledger: postgresql://{own_postgres.address}/postgres is there again after ")


def test_patience_ends(own_postgres: OwnPostgres) -> None:
    """Calls that waited for too long get one clear line; later ones are served as soon as the server is back."""

    async def call_for_too_long(place: Place) -> tuple[Exception, str | None]:
        ledger = place.ledger(patience=IMPATIENT)
        await ledger.open()
        await asyncio.to_thread(own_postgres.stop)
        error = await failing(ledger.do(SetMeta(key="a", value="1")))
        await asyncio.to_thread(own_postgres.start)
        await ledger.do(SetMeta(key="a", value="2"))
        value = await ledger.read(ReadMeta(key="a"))
        await ledger.close()
        return error, value

    with a_place(own_postgres) as place:
        error, value = asyncio.run(call_for_too_long(place))

    assert isinstance(error, LedgerUnreachableError)
    assert "expected an answer within 0.3 s, found: " in str(error)
    assert len(str(error).splitlines()) == 1
    assert value == "2"


def test_patience_without_end_ends_when_it_is_told(own_postgres: OwnPostgres) -> None:
    """Calls wait as long as it takes; once nobody wants that any more, they wait as long as others."""

    async def call_for_long(place: Place) -> tuple[str | None, Exception]:
        enough = asyncio.Event()
        ledger = place.ledger(patience=Patience(away_s=0.3, answer_s=5.0, until=enough))
        await ledger.open()
        await asyncio.to_thread(own_postgres.stop)
        call = asyncio.ensure_future(ledger.do(SetMeta(key="a", value="1")))
        await asyncio.wait({call}, timeout=4 * IMPATIENT.away_s)
        assert not call.done()
        await asyncio.to_thread(own_postgres.start)
        await asyncio.wait_for(call, TIMEOUT_S)
        value = await ledger.read(ReadMeta(key="a"))
        await asyncio.to_thread(own_postgres.stop)
        enough.set()
        error = await failing(asyncio.wait_for(ledger.do(SetMeta(key="a", value="2")), TIMEOUT_S))
        await ledger.close()
        await asyncio.to_thread(own_postgres.start)
        return value, error

    with a_place(own_postgres) as place:
        value, error = asyncio.run(call_for_long(place))

    assert value == "1"
    assert isinstance(error, LedgerUnreachableError)


async def failing(call: Awaitable[object]) -> Exception:
    """What a call fails with."""
    (found,) = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(found, Exception)
    return found


def test_closing_waits_for_nobody(own_postgres: OwnPostgres) -> None:
    """A ledger whose server is away is closed at once, and tells the calls that waited."""

    async def close_while_away(place: Place) -> Exception:
        ledger = place.ledger()
        await ledger.open()
        await asyncio.to_thread(own_postgres.stop)
        call = asyncio.ensure_future(ledger.do(SetMeta(key="a", value="1")))
        await asyncio.sleep(0)
        await asyncio.wait_for(ledger.close(), 10)
        await asyncio.to_thread(own_postgres.start)
        return await failing(call)

    with a_place(own_postgres) as place:
        assert isinstance(asyncio.run(close_while_away(place)), LedgerUnreachableError)


def test_a_frozen_server_is_left_and_found_again(own_postgres: OwnPostgres) -> None:
    """A server that has stopped to answer is given up after a while; when it answers again, calls take place once."""
    told = asyncio.Event()

    async def freeze_and_thaw(place: Place) -> int:
        loop = asyncio.get_running_loop()
        ledger = place.ledger(
            patience=Patience(away_s=60, answer_s=0.5), on_trouble=lambda _: loop.call_soon_threadsafe(told.set)
        )
        await declare(ledger)
        own_postgres.freeze()
        call = asyncio.ensure_future(ledger.do(accept_one("1")))
        await asyncio.wait_for(told.wait(), TIMEOUT_S)
        own_postgres.thaw()
        await asyncio.wait_for(call, TIMEOUT_S)
        number = await accepted(ledger)
        await ledger.close()
        return number

    with a_place(own_postgres) as place:
        assert asyncio.run(freeze_and_thaw(place)) == 1
