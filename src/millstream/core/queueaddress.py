"""Addresses of RabbitMQ as people write them: `amqp://[USER:PASSWORD@]HOST[:PORT][/VHOST]/QUEUE`.

Theory of operation: an address is read once, at the border, into its parts. Its text has no password: what is shown,
logged or stored cannot give it away. Whatever is not a letter, a digit or one of `-._~` is written as `%XX`, so the
default virtual host, `/`, can be left out or written `%2F`. With `amqps` the connection is encrypted.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from millstream.errors import InvalidValueError

DEFAULT_PORT = 5672
DEFAULT_TLS_PORT = 5671
DEFAULT_VHOST = "/"
MAX_PORT = 65_535
_LONGEST_NAME = 255
_BROKER = re.compile(
    r"(?P<scheme>amqps?)://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?"
    r"(?P<path>(?:/[^/?#]*)*)"
)
_SECRET = re.compile(r"(?<=://).*@", re.DOTALL)
_WORD = re.compile(r"(?i)(password\s*=\s*)('[^']*'|[^\s&]+)")
"""A password as a word of its own, as libpq takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A virtual host of a RabbitMQ server; `user` and `password` are `guest` unless they are said."""

    host: str
    port: int = DEFAULT_PORT
    vhost: str = DEFAULT_VHOST
    user: str = field(default="guest", repr=False)
    password: str = field(default="guest", repr=False)
    is_encrypted: bool = False

    def __str__(self) -> str:
        """Without user and password."""
        vhost = "" if self.vhost == DEFAULT_VHOST else f"/{quote(self.vhost, safe='')}"
        return f"{'amqps' if self.is_encrypted else 'amqp'}://{self.host}:{self.port}{vhost}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAddress:
    """A queue of a RabbitMQ server."""

    broker: BrokerAddress
    queue: str

    @property
    def shown(self) -> str:
        """Without user and password."""
        return str(self)

    def __str__(self) -> str:
        """Without user and password."""
        return f"{self.broker}/{quote(self.queue, safe='')}"


def is_amqp(text: str) -> bool:
    """Whether it is meant as an address of RabbitMQ, right or wrong."""
    return text.lower().startswith(("amqp:", "amqps:"))


def parse_queue(text: str, *, name: str = "address") -> QueueAddress:
    """Read the address of a queue; raises InvalidValueError under that name, without the password."""
    broker, path = _parse(text, name=name, example="amqp://localhost/orders")
    if len(path) not in {1, 2} or not all(path):
        raise _invalid(name, "a queue at the end, as in amqp://localhost/orders or amqp://localhost/vhost/orders", text)
    if len(path[-1].encode()) > _LONGEST_NAME:
        raise _invalid(name, f"the name of a queue, at most {_LONGEST_NAME} bytes", text)
    return QueueAddress(broker=_with_vhost(broker, path[:-1]), queue=path[-1])


def parse_broker(text: str, *, name: str = "address") -> BrokerAddress:
    """Read `amqp://[USER:PASSWORD@]HOST[:PORT][/VHOST]`; raises InvalidValueError, without the password."""
    broker, path = _parse(text, name=name, example="amqp://localhost or amqp://localhost/vhost")
    if len(path) > 1:
        raise _invalid(name, "an address without a queue, such as amqp://localhost or amqp://localhost/vhost", text)
    return _with_vhost(broker, [part for part in path if part])


def without_password(text: str) -> str:
    """A text that may be an address, right or wrong, fit to be shown."""
    return _WORD.sub(r"\1...", _SECRET.sub("", text))


def _parse(text: str, *, name: str, example: str) -> tuple[BrokerAddress, list[str]]:
    """The server, and the parts of the path."""
    found = _BROKER.fullmatch(text)
    if found is None:
        raise _invalid(name, f"an address such as {example}", text)
    is_encrypted = found["scheme"] == "amqps"
    port = int(found["port"] or (DEFAULT_TLS_PORT if is_encrypted else DEFAULT_PORT))
    if not 1 <= port <= MAX_PORT:
        raise _invalid(name, f"a port from 1 to {MAX_PORT}", text)
    broker = BrokerAddress(
        host=found["host"],
        port=port,
        user=unquote("guest" if found["user"] is None else found["user"]),
        password=unquote("guest" if found["password"] is None else found["password"]),
        is_encrypted=is_encrypted,
    )
    return broker, [unquote(part) for part in found["path"].split("/")[1:]]


def _with_vhost(broker: BrokerAddress, vhost: list[str]) -> BrokerAddress:
    if not vhost:
        return broker
    return BrokerAddress(
        host=broker.host,
        port=broker.port,
        vhost=vhost[0],
        user=broker.user,
        password=broker.password,
        is_encrypted=broker.is_encrypted,
    )


def _invalid(name: str, expected: str, text: str) -> InvalidValueError:
    return InvalidValueError(name=name, expected=expected, found=without_password(text))
