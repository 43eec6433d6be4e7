"""A queue as a source of records: a message is acknowledged once its records are durable here.

Theory of operation: the broker keeps a message until it is acknowledged, and that happens only after the commit of its
records, which the intake tells by `committed`. When a connection is lost the broker gives everything that was not
acknowledged again: at least once, and never not at all. What a lost connection had delivered and nobody read is
forgotten, for it comes again; what was read comes twice. No message is held for longer than a commit takes, so a broker
that ends consumers which are slow to acknowledge has no reason to.
"""

import asyncio
import logging
from collections.abc import Callable

from aiormq.exceptions import AMQPError, AuthenticationError, ChannelAccessRefused, ProbableAuthenticationError

from millstream.adapters.rabbitmq.connection import losses_named
from millstream.adapters.rabbitmq.receiving import Receiver
from millstream.core.model import Lines
from millstream.core.queueaddress import QueueAddress
from millstream.core.silence import Silence
from millstream.errors import SourceError
from millstream.ports import Clock

Tell = Callable[[str], None]
"""Takes one line for a person."""

TROUBLE = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What the client raises when a connection cannot be had, is gone, or goes."""

REFUSED = (AuthenticationError, ProbableAuthenticationError, ChannelAccessRefused)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_BELIEVED_S, _FINAL_PAUSE_S = 5.0, 0.5


class QueueSource:
    """Reads the bodies of the messages of a queue, one record each; how newlines in them are read says `valuelines`.

    A message whose content type is one of `receiving.LINES_TYPES` holds a record in each line. After a crash or a lost
    connection a message can come again, and its records with it. The queue must be there. A broker that goes away is
    waited for, and `tell` is given a line about that.

    `open` raises SourceError when no broker answers or there is no such queue; `read` when the queue is deleted, and
    for a record of more than `max_record_bytes`, whose message stays in the queue.

    A block holds about `block_bytes`; the broker sends about `receiving.AHEAD_BYTES` ahead.
    """

    bounded = False
    replayable = False

    def __init__(
        self,
        address: QueueAddress,
        clock: Clock,
        *,
        max_record_bytes: int,
        block_bytes: int = 1 << 20,
        tell: Tell,
    ) -> None:
        self.name = str(address)
        self._address = address
        self._clock = clock
        self._max_record_bytes = max_record_bytes
        self._block_bytes = block_bytes
        self._tell = tell
        self._arrived = asyncio.Event()
        self._receiver: Receiver | None = None
        self._receivers = 0
        self._serving: asyncio.Task[None] | None = None
        self._failure: SourceError | None = None
        self._closed = False

    async def open(self, position: str | None) -> None:
        """Begin to receive; a position says nothing, for the broker knows what was acknowledged."""
        del position
        # The library warns of every connection that breaks, which is told here, once and in other words.
        for name in ("aio_pika", "aiormq"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            with losses_named():
                self._receiver = await self._connect()
        except TROUBLE as error:
            raise self._failed(error) from None
        self._serving = asyncio.get_running_loop().create_task(self._serve(self._receiver), name="amqp-source")

    async def read(self) -> Lines | None:
        """The next block, as soon as there is one; None once it is closed."""
        while True:
            self._arrived.clear()
            receiver = self._receiver
            lines = None if receiver is None else receiver.take(self._block_bytes, at=self._clock.now())
            if lines is not None:
                return lines
            if self._failure is not None:
                raise self._failure
            if self._closed:
                return None
            await self._arrived.wait()

    def leftovers(self) -> Lines | None:
        """None: what was not handed over is not acknowledged, so it comes again."""
        return None

    def committed(self, position: str) -> None:
        """Acknowledge everything up to there, if the connection that delivered it is still the same."""
        if self._receiver is not None:
            self._receiver.acknowledge(position)

    async def close(self) -> None:
        """Acknowledge what was committed, and leave; a waiting `read` ends."""
        self._closed = True
        self._arrived.set()
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            await receiver.close()

    async def _connect(self) -> Receiver:
        self._receivers += 1
        return await Receiver.begin(
            self._address,
            number=self._receivers,
            max_record_bytes=self._max_record_bytes,
            arrived=self._arrived,
        )

    async def _serve(self, receiver: Receiver) -> None:
        """Have a connection at all times, until there is nothing to be had any more."""
        try:
            while True:
                try:
                    with losses_named():
                        await receiver.serve()
                except TROUBLE as error:
                    self._tell(f"rabbitmq: {self.name}: the connection was lost: {_describe(error)}")
                if receiver.refused is not None:
                    hint = "raise --max-record, or take the message out of the queue"
                    self._failure = SourceError(source=self.name, reason=receiver.refused, hint=hint)
                    return
                self._receiver = None  # what was not read comes again
                await receiver.close()
                receiver = self._receiver = await self._connect_again()
        except SourceError as error:
            self._failure = error
        finally:
            self._arrived.set()

    async def _connect_again(self) -> Receiver:
        """A connection, however long that takes; raises SourceError when there is no such queue any more.

        That is believed when it was the answer for a while: a broker that comes back may say so of a queue that it has.
        """
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        silence = Silence()
        silence.lasts(at=loop.time())
        final_since: float | None = None
        while True:
            try:
                with losses_named():
                    receiver = await self._connect()
            except TROUBLE as error:
                if _is_final(error):
                    final_since = loop.time() if final_since is None else final_since
                    if loop.time() - final_since >= _BELIEVED_S:
                        raise self._failed(error) from None
                    await asyncio.sleep(_FINAL_PAUSE_S)
                    continue
                final_since = None
                waited_s = silence.lasts(at=loop.time())
                if waited_s is not None:
                    why = f"no answer for {waited_s:.0f} s ({_describe(error)})"
                    self._tell(f"rabbitmq: {self.name}: {why}; waiting for it, nothing is lost")
            else:
                waited_s = silence.ends(at=loop.time())
                if waited_s is not None:
                    self._tell(f"rabbitmq: {self.name}: answers again after {waited_s:.0f} s")
                return receiver
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _failed(self, error: BaseException) -> SourceError:
        if _is_missing(error):
            reason, hint = (
                f"expected a queue {self._address.queue!r}, found none of that name",
                "declare it, or check the name",
            )
        elif isinstance(error, REFUSED):
            reason, hint = _describe(error), "check user and password, and what the user may do"
        else:
            reason = f"expected a RabbitMQ broker, found none that answers ({_describe(error)})"
            hint = "start it, or check the address"
        return SourceError(source=self.name, reason=reason, hint=hint)


def _is_missing(error: BaseException) -> bool:
    """Whether the broker has no such queue; one that is there but on a node that is down comes back."""
    return "no queue" in str(error)


def _is_final(error: BaseException) -> bool:
    return _is_missing(error) or isinstance(error, REFUSED)


def _describe(error: BaseException) -> str:
    text = "no answer in time" if isinstance(error, TimeoutError) else " ".join(str(error).split())
    return text or type(error).__name__
