"""The intake of ingestions: there is nothing to read, since they are accepted in the ledger by whoever asks for them.

Theory of operation: an engine ends when its intakes have ended, so this one waits for a stop. What was accepted by
then and is not worked stays in the ledger, and the next engine goes on with it.
"""

import asyncio

from millstream.core.model import Kind
from millstream.core.tasks import PIPELINE
from millstream.ports import Clock, Ledger
from millstream.runtime.declare import declare


class IngestionsIntake:
    """Keeps an engine at work on ingestions; implements PipelineIntake."""

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self.name = PIPELINE
        self.exhausted = False
        self.ended = asyncio.Event()
        self._ledger = ledger
        self._clock = clock
        self._stopping = asyncio.Event()

    @property
    def leaves_input(self) -> bool:
        """Never: everything that was accepted is in the ledger."""
        return False

    def stop(self) -> None:
        """End; idempotent."""
        self._stopping.set()

    async def run(self) -> None:
        """Wait for the stop."""
        try:
            await declare(self.name, kind=Kind.CHUNK, ledger=self._ledger, at=self._clock.now())
            await self._stopping.wait()
        finally:
            self.ended.set()
