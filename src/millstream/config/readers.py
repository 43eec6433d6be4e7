"""How the values of settings are read, from TOML, the environment or the command line."""

from collections.abc import Callable
from typing import Any

from millstream.core.schedule import find_zone
from millstream.core.units import parse_count, parse_duration, parse_rate, parse_size, parse_time_of_day
from millstream.errors import InvalidValueError

OFF = "off"
DASHBOARD = "127.0.0.1:8321"
"""Where a dashboard is that was asked for without an address."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HIGHEST_PORT = 65_535


def read_text(value: object, name: str) -> str:
    """Any text but none at all."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidValueError(name=name, expected="some text", found=value)
    return value


def read_field(value: object, name: str) -> str:
    """The name of a JSON field, dots between nested ones."""
    text = read_text(value, name)
    if any(sign in '"\\' or sign < " " for sign in text):
        raise InvalidValueError(
            name=name, expected="a field that JSON names without an escape, such as user.id", found=value
        )
    return text


def read_flag(value: object, name: str) -> bool:
    """True or false, as TOML or as a word."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise InvalidValueError(name=name, expected="true or false", found=value)


def read_duration(value: str | float, name: str) -> float:
    """Seconds, 0 included."""
    return parse_duration(value, name=name)


def read_positive_duration(value: str | float, name: str) -> float:
    """Seconds above 0."""
    seconds = parse_duration(value, name=name)
    if seconds <= 0:
        raise InvalidValueError(name=name, expected="a duration above 0 such as 5m", found=value)
    return seconds


def read_size(value: str | float, name: str) -> int:
    """Bytes, 0 included."""
    return parse_size(value, name=name)


def read_positive_size(value: str | float, name: str) -> int:
    """Bytes above 0."""
    size = parse_size(value, name=name)
    if size <= 0:
        raise InvalidValueError(name=name, expected="a size above 0 such as 10MB", found=value)
    return size


def read_rate(value: str | float, name: str) -> float:
    """A number per second."""
    return parse_rate(value, name=name)


def read_count(value: str | float, name: str) -> int:
    """A whole number of at least 1."""
    return parse_count(value, name=name)


def read_whole(value: str | float, name: str) -> int:
    """A whole number, 0 included."""
    return parse_count(value, name=name, minimum=0)


def unless_off(read: Callable[[Any, str], object]) -> Callable[[Any, str], object]:
    """A reader for which the word `off` means None."""

    def read_unless_off(value: object, name: str) -> object:
        return None if value == OFF else read(value, name)

    return read_unless_off


def read_speed(value: str | float, name: str) -> float:
    """How many times faster than the wall."""
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if isinstance(value, bool) or not 0 < speed < float("inf"):
        raise InvalidValueError(name=name, expected="a number above 0 such as 300", found=value)
    return speed


def one_of(*words: str) -> Callable[[Any, str], str]:
    """A reader that knows only these words."""

    def read_word(value: object, name: str) -> str:
        if value not in words:
            raise InvalidValueError(name=name, expected=f"one of {', '.join(words)}", found=value)
        return str(value)

    return read_word


def read_time_of_day(value: object, name: str) -> tuple[int, int, int]:
    """Hour, minute and second."""
    return parse_time_of_day(read_text(value, name), name=name)


def read_zone(value: object, name: str) -> str:
    """The key of a time zone."""
    return find_zone(read_text(value, name), name=name).key


def read_paths(value: object, name: str) -> tuple[str, ...]:
    """One path or a list of them."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items or not all(is_word(item) and item for item in items):
        raise InvalidValueError(name=name, expected="a path or a list of paths", found=value)
    return tuple(items)


def read_command(value: object, name: str) -> tuple[str, ...]:
    """The words of a command."""
    if not isinstance(value, list | tuple) or not value or not all(map(is_word, value)):
        raise InvalidValueError(name=name, expected='a list of words such as ["gzip", "-c"]', found=value)
    return tuple(value)


def is_word(value: object) -> bool:
    """Whether the operating system takes it as a path or as an argument of a command."""
    return isinstance(value, str) and "\0" not in value


def read_dashboard(value: object, name: str) -> str | None:
    """An address that only this machine reaches, `HOST:PORT`; true means the usual one, false none."""
    if isinstance(value, bool) or value in ("true", "false"):
        return DASHBOARD if read_flag(value, name) else None
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    known = host in LOOPBACK and colon and port.isascii() and port.isdigit() and len(port) < len("123456")
    if not known or int(port) > HIGHEST_PORT:
        raise InvalidValueError(
            name=name,
            expected=f"an address that only this machine reaches, such as {DASHBOARD} (it asks for no key)",
            found=value,
        )
    return f"{host}:{port}"
