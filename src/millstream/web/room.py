"""What all routes share: the service, the settings, and how much is going on just now."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from fastapi import Request

from millstream.core.ingestion import IngestionRow, ReadIngestion
from millstream.ports import Ledger
from millstream.web.keys import Caller, Keyring
from millstream.web.limits import Buckets
from millstream.web.metrics import Metrics
from millstream.web.problems import not_found
from millstream.web.readiness import Readiness
from millstream.web.service import Service
from millstream.web.settings import WebSettings
from millstream.web.streams import Streams

CALLER = "caller"
STREAM_SHARE = 4
"""One key has at most one part in so many of the streams."""


class Room:
    """One for each app; used in its event loop.

    `closing` is set when the server stops: streams end then. `monotonic` is the clock of the limits.
    """

    def __init__(
        self, service: Service, *, settings: WebSettings, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.service = service
        self.settings = settings
        self.keyring = Keyring(settings.keys)
        self.buckets = Buckets(per_s=settings.requests_per_s, burst=settings.burst)
        self.metrics = Metrics(service, monotonic=monotonic)
        self.readiness = Readiness(service, monotonic=monotonic)
        self.monotonic = monotonic
        self.closing = asyncio.Event()
        self.in_flight = 0
        self.streams = Streams(
            service.ledger,
            limit=settings.streams,
            limit_each=max(1, settings.streams // STREAM_SHARE) if settings.keys else settings.streams,
            every_s=settings.look_every_s,
            heartbeat_s=settings.heartbeat_s,
            closing=self.closing,
        )
        self.requests_under_way: set[tuple[str, str]] = set()
        """Principals with the idempotency keys that they are being answered for."""
        self.heads = ThreadPoolExecutor(max_workers=settings.heads, thread_name_prefix="head")

    @property
    def ledger(self) -> Ledger:
        """Where everything is known."""
        return self.service.ledger

    async def job(self, message_id: str, *, caller: Caller) -> IngestionRow:
        """The ingestion of that name, if the caller may see it; else the problem that it is not found."""
        row = await self.ledger.read(ReadIngestion(message_id=message_id))
        if row is None or not caller.sees(row.principal):
            raise not_found("a job")
        return row

    def close(self) -> None:
        """End streams and threads; idempotent."""
        self.closing.set()
        self.heads.shutdown(wait=False, cancel_futures=True)


def room_of(request: Request) -> Room:
    """The room of the app that got this request."""
    return cast("Room", request.app.state.room)


async def caller_of(request: Request) -> Caller:
    """Who made this request, as the gate has found out; async, or it would cost a thread."""
    return cast("Caller", request.scope[CALLER])
