"""The settings of the file ingestion service: where it listens, what it may read, who may ask.

Theory of operation: `[serve]` has the settings of the service, each `[[container]]` a place that files are read from,
each `[[key]]` somebody who may ask. What the command line says goes before the file; a container of the command line
takes the place of one of the same name. The file may hold pipelines as well: those are of `millstream run`. Without any
container there is one, `inbox`, in the state folder, so that `millstream serve` alone is something to try.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from millstream.config.dispatching import DISPATCHING, DispatchConfig, check_dispatching, read_dispatching
from millstream.config.engine import EngineConfig
from millstream.config.ingesting import max_ratio_option, max_unpacked_option, read_chunk_size
from millstream.config.option import _option, options_of
from millstream.config.reader import Reader, _without
from millstream.config.readers import (
    one_of,
    read_count,
    read_duration,
    read_flag,
    read_positive_duration,
    read_positive_size,
    read_rate,
    read_text,
    read_whole,
    unless_off,
)
from millstream.config.serving_values import (
    EVERY,
    Listen,
    read_container_address,
    read_container_name,
    read_hosts,
    read_key_name,
    read_listen,
    read_scope,
    read_sha256,
)
from millstream.config.settings import WorkConfig
from millstream.core.splitting import Policy
from millstream.core.tasks import OnChange
from millstream.errors import ConfigurationError

INBOX = "inbox"
OUT = "out"
TABLES = ("serve", "container", "key")
ELSEWHERE = (*DISPATCHING, "stream", "files", "count", "payloads", "payloads_credentials")
"""Keys of the same file that other commands read."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """The service."""

    listen: Listen = _option(
        read_listen, "127.0.0.1:8080", example="127.0.0.1:8080", text="where to listen; another machine needs [[key]]s"
    )
    to: str | None = _option(
        read_text,
        None,
        example="out/",
        text="where records go: a folder (default: STATE/out), amqp://HOST/QUEUE or kafka://HOST:PORT/TOPIC",
    )
    chunk: int = _option(
        read_chunk_size, "4MB", example="4MB", text="size of a chunk, 1KB to 64MB, where a request says nothing else"
    )
    workers: int = _option(read_count, "4", example="4", text="how many chunks are worked at once")
    processes: int | None = _option(
        read_count, None, example="2", text="worker host processes (default: one for each core, at most workers)"
    )
    policy: str = _option(
        one_of(*Policy),
        Policy.STRICT.value,
        example="skip",
        text="what becomes of malformed records, where a request says nothing else: strict, skip or pad",
    )
    on_change: str = _option(
        one_of(*OnChange),
        OnChange.FAIL.value,
        example="restart",
        text="if a file changes while it is read, where a request says nothing else: fail or restart",
    )
    one_per_message: bool = _option(
        read_flag, "false", example="true", text="RabbitMQ: one record in each message", is_flag=True
    )
    credentials: str | None = _option(
        read_text, None, example="/etc/millstream/stores.toml", text="file with credentials of object stores"
    )
    retries: int = _option(read_whole, "5", example="5", text="further attempts of a chunk after a failure")
    backoff: float = _option(
        read_duration,
        "1s",
        example="1s",
        text="longest wait before the first retry; doubles with each, with full jitter",
    )
    hosts: tuple[str, ...] | None = _option(
        read_hosts,
        None,
        example="mill.example.org",
        text="names that clients may call this server by (default: on this machine localhost, else any)",
    )
    request_rate: float = _option(
        read_rate, "1000/s", example="100/s", text="requests that each key, or address without keys, may make"
    )
    max_jobs: int = _option(read_count, "10000", example="1000", text="unfinished jobs that each key may have")
    max_file: int | None = _option(
        unless_off(read_positive_size), None, example="100GB", text="largest file that is taken on"
    )
    max_unpacked: int = max_unpacked_option()
    max_ratio: int = max_ratio_option()
    max_streams: int = _option(read_count, "64", example="64", text="event streams that are open at once")
    max_connections: int = _option(read_count, "1000", example="1000", text="connections that are open at once")
    request_limit: float = _option(read_positive_duration, "30s", example="30s", text="how long a request may take")


@dataclass(frozen=True, kw_only=True)
class ContainerConfig:
    """A place that files are read from."""

    name: str = _option(read_container_name, None, example="test", text="its name in requests", is_required=True)
    address: str = _option(
        read_container_address,
        None,
        example="data/",
        text="a folder, s3://BUCKET[/PREFIX] or az://CONTAINER[/PREFIX]",
        is_required=True,
    )


@dataclass(frozen=True, kw_only=True)
class KeyConfig:
    """Somebody who may use the service, by a key that only they know."""

    name: str = _option(read_key_name, None, example="alice", text="whose it is; their jobs go by it", is_required=True)
    sha256: str = _option(
        read_sha256, None, example="9f86d0...", text="SHA-256 of the key (made by `millstream key`)", is_required=True
    )
    containers: tuple[str, ...] = _option(
        read_scope, None, example='["test"]', text='containers it may name, ["*"] for all', is_required=True
    )
    operator: bool = _option(
        read_flag, "false", example="true", text="sees the whole engine, and the jobs of all keys", is_flag=True
    )


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Everything that the service is configured with."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)
    containers: tuple[ContainerConfig, ...] = ()
    keys: tuple[KeyConfig, ...] = ()
    dispatch: DispatchConfig = field(default_factory=DispatchConfig)

    @property
    def sink(self) -> str:
        """Where records go."""
        return self.serve.to or str(Path(self.engine.state) / OUT)


def read_serving(
    values: Mapping[str, object],
    *,
    engine: Mapping[str, object],
    containers: Sequence[str] = (),
    path: Path | None = None,
    environment: Mapping[str, str],
) -> Serving:
    """The settings of the service: `values`, `engine` and `containers` (NAME=ADDRESS) are of the command line.

    Raises ConfigurationError with all problems.
    """
    document = {} if path is None else read_document(path)
    where = "" if path is None else f"{path}: "
    reader = Reader(_without(environment, {*values, *engine}))
    known = (*TABLES, *ELSEWHERE, *options_of(EngineConfig), *options_of(WorkConfig))
    reader.refuse_unknown(document, known=known, where=where)
    own = _table(document.get("serve", {}), reader, where=where)
    if isinstance(own.get("to"), str) and _has_password(str(own["to"])):
        reader.problems.append(f"{where}serve.to: expected no password in a file, found one; put it into MILLSTREAM_TO")
        own.pop("to")
    in_file = {name: value for name, value in document.items() if name in options_of(EngineConfig)}
    serving = Serving(
        engine=reader.read(EngineConfig, {**in_file, **engine}, where=where),
        serve=reader.read(ServeConfig, {**own, **values}, where=f"{where}serve." if own else ""),
        containers=read_containers(document, reader, where=where, more=containers),
        keys=_read_keys(document, reader, where=where),
        dispatch=read_dispatching(document, reader, where=where),
    )
    if not serving.containers and not reader.problems:
        inbox = ContainerConfig(name=INBOX, address=str((Path(serving.engine.state) / INBOX).absolute()))
        serving = replace(serving, containers=(inbox,))
    reader.problems += [where + problem for problem in _check(serving)]
    reader.raise_problems()
    return serving


def read_document(path: Path) -> dict[str, object]:
    """A TOML file; raises ConfigurationError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number or nesting too large to be read
        raise ConfigurationError([f"{path}: expected TOML: {error}"]) from None


