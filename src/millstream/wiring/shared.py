"""What all processes of a grown service do with the ledger that they share."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from millstream.adapters.clock import SystemClock
from millstream.config.dispatching import DispatchConfig
from millstream.core.queries import ReadTime
from millstream.errors import LedgerUnreachableError, MillstreamError
from millstream.ports import Ledger
from millstream.runtime.ledgerclock import LedgerClock

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0

PERSON_WAITS_S = 5.0
"""For a database that is away, as long as somebody at a terminal wants to wait."""

log = logging.getLogger("millstream")


def _ignore(_error: LedgerUnreachableError) -> None:
    """Nobody wants to know."""


async def open_ledger(
    config: DispatchConfig,
    *,
    stop: asyncio.Event,
    on_away: Callable[[LedgerUnreachableError], None] = _ignore,
    is_endless: bool = False,
) -> Ledger | None:
    """Open the ledger, however long it is away; None if `stop` is set before it is there.

    `on_away` is called each time that it is found away. When it goes away later, its calls wait for a minute, or, if
    that `is_endless`, until `stop` is set and then as long. Raises LedgerVersionError, LedgerUnusableError,
    MissingExtraError.
    """
    from millstream.adapters.postgres import PostgresLedger  # noqa: PLC0415 - an optional part
    from millstream.adapters.postgres.patience import Patience  # noqa: PLC0415 - the same

    patience = Patience(until=stop if is_endless else None)
    ledger = PostgresLedger(config.ledger or "", patience=patience, on_trouble=partial(log.warning, "%s"))
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            await ledger.open()
        except LedgerUnreachableError as error:
            on_away(error)
            if pause_s == FIRST_PAUSE_S:
                log.warning("ledger: %s cannot be reached: %s; waiting for it", ledger.address, error.reason)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        else:
            if pause_s != FIRST_PAUSE_S:
                log.warning("ledger: %s is there; going on", ledger.address)
            return ledger
    await ledger.close()
    return None


async def open_at_once(address: str) -> Ledger:
    """Open the ledger at a PostgreSQL address for a command that looks or acts; nothing is created.

    Raises LedgerUnreachableError after seconds, not minutes; MillstreamError where there is no ledger,
    LedgerUnusableError, InvalidValueError, MissingExtraError.
    """
    from millstream.adapters.postgres import PostgresLedger  # noqa: PLC0415 - an optional part
    from millstream.adapters.postgres.patience import Patience  # noqa: PLC0415 - the same

    ledger = PostgresLedger(address, patience=Patience(away_s=PERSON_WAITS_S, answer_s=2 * PERSON_WAITS_S))
    if not await ledger.is_there():
        raise MillstreamError(
            f"ledger: {ledger.address}: expected a database that a service, engine or worker has used as its ledger, "
            "found none of its tables; mend the address, or start one of them first"
        )
    return ledger


async def clock_of(ledger: Ledger) -> LedgerClock:
    """The clock of the ledger, asked once; tells when the one of this machine is off."""
    clock = LedgerClock(SystemClock(), ask=partial(ledger.read, ReadTime()))
    await clock.adjust()
    return clock


def owner_name() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
