"""Rings again for what was rung for in vain.

Theory of operation: whoever makes a batch ready rings for it, and rings get lost: a worker dies between the two, a
server loses a message, nobody rings when a lease ends or the time of a retry has come. A sweeper looks after all of
that from the ledger. Every process has one, and one of them at a time sweeps: the others would only say the same again.
Which one is written in the ledger, for a term; who finds that the term is over writes itself down and sweeps from the
next look on, if its name is still there. Two that sweep at the same time would do no harm.

A batch that was tried before, or waited, is rung for at once. A new one was rung for by its maker, so it is left alone
for `again_s`, and twice as long after each ring: it may just be waiting for a worker; only after an operator let work
go, all that is ready is rung for at once. Nothing is rung in lockstep with
another sweeper, because all times are drawn.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from millstream.core.ingestion import Explain, Queue, ReadIngestions, ReadReady, ReadyRow, Status
from millstream.core.operations import ExpireLeases, SetMeta
from millstream.core.queries import ReadMeta, ReadNextDue
from millstream.errors import BellUnavailableError, LedgerUnreachableError
from millstream.ports import Clock, Ledger
from millstream.ports.bell import Ring
from millstream.runtime.ringing import rings_of

SWEEPER = "sweeper"
"""The `ReadMeta` key under which the sweeper on duty is written."""

RING = "ring"
"""The `ReadMeta` key under which an operator who let work go notes when: what is ready then was not just rung for."""

LIMIT = 1000
"""Ready batches, and accepted ingestions, that one look takes in."""

LONGEST_AGAIN_S = 300.0
PROLONGED = 0.75
"""The part of a term that is left when it is prolonged."""

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings:
    """`owner` names this process; `pipelines` are those whose retries it waits for.

    It looks every `every_s` seconds, and when the ledger changed, but not more often than `rest_s`; after looks that
    came to nothing it rests longer each time, up to `longest_rest_s`, because a busy ledger changes all the time. It is
    on duty for `term_s` at a time.
    """

    owner: str
    pipelines: tuple[str, ...]
    every_s: float = 5.0
    rest_s: float = 0.25
    longest_rest_s: float = 1.0
    again_s: float = 10.0
    term_s: float = 10.0


@dataclass(slots=True, kw_only=True)
class _Seen:
    """A batch, or an ingestion, that somebody should take: when to ring next, and after how long again."""

    due_at: float
    again_s: float


class Sweeper:
    """Rings through `ring`, and sends lost requests again through `request`; without that it queues them itself.

    `draw` is random, from [0, 1).
    """

    def __init__(
        self,
        settings: SweepSettings,
        *,
        ledger: Ledger,
        clock: Clock,
        ring: Callable[[Sequence[Ring]], Awaitable[None]],
        request: Callable[[str], Awaitable[None]] | None,
        draw: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._ring = ring
        self._request = request
        self._draw = draw
        self._rung = asyncio.Event()
        self._batches: dict[str, _Seen] = {}
        self._requests: dict[str, _Seen] = {}
        self._held_up: dict[str, str] = {}
        self._asked: tuple[str | None] | None = None
        self._is_told = False
        self._rest_s = settings.rest_s

    async def run(self) -> None:
        """Look, until cancelled."""
        stop_listening = self._ledger.listen(self._rung.set)
        try:
            while True:
                self._rung.clear()
                next_at = await self._patiently_sweep()
                await self._rest_until(next_at)
        finally:
            stop_listening()

    async def _patiently_sweep(self) -> float:
        try:
            return await self.sweep()
        except LedgerUnreachableError as error:
            log.warning("%s", error)
            return self._clock.now() + self._settings.every_s

    async def _rest_until(self, when_s: float) -> None:
        now = self._clock.now()
        await self._clock.sleep_until(min(now + self._rest_s, max(now + self._settings.rest_s, when_s)))
        self._rest_s = min(self._settings.longest_rest_s, 2 * self._rest_s)
        waits = [
            asyncio.ensure_future(self._rung.wait()),
            asyncio.ensure_future(self._clock.sleep_until(min(when_s, now + self._settings.every_s))),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def sweep(self) -> float:
        """Look once; returns when the next look is due at the latest, in engine seconds."""
        now = self._clock.now()
        if not await self._is_on_duty(now):
            return now + self._settings.every_s
        expired = await self._ledger.do(ExpireLeases(at=now))
        if expired:
            self._rest_s = self._settings.rest_s
            log.warning("%d batches: their workers did not renew the lease in time; others take over", expired)
        try:
            await self._ring_for_ready(now)
            await self._send_requests(now)
        except BellUnavailableError as error:
            await self._hold_up(error, now=now)
        else:
            await self._let_go(now)
        return await self._next_look(now)

    async def _next_look(self, now: float) -> float:
        dues = [await self._ledger.read(ReadNextDue(pipeline=name)) for name in self._settings.pipelines]
        known = [due for due in dues if due is not None and due > now]
        return min([now + self._settings.every_s, *known])

    # --- duty ---------------------------------------------------------------------------------------------------

    async def _is_on_duty(self, now: float) -> bool:
        """Whether this one sweeps; a term is prolonged long before it is over."""
        text = await self._ledger.read(ReadMeta(key=SWEEPER))
        owner, until = _duty(text)
        if owner == self._settings.owner and until > now:
            if until - now < self._settings.term_s * PROLONGED:
                await self._sign_up(now)
            return True
        if until <= now or until > now + 2 * self._settings.term_s:  # the latter by a clock that was wrong
            await self._sign_up(now)
            self._rung.set()
        return False

    async def _sign_up(self, now: float) -> None:
        value = json.dumps({"owner": self._settings.owner, "until": now + self._settings.term_s})
        await self._ledger.do(SetMeta(key=SWEEPER, value=value))

    # --- ringing ------------------------------------------------------------------------------------------------

    async def _ring_for_ready(self, now: float) -> None:
        rows = await self._ledger.read(ReadReady(at=now, limit=LIMIT))
        self._batches = {row.batch_id: self._batches.get(row.batch_id) or self._first_seen(row, now) for row in rows}
        await self._hear_operators(now)
        due = [row for row in rows if self._batches[row.batch_id].due_at <= now]
        if not due:
            return
        self._rest_s = self._settings.rest_s
        await self._ring(rings_of(due))
        for row in due:
            self._defer(self._batches[row.batch_id], now)

    async def _hear_operators(self, now: float) -> None:
        """All is due that is ready when one has let work go since the last look."""
        asked = (await self._ledger.read(ReadMeta(key=RING)),)
        if self._asked is not None and asked != self._asked:
            for seen in self._batches.values():
                seen.due_at = min(seen.due_at, now)
        self._asked = asked

    def _first_seen(self, row: ReadyRow, now: float) -> _Seen:
        wait_s = 0.0 if row.attempts else self._drawn(self._settings.again_s)
        return _Seen(due_at=now + wait_s, again_s=self._settings.again_s)

    def _defer(self, seen: _Seen, now: float) -> None:
        seen.due_at = now + self._drawn(seen.again_s)
        seen.again_s = min(LONGEST_AGAIN_S, 2 * seen.again_s)

    def _drawn(self, seconds: float) -> float:
        """About so long: up to a fifth less or more."""
        return seconds * (0.8 + 0.4 * self._draw())

    async def _send_requests(self, now: float) -> None:
        """Have ingestions queued that were accepted a while ago, and whose request was lost."""
        rows = await self._ledger.read(ReadIngestions(statuses=(Status.ACCEPTED,), limit=LIMIT))
        again_s = self._settings.again_s
        self._requests = {
            row.spec.message_id: self._requests.get(row.spec.message_id)
            or _Seen(due_at=row.created_at + self._drawn(again_s), again_s=again_s)
            for row in rows
        }
        for message_id, seen in self._requests.items():
            if seen.due_at <= now:
                await self._ask_for(message_id, now)
                self._defer(seen, now)

    async def _ask_for(self, message_id: str, now: float) -> None:
        if self._request is not None:
            await self._request(message_id)
            return
        await self._ledger.do(Queue(message_id=message_id, at=now))
        await self._ring(rings_of(await self._ledger.read(ReadReady(message_id=message_id, at=now))))

    # --- telling what is waited for -----------------------------------------------------------------------------

    async def _hold_up(self, error: BellUnavailableError, *, now: float) -> None:
        """Nobody can be told: say so to people, and to those who ask for an ingestion."""
        if not self._is_told:
            log.warning("%s; what is ready waits", error)
            self._is_told = True
        waiting = await self._ledger.read(ReadReady(at=now, limit=LIMIT))
        ids = [each.message_id for each in rings_of(waiting)] + list(self._requests)
        for message_id in dict.fromkeys(each for each in ids if each is not None):
            if self._held_up.get(message_id) != str(error):
                await self._ledger.do(Explain(message_id=message_id, reason=str(error), at=now))
                self._held_up[message_id] = str(error)

    async def _let_go(self, now: float) -> None:
        for message_id in list(self._held_up):
            await self._ledger.do(Explain(message_id=message_id, reason="", at=now))
            del self._held_up[message_id]
        if self._is_told:
            log.warning("workers can be told again")
            self._is_told = False


def _duty(text: str | None) -> tuple[str, float]:
    """Who sweeps, and until when; nobody if what is written cannot be read."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        found = json.loads(text or "")
        return str(found["owner"]), float(found["until"])
    return "", 0.0
