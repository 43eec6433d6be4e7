"""Tries again and again, while a server is away, and tells people once."""

import asyncio
import logging
import random

from millstream.adapters.rabbitmq.workqueue import Broker

FIRST_S = 0.1
LONGEST_S = 5.0

log = logging.getLogger("millstream")


class Patience:
    """Pauses that grow, up to five seconds, with a drawn part, so that not all come back at the same moment."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._pause_s = FIRST_S
        self._is_told = False

    def reset(self) -> None:
        """It went well."""
        if self._is_told:
            log.warning("dispatcher: %s is there again", self._broker.address)
        self._pause_s, self._is_told = FIRST_S, False

    async def pause(self, error: BaseException) -> None:
        """It did not."""
        if not self._is_told:
            log.warning("%s; trying again", self._broker.unavailable(error))
            self._is_told = True
        await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        self._pause_s = min(LONGEST_S, 2 * self._pause_s)
