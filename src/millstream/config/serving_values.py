"""How the values of the service's settings are read: addresses to listen at, names, keys."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from millstream.config.readers import read_text
from millstream.core.container import parse_container
from millstream.errors import InvalidValueError

CONTAINER_NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,62}")
KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
EVERY = "*"
LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """An address to listen at; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def read_listen(value: object, name: str) -> Listen:
    """`HOST:PORT`, a port alone on this machine, or `[ADDRESS]:PORT`."""
    text = read_text(value, name) if not isinstance(value, int) or isinstance(value, bool) else str(value)
    host, colon, port = text.rpartition(":")
    host = host if colon else "127.0.0.1"
    in_brackets = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if in_brackets else host
    fits = port.isascii() and port.isdigit() and int(port[:6]) <= LARGEST_PORT
    if not fits or not host or (":" in host) != in_brackets or any(sign in host for sign in "/@ "):
        raise InvalidValueError(name=name, expected="HOST:PORT such as 127.0.0.1:8080", found=value)
    return Listen(host=host, port=int(port))


def read_container_name(value: object, name: str) -> str:
    """The name of a container, as requests use it."""
    if not isinstance(value, str) or CONTAINER_NAME.fullmatch(value) is None:
        raise InvalidValueError(
            name=name, expected="1 to 63 lower-case letters, digits and single dashes between them", found=value
        )
    return value


def read_container_address(value: object, name: str) -> str:
    """Where a container is; a folder as an absolute path."""
    address = parse_container(read_text(value, name), name=name)
    return str(Path(str(address)).absolute()) if address.is_folder else str(address)


def read_key_name(value: object, name: str) -> str:
    """The name of a key."""
    if not isinstance(value, str) or KEY_NAME.fullmatch(value) is None:
        raise InvalidValueError(
            name=name, expected="1 to 64 letters, digits, dots, dashes and underscores", found=value
        )
    return value


def read_sha256(value: object, name: str) -> str:
    """A SHA-256; what cannot be one is not repeated, for it may be the key itself."""
    if not isinstance(value, str) or SHA256.fullmatch(value) is None:
        found = f"{len(value)} other characters" if isinstance(value, str) else type(value).__name__
        raise InvalidValueError(name=name, expected="64 hexadecimal digits (see `millstream key`)", found=found)
    return value.lower()


def read_scope(value: object, name: str) -> tuple[str, ...]:
    """Names of containers, or `*` for all."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise InvalidValueError(name=name, expected='a list of names of containers, or ["*"] for all', found=value)
    return tuple(item if item == EVERY else read_container_name(item, name) for item in items)


def read_hosts(value: object, name: str) -> tuple[str, ...]:
    """Names that this server is called by."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items or not all(isinstance(each, str) and each for each in items):
        raise InvalidValueError(name=name, expected="a list of names such as mill.example.org", found=value)
    return tuple(item.strip().lower() for item in items)
