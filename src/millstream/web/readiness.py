"""Whether everything that is needed works just now, looked at no more often than every few seconds."""

import asyncio
from collections.abc import Callable, Sequence

from millstream.errors import MillstreamError
from millstream.web.service import Part, Service

FRESH_S = 2.0
LIMIT_S = 10.0


class Readiness:
    """Asks the service, however many ask it."""

    def __init__(self, service: Service, *, monotonic: Callable[[], float]) -> None:
        self._service = service
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._parts: Sequence[Part] = ()
        self._looked_at_s: float | None = None

    async def parts(self) -> Sequence[Part]:
        """The parts as they were at most two seconds ago."""
        async with self._lock:
            now_s = self._monotonic()
            if self._looked_at_s is None or now_s - self._looked_at_s > FRESH_S:
                self._parts = await self._look()
                self._looked_at_s = self._monotonic()
            return self._parts

    async def _look(self) -> Sequence[Part]:
        try:
            async with asyncio.timeout(LIMIT_S):
                return await self._service.check()
        except TimeoutError:
            return [Part(name="service", problem=f"expected an answer within {LIMIT_S:g} s, found none")]
        except MillstreamError as error:
            return [Part(name="service", problem=str(error))]
