"""What all processes of a grown service do with the ledger that they share."""

import asyncio
import logging
import os
import secrets
import socket
from contextlib import suppress
from functools import partial

from millstream.adapters.clock import SystemClock
from millstream.config.dispatching import DispatchConfig
from millstream.core.queries import ReadTime
from millstream.errors import LedgerUnreachableError
from millstream.ports import Ledger
from millstream.runtime.ledgerclock import LedgerClock

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0

log = logging.getLogger("millstream")


async def open_ledger(config: DispatchConfig, *, stop: asyncio.Event) -> Ledger | None:
    """Open the ledger, however long it is away; None if `stop` is set before it is there.

    Raises LedgerVersionError, LedgerUnusableError, MissingExtraError.
    """
    from millstream.adapters.postgres import PostgresLedger  # noqa: PLC0415 - an optional part

    ledger = PostgresLedger(config.ledger or "", on_trouble=partial(log.warning, "%s"))
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            await ledger.open()
        except LedgerUnreachableError as error:
            if pause_s == FIRST_PAUSE_S:
                log.warning("ledger: %s cannot be reached: %s; waiting for it", ledger.address, error.reason)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        else:
            return ledger
    await ledger.close()
    return None


async def clock_of(ledger: Ledger) -> LedgerClock:
    """The clock of the ledger, asked once; tells when the one of this machine is off."""
    clock = LedgerClock(SystemClock(), ask=partial(ledger.read, ReadTime()))
    await clock.adjust()
    return clock


def owner_name() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