def read_containers(
    document: Mapping[str, object], reader: Reader, *, where: str, more: Iterable[str] = ()
) -> tuple[ContainerConfig, ...]:
    """The containers of a file and those that the command line adds; problems are left with the reader."""
    plain = Reader({})  # of tables of which there are several, so the environment cannot mean one of them
    found = [
        plain.read(ContainerConfig, table, where=f"{where}container[{number}].")
        for number, table in enumerate(_tables(document.get("container", []), "container", plain, where=where))
    ]
    added: dict[str, ContainerConfig] = {}
    for text in more:
        name, equals, address = text.partition("=")
        if not equals:
            plain.problems.append(f"container: expected NAME=ADDRESS such as test=data/, found {text!r}")
            continue
        container = plain.read(ContainerConfig, {"name": name, "address": address}, where="container: ")
        if container.name in added:
            plain.problems.append(f"container: {name!r} is given more than once")
        added[container.name] = container
    names = Counter(container.name for container in found)
    plain.problems += [
        f"{where}container: {name!r} is there {times} times" for name, times in names.items() if times > 1
    ]
    reader.problems += plain.problems
    return tuple({**{container.name: container for container in found}, **added}.values())


def _read_keys(document: Mapping[str, object], reader: Reader, *, where: str) -> tuple[KeyConfig, ...]:
    plain = Reader({})  # of tables of which there are several, so the environment cannot mean one of them
    tables = _tables(document.get("key", []), "key", plain, where=where)
    keys = [plain.read(KeyConfig, table, where=f"{where}key[{number}].") for number, table in enumerate(tables)]
    reader.problems += plain.problems
    return tuple(keys)


def _check(serving: Serving) -> list[str]:
    """What is wrong with settings that are each right by themselves."""
    problems = check_dispatching(serving.dispatch, state=serving.engine.state)
    listen = serving.serve.listen
    if not serving.keys and not listen.is_loopback:
        problems.append(
            f"listen: expected an address of this machine alone, such as 127.0.0.1:{listen.port}, while there are no "
            f"keys, found {listen}; make one with `millstream key`, and put its table into the configuration"
        )
    for word in ("name", "sha256"):
        times = Counter(getattr(key, word) for key in serving.keys if getattr(key, word))
        problems += [f"key: {word}: expected another for each key, found one twice" for n in times.values() if n > 1]
    known = {EVERY, *(container.name for container in serving.containers)}
    for key in serving.keys:
        problems += [
            f"key {key.name}: containers: expected names of containers, found {name!r}"
            for name in key.containers or ()
            if name not in known
        ]
    if serving.serve.processes is not None and serving.serve.processes > serving.serve.workers:
        problems.append(
            f"processes: expected at most as many as workers ({serving.serve.workers}), found {serving.serve.processes}"
        )
    return problems


def _table(value: object, reader: Reader, *, where: str) -> dict[str, object]:
    if isinstance(value, dict):
        return dict(value)
    reader.problems.append(f"{where}serve: expected a table written [serve], found {value!r}")
    return {}


def _tables(value: object, kind: str, reader: Reader, *, where: str) -> list[dict[str, object]]:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    reader.problems.append(f"{where}{kind}: expected tables written [[{kind}]], found {value!r}")
    return []


def _has_password(address: str) -> bool:
    _, separator, rest = address.partition("://")
    return bool(separator) and ":" in rest.partition("/")[0].rpartition("@")[0]
