"""A gate before the socket of a connection.

Theory of operation: the client takes whatever comes, and a message that was taken is in memory. Behind a closed gate
the next frame is not taken, so the socket fills up and the broker waits. Now and then one frame is let through all the
same: a connection from which nothing is heard for long is taken for dead.
"""

import asyncio
from typing import Any

from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL


class Gate:
    """Open at first; nobody is held for longer than `longest_s` seconds."""

    def __init__(self, *, longest_s: float) -> None:
        self._longest_s = longest_s
        self._open = asyncio.Event()
        self._open.set()

    def set(self, *, is_open: bool) -> None:
        """Open or close it."""
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def passed(self) -> None:
        """Return when it is open, or after the longest time."""
        if not self._open.is_set():
            try:
                await asyncio.wait_for(self._open.wait(), self._longest_s)
            except TimeoutError:
                return


class _GatedReader:
    """As much of a stream reader as the client uses, which begins each frame by reading one byte."""

    def __init__(self, reader: asyncio.StreamReader, gate: Gate) -> None:
        self._reader = reader
        self._gate = gate
        self.at_eof = reader.at_eof
        self.read = reader.read

    async def readexactly(self, n: int) -> bytes:
        if n == 1:
            await self._gate.passed()
        return await self._reader.readexactly(n)


class GatedTransport(TransportFactory):
    """Connects as the client does, with a gate in between."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A reader behind the gate, and a writer."""
        plain: TransportFactory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await plain.create(url, **kwargs)
        return _GatedReader(reader, self._gate), writer  # type: ignore[return-value]  # what the client uses of it
