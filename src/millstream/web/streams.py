"""Events as they happen: server-sent events that can be taken up again where they broke off.

Theory of operation: the ledger numbers its events, so a stream is nothing but a place in them: it reads what is behind
its place, sends it, and looks again a little later. A client that comes back says the last number it saw. A slow
client holds up its own stream alone, which reads on only when what it read is sent. A comment now and then
tells both sides that the other is there.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from millstream.core.ingestion import IngestionEvent, ReadIngestion, ReadIngestionEvents
from millstream.ports import Ledger
from millstream.web.documents import event_document
from millstream.web.keys import Caller
from millstream.web.problems import busy, invalid
from millstream.web.progress import ENDED

STREAM_PATHS = frozenset({"/track/events", "/api/events"})
MEDIA_TYPE = "text/event-stream"
RETRY_MS = 2000
EVENTS_AT_ONCE = 200
EVENT_SCHEMA = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"type": "string", "description": "What happened, as `what` in its data."},
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Event"},
        },
    },
}
"""What the OpenAPI document says of each event of a stream."""
OWNERS_REMEMBERED = 1000
LARGEST_ID = 2**62


def place_of(last_event_id: str | None) -> int | None:
    """The number of the last event that a client saw; None when it says nothing."""
    if last_event_id is None or last_event_id == "":
        return None
    if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id[:20]) <= LARGEST_ID):
        raise invalid("Last-Event-ID", detail="expected the id of an event, a whole number")
    return int(last_event_id)


class EventStream(StreamingResponse):
    """An answer that goes on; `release` is called at its end, however it ends."""

    def __init__(self, pieces: AsyncIterator[str], *, release: Callable[[], None]) -> None:
        super().__init__(pieces, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


class Streams:
    """The open streams: at most `limit` of them, `limit_each` of one caller."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        limit: int,
        limit_each: int,
        every_s: float,
        heartbeat_s: float,
        closing: asyncio.Event,
    ) -> None:
        self._ledger = ledger
        self._limit = limit
        self._limit_each = limit_each
        self._every_s = every_s
        self._heartbeat_s = heartbeat_s
        self._closing = closing
        self._open = Counter[str]()

    def of_job(self, message_id: str, *, after: int, caller: Caller) -> EventStream:
        """The events of one job, to its end; raises the problem of too many streams."""
        pieces = self._events(message_id, after=after, wanted=_all, ends=self._is_over(message_id))
        return self._start(pieces, caller=caller)

    def of_all(self, *, after: int, caller: Caller) -> EventStream:
        """The events of all jobs that a caller sees, until one side goes."""
        return self._start(self._events(None, after=after, wanted=self._seen_by(caller), ends=_never), caller=caller)

    async def newest(self) -> int:
        """The number of the newest event, 0 when there is none.

        The ledger tells what is behind a number, so it is looked for by halving: two reads for each of its bits.
        """
        low, high = 0, 1
        while await self._is_any_behind(high):
            low, high = high, high * 2
        if low == 0 and not await self._is_any_behind(0):
            return 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if await self._is_any_behind(middle) else (low, middle)
        return high

    async def _is_any_behind(self, number: int) -> bool:
        return bool(await self._ledger.read(ReadIngestionEvents(message_id=None, after=number, limit=1)))

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open.total()

    def _start(self, pieces: AsyncIterator[str], *, caller: Caller) -> EventStream:
        own = self._open[caller.principal]
        if self.open >= self._limit or own >= self._limit_each:
            limit = self._limit_each if own >= self._limit_each else self._limit
            raise busy(f"expected at most {limit} event streams at once, found as many", after_s=5)
        self._open[caller.principal] += 1
        return EventStream(pieces, release=lambda: self._release(caller))

    def _release(self, caller: Caller) -> None:
        self._open[caller.principal] -= 1
        self._open += Counter()  # forgets who has none

    async def _events(
        self,
        message_id: str | None,
        *,
        after: int,
        wanted: Callable[[IngestionEvent], Awaitable[bool]],
        ends: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        quiet_s = 0.0
        while True:
            is_over = await ends()  # asked first: an event that comes behind the answer is still sent
            events = await self._ledger.read(
                ReadIngestionEvents(message_id=message_id, after=after, limit=EVENTS_AT_ONCE)
            )
            pieces = [_frame(event) for event in events if await wanted(event)]
            if pieces:
                quiet_s = 0.0
                yield "".join(pieces)
            after = events[-1].id if events else after
            if len(events) == EVENTS_AT_ONCE:
                continue
            if is_over or await self._pause():
                return
            quiet_s += self._every_s
            if quiet_s >= self._heartbeat_s:
                quiet_s = 0.0
                yield ": nothing new\n\n"

    async def _pause(self) -> bool:
        """Wait until it is time to look again; True when the server stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._every_s)
        return self._closing.is_set()

    def _is_over(self, message_id: str) -> Callable[[], Awaitable[bool]]:
        async def is_over() -> bool:
            row = await self._ledger.read(ReadIngestion(message_id=message_id))
            return row is None or row.status in ENDED

        return is_over

    def _seen_by(self, caller: Caller) -> Callable[[IngestionEvent], Awaitable[bool]]:
        if caller.operator:
            return _all
        owners: dict[str, bool] = {}

        async def is_seen(event: IngestionEvent) -> bool:
            if event.message_id not in owners:
                if len(owners) >= OWNERS_REMEMBERED:
                    owners.clear()
                row = await self._ledger.read(ReadIngestion(message_id=event.message_id))
                owners[event.message_id] = row is not None and caller.sees(row.principal)
            return owners[event.message_id]

        return is_seen


async def _all(_event: IngestionEvent) -> bool:
    return True


async def _never() -> bool:
    return False


def _frame(event: IngestionEvent) -> str:
    """One event on the wire; JSON has no raw line ends, so its data is one line."""
    return f"event: {event.what}\nid: {event.id}\ndata: {json.dumps(event_document(event), ensure_ascii=False)}\n\n"
