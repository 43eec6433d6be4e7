"""The port of doorbells: how workers on other machines learn that there is something to claim.

Theory of operation: a ring is a hint, never the work itself: whoever answers claims the batch from the ledger, which
says whether there is anything to do. So a ring may come twice or late without harm, and one that is lost is rung again
by whoever looks after the ledger.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One batch that is ready. `message_id` is set for plan steps and chunks of an ingestion.

    With an empty `batch_id` nothing is to be worked: it asks what of the ingestion is ready.
    """

    batch_id: str
    pipeline: str
    message_id: str | None = None


class Claimed(StrEnum):
    """What answering a ring came to at first: the claim is durable, or there was nothing to claim."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What became of a batch that was answered for.

    `state` is its state in the ledger, None when that has no such batch or the worker lost it. `not_before` is when a
    retry is due, in engine seconds. `ready` are batches that became ready by it, and were not rung before; the bell
    passes them on. (To one who asks: all that are ready.) `is_over` says that nothing of the ingestion, or nothing more
    of a batch without one, will become ready unless somebody asks for it.
    """

    state: str | None
    not_before: float | None = None
    ready: tuple[Ring, ...] = ()
    is_over: bool = False


Work = Callable[[Ring, Callable[[], Awaitable[None]]], Awaitable[Worked]]
"""Works one batch: `work(ring, claimed)` awaits `claimed()` once the claim is durable or there was nothing to claim."""


class Bell(Protocol):
    """One way to reach workers: RabbitMQ, Temporal."""

    @property
    def address(self) -> str:
        """Where it is, without credentials."""
        ...

    async def ring(self, rings: Sequence[Ring]) -> None:
        """Tell workers, durably; raises BellUnavailableError. Several rings for one batch do no harm."""
        ...

    async def answer(self, work: Work, *, slots: int, stop: asyncio.Event | None = None) -> None:
        """Answer rings with at most `slots` at once, until cancelled, which cancels what is being worked.

        Once `stop` is set no further ring is taken, and it returns when those in hand were worked. While the server
        is away it is tried again and again; raises nothing for that, and what is being worked goes on.
        """
        ...

    async def check(self) -> None:
        """Raise BellUnavailableError unless a ring would reach the server now."""
        ...

    async def close(self) -> None:
        """Let go; idempotent."""
        ...


class Requests(Protocol):
    """The queue that accepted ingestions go through, so that taking them on and planning them are apart."""

    async def send(self, message_id: str) -> None:
        """Hand over a request, durably; raises BellUnavailableError."""
        ...

    async def receive(self, take: Callable[[str], Awaitable[None]]) -> None:
        """Give requests to `take` until cancelled; acknowledged when it returned, given again if it raised."""
        ...

    async def close(self) -> None:
        """Let go; idempotent."""
        ...
