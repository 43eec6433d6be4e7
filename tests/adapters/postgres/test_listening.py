"""Who hears of changes, and when."""

import asyncio
import sys
from pathlib import Path

from adapters import child
from adapters.postgres.places import Place, a_place, place_of
from millstream.core.operations import SetMeta, SetPaused
from millstream.testing.ledger_suite.driver import NOON, close_batch, open_batch
from servers.postgres import OwnPostgres

TIMEOUT_S = 30


def close_a_batch(_folder: Path) -> None:
    """Open a batch, and close it when told to."""

    async def main() -> None:
        ledger = place_of(sys.stdin.readline()).ledger()
        await ledger.do(open_batch("it"))
        print("opened", flush=True)
        sys.stdin.readline()
        await ledger.do(close_batch("it"))
        await ledger.close()

    asyncio.run(main())


def test_a_change_wakes_another_process(place: Place, tmp_path: Path) -> None:
    """A batch that becomes ready rings in all other processes; what gives nobody anything to do does not."""

    async def listen_until_rung(process: "child.subprocess.Popen[str]") -> list[int]:
        ledger, rung, counts = place.ledger(), asyncio.Semaphore(0), []
        times = 0

        def ring() -> None:
            nonlocal times
            times += 1
            rung.release()

        stop = ledger.listen(ring)
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)  # it listens
        child.say(process, str(place))
        assert await asyncio.to_thread(child.hear, process) == "opened"
        counts.append(times)
        child.say(process, "close")
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)
        counts.append(times)
        stop()
        await ledger.close()
        return counts

    with child.start(close_a_batch, folder=tmp_path) as process:
        assert asyncio.run(listen_until_rung(process)) == [1, 2]


def test_nobody_hears_themselves(place: Place) -> None:
    """A ledger's own changes do not ring for it, but for another one."""

    async def change_and_listen() -> tuple[int, int]:
        ours, theirs = place.ledger(), place.ledger()
        here, there = asyncio.Semaphore(0), asyncio.Semaphore(0)
        times = [0, 0]

        def ring(index: int, bell: asyncio.Semaphore) -> None:
            times[index] += 1
            bell.release()

        ours.listen(lambda: ring(0, here))
        theirs.listen(lambda: ring(1, there))
        await asyncio.wait_for(asyncio.gather(here.acquire(), there.acquire()), TIMEOUT_S)
        await ours.do(SetPaused(batch_id=None, paused=True, at=NOON))
        await asyncio.wait_for(there.acquire(), TIMEOUT_S)
        await theirs.do(SetMeta(key="a", value="1"))
        await asyncio.wait_for(here.acquire(), TIMEOUT_S)
        await asyncio.gather(ours.close(), theirs.close())
        return times[0], times[1]

    assert asyncio.run(change_and_listen()) == (2, 2)


def test_listening_outlives_the_server(own_postgres: OwnPostgres) -> None:
    """After a restart of the server the ledger listens again, and rings once for what it may have missed."""

    async def listen_over_a_restart(place: Place) -> None:
        ledger, other, rung = place.ledger(), place.ledger(), asyncio.Semaphore(0)
        ledger.listen(rung.release)
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)
        await asyncio.to_thread(own_postgres.restart)
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)
        await other.do(SetMeta(key="a", value="1"))
        await asyncio.wait_for(rung.acquire(), TIMEOUT_S)
        await asyncio.gather(ledger.close(), other.close())

    with a_place(own_postgres) as place:
        asyncio.run(listen_over_a_restart(place))
