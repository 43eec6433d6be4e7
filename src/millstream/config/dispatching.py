"""How work finds workers: beside the ledger in one process, or on many machines.

Theory of operation: three things go together. `embedded` is one process with its ledger, SQLite, in its state folder.
`rabbitmq` and `temporal` are bells that workers on other machines hear, and then the ledger must be one that all of
them reach: PostgreSQL. What cannot work together is refused before anything starts, all of it at once. Passwords are
taken from the environment, or from a file of their own, and refused in the TOML file, which people share.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from millstream.config.option import _option, options_of
from millstream.config.reader import Reader
from millstream.config.readers import one_of, read_flag, read_positive_duration, read_text
from millstream.core.queueaddress import parse_broker, without_password
from millstream.errors import InvalidValueError

EMBEDDED = "embedded"
RABBITMQ = "rabbitmq"
TEMPORAL = "temporal"
LEDGER_FILE = "ledger.db"
"""The SQLite ledger of a state folder."""

_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TARGET = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_LARGEST_PORT = 65_535


def read_ledger(value: object, name: str) -> str:
    """`sqlite:PATH` or `postgresql://...`; what is wrong is told without a password."""
    text = read_text(value, name)
    is_sqlite = text.startswith("sqlite:") and not text.startswith("sqlite://") and len(text) > len("sqlite:")
    if is_sqlite or (is_postgres(text) and _has_host(text)):
        return text
    raise InvalidValueError(
        name=name, expected="sqlite:PATH or postgresql://USER@HOST/DATABASE", found=without_password(text)
    )


def read_broker(value: object, name: str) -> str:
    """`amqp://HOST[:PORT][/VHOST]`."""
    text = read_text(value, name)
    parse_broker(text, name=name)
    return text


def read_target(value: object, name: str) -> str:
    """`HOST:PORT`."""
    found = _TARGET.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found[2]) <= _LARGEST_PORT:
        raise InvalidValueError(name=name, expected="HOST:PORT such as localhost:7233", found=value)
    return found[0]


def read_prefix(value: object, name: str) -> str:
    """What names of queues can begin with."""
    if not isinstance(value, str) or _PREFIX.fullmatch(value) is None:
        raise InvalidValueError(
            name=name, expected="1 to 64 letters, digits, dots, dashes and underscores", found=value
        )
    return value


@dataclass(frozen=True, kw_only=True)
class DispatchConfig:
    """Who hands batches to workers, and where everything is kept that they share."""

    dispatcher: str = _option(
        one_of(EMBEDDED, RABBITMQ, TEMPORAL),
        EMBEDDED,
        example=RABBITMQ,
        text="how batches find workers: embedded (in this process), or rabbitmq or temporal (on many machines)",
    )
    ledger: str | None = _option(
        read_ledger,
        None,
        example="postgresql://mill@db/mill",
        text="sqlite:PATH (default: ledger.db in the state folder) or postgresql://...; a password belongs into "
        "MILLSTREAM_LEDGER or ledger_file",
    )
    ledger_file: str | None = _option(
        read_text, None, example="/run/secrets/ledger", text="file that holds the address of the ledger"
    )
    broker: str | None = _option(
        read_broker,
        None,
        example="amqp://rabbit:5672",
        text="RabbitMQ, amqp://HOST[:PORT][/VHOST]; user and password belong into MILLSTREAM_BROKER or broker_file",
    )
    broker_file: str | None = _option(
        read_text, None, example="/run/secrets/broker", text="file that holds the address of the broker"
    )
    temporal: str | None = _option(read_target, None, example="localhost:7233", text="Temporal, HOST:PORT")
    namespace: str = _option(read_text, "default", example="mill", text="namespace of Temporal")
    temporal_tls: bool = _option(
        read_flag, "false", example="true", text="encrypt the connection to Temporal", is_flag=True
    )
    prefix: str = _option(
        read_prefix, "millstream", example="mill-test", text="what names of queues and workflows begin with"
    )
    lease: float = _option(
        read_positive_duration,
        "30s",
        example="30s",
        text="after this long without a word a worker's claims are others'",
    )
    scratch: str | None = _option(
        read_text,
        None,
        example="s3://BUCKET/copies",
        text="where plain copies of compressed files go: a folder or object store that all workers reach "
        "(default: copies in the state folder, which they must share then)",
    )

    @property
    def is_embedded(self) -> bool:
        """Whether all is done in one process."""
        return self.dispatcher == EMBEDDED


DISPATCHING = tuple(options_of(DispatchConfig))
"""The keys of these settings, at the top of the TOML file."""

SHORTEST_LEASE_S = 3.0


def read_dispatching(document: Mapping[str, object], reader: Reader, *, where: str = "") -> DispatchConfig:
    """These settings from the top of a TOML file, over which the environment goes; problems are left with `reader`."""
    own = {name: value for name, value in document.items() if name in DISPATCHING}
    for name in ("ledger", "broker"):
        if _has_password(own.get(name)):
            reader.problems.append(
                f"{where}{name}: expected no password in the file, found one; put the address into "
                f"MILLSTREAM_{name.upper()}, or into a file of its own, named by {name}_file"
            )
            del own[name]
    config = reader.read(DispatchConfig, own, where=where)
    files = {name: getattr(config, f"{name}_file") for name in ("ledger", "broker")}
    inside = {name: _read_secret(name, path, reader) for name, path in files.items() if path and not own.get(name)}
    for name, path in files.items():
        if path and own.get(name):
            reader.problems.append(f"{where}{name}_file: expected without {name}, found both")
    if not any(inside.values()):
        return config
    values = {name: getattr(config, name) for name in DISPATCHING}
    return DispatchConfig(**{**values, **{name: text for name, text in inside.items() if text}})


def check_dispatching(config: DispatchConfig, *, state: str, is_worker: bool = False) -> list[str]:
    """What of these settings cannot work together, in words."""
    if config.is_embedded:
        return _check_embedded(config, state=state, is_worker=is_worker)
    problems = []
    if not is_postgres(config.ledger or ""):
        problems.append(
            f"ledger: expected postgresql://..., which all machines reach, for dispatcher {config.dispatcher!r}, found "
            f"{_shown(config.ledger) if config.ledger else f'none, which is sqlite:{Path(state, LEDGER_FILE)}'}"
        )
    if config.dispatcher == RABBITMQ and not config.broker:
        problems.append('broker: expected amqp://HOST with dispatcher "rabbitmq", found none')
    if config.dispatcher == TEMPORAL and not config.temporal:
        problems.append('temporal: expected HOST:PORT with dispatcher "temporal", found none')
    if config.dispatcher == RABBITMQ and config.temporal:
        problems.append('temporal: expected with dispatcher "temporal" alone, found it with "rabbitmq"')
    if config.lease < SHORTEST_LEASE_S:
        problems.append(f"lease: expected at least {SHORTEST_LEASE_S:g} s, found {config.lease:g} s")
    return problems


def _check_embedded(config: DispatchConfig, *, state: str, is_worker: bool) -> list[str]:
    problems = []
    if is_worker:
        problems.append(
            'dispatcher: expected "rabbitmq" or "temporal" for `millstream worker`, found "embedded", where the engine '
            "has its own workers; give those with `workers`"
        )
    if is_postgres(config.ledger or ""):
        problems.append(
            f"ledger: expected sqlite:{Path(state, LEDGER_FILE)} with dispatcher {EMBEDDED!r}, found "
            f"{_shown(config.ledger)}: two engines on one database would take each other's work; choose "
            '"rabbitmq" or "temporal"'
        )
    elif (
        config.ledger and Path(config.ledger.removeprefix("sqlite:")).absolute() != Path(state, LEDGER_FILE).absolute()
    ):
        problems.append(
            f"ledger: expected sqlite:{Path(state, LEDGER_FILE)}, found {config.ledger!r}: it lies in the state "
            "folder; name another one with `state`"
        )
    problems += [
        f'{name}: expected with dispatcher "rabbitmq" or "temporal", found it with "embedded"'
        for name in ("broker", "temporal", "scratch")
        if getattr(config, name)
    ]
    return problems


def is_postgres(address: str) -> bool:
    """Whether it is the address of a PostgreSQL database."""
    return address.startswith(("postgresql://", "postgres://"))


def _has_host(address: str) -> bool:
    try:
        return bool(urlsplit(address).netloc)
    except ValueError:  # a bracket that is never closed
        return False


def _shown(address: str | None) -> str:
    return repr(without_password(address or ""))


def _has_password(value: object) -> bool:
    if not isinstance(value, str) or "://" not in value:
        return False
    rest = value.partition("://")[2]
    return ":" in rest.partition("/")[0].rpartition("@")[0] or "password=" in rest


def _read_secret(name: str, path: str, reader: Reader) -> str | None:
    """The address in a file, as its first line."""
    read = options_of(DispatchConfig)[name].read
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        return str(read(lines[0].strip() if lines else "", name))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        reader.problems.append(f"{name}_file: {path}: cannot be read: {reason}")
    except InvalidValueError as error:
        reader.problems.append(f"{name}_file: {path}: {error}")
    return None
