"""Connections to RabbitMQ, and what they say when they do not work; for use in any event loop.

Theory of operation: a connection is not mended, whoever needs one opens a new one: what was not confirmed is to be sent
again by somebody who knows what it was. Everything here has a time limit, because a server that is frozen, or that is
short of memory, takes all it is sent and answers nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.connection import make_url
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ProbableAuthenticationError,
)
from pamqp.exceptions import PAMQPException

from millstream.core.queueaddress import BrokerAddress

HEARTBEAT_S = 30
CLOSING_S = 1.0
TROUBLE = (AMQPError, ChannelInvalidStateError, PAMQPException, OSError, TimeoutError, RuntimeError)
"""What the client raises when a server cannot be reached, or a connection is lost; RuntimeError for one it closed."""

QUORUM: Mapping[str, str | int] = MappingProxyType({"x-queue-type": "quorum"})
"""What a queue is made with."""

# They tell of every connection that is lost, which is told in other words, once, by whoever needs it.
for _name in ("aio_pika", "aiormq"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def losses_named() -> Iterator[None]:
    """Inside, what is lost with a connection raises one of TROUBLE.

    The client ends calls that wait for a connection which ended without a reason with a plain `Exception`.
    """
    try:
        yield
    except Exception as error:
        if named(error) is error:
            raise
        raise named(error) from None


@contextlib.contextmanager
def losses_passed_over() -> Iterator[None]:
    """Inside, a lost connection ends what is done and nothing else."""
    with contextlib.suppress(*TROUBLE), losses_named():
        yield


def named(error: BaseException) -> BaseException:
    """The error itself, unless it is the client's nameless one for a lost connection."""
    return ConnectionResetError("the connection was lost") if type(error) is Exception else error


async def connect(
    address: BrokerAddress, *, name: str, limit_s: float, heartbeat_s: int = HEARTBEAT_S
) -> AbstractConnection:
    """Open a connection, which the server shows under that name; raises one of TROUBLE."""
    url = make_url(
        host=address.host.strip("[]"),
        port=address.port,
        login=address.user,
        password=address.password,
        virtualhost=address.vhost,
        ssl=address.is_encrypted,
        heartbeat=heartbeat_s,
    )
    connection = aio_pika.Connection(url, client_properties={"connection_name": name})
    try:
        async with asyncio.timeout(limit_s):
            await connection.connect(timeout=limit_s)
    except BaseException:
        await connection.close()  # there is none, but else it would look for one when it is collected
        raise
    return connection


async def ensure_queue(
    connection: AbstractConnection, queue: str, *, limit_s: float, arguments: Mapping[str, str | int] = QUORUM
) -> None:
    """Make a durable queue, unless there is a queue of that name, whatever it is like; raises one of TROUBLE."""
    try:
        async with _channel(connection) as channel:
            await channel.declare_queue(queue, passive=True, timeout=limit_s)
    except ChannelNotFoundEntity:
        async with _channel(connection) as channel:
            await channel.declare_queue(queue, durable=True, arguments=dict(arguments), timeout=limit_s)


def is_alive(connection: AbstractConnection) -> bool:
    """Whether a connection can be used, as far as is known."""
    return not connection.is_closed and connection.connected.is_set()


async def let_go(connection: AbstractConnection | None) -> None:
    """Close a connection, in order if the server answers, and at once if it does not; raises nothing."""
    if connection is not None:
        for _ in range(2):  # the second time it does not wait for the server any more
            with losses_passed_over():
                async with asyncio.timeout(CLOSING_S):
                    await connection.close()


def reason_of(error: BaseException) -> str:
    """Why it did not work, in one line."""
    if isinstance(error, (AuthenticationError, ProbableAuthenticationError)):
        return "it refuses the user or the password"
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    if isinstance(error, RuntimeError):  # its text is about objects of the client
        return "the connection was lost"
    return " ".join(str(error).split()) or type(error).__name__


def _channel(connection: AbstractConnection) -> AbstractChannel:
    """A channel for one question: the server closes it when it does not like that."""
    return connection.channel(publisher_confirms=False)
