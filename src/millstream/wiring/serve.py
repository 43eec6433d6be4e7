"""The file ingestion service, started and ended.

Theory of operation: the order of `wiring.engine` holds: the state folder is locked and the nursery forked while this
process has no thread. Then the socket is taken, so that an address which cannot be had is told before anything
works; the engine starts, and last the server, whose first answer finds everything there. A ledger on another machine
may be away for long, so there the server is first, and says what is waited for. At the end it is the other way round:
no more requests, then the drain.
"""

import asyncio
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.config.serving import INBOX, ContainerConfig, ServeConfig, Serving
from millstream.core.container import parse_container
from millstream.core.exits import Exit
from millstream.core.ingestion import OnChange
from millstream.core.retry import RetryPolicy
from millstream.core.splitting import Policy
from millstream.errors import ConfigurationError, InvalidValueError, LedgerUnreachableError, MissingExtraError
from millstream.ingest.unpacking import UnpackLimits
from millstream.runtime.events import Event, Listener
from millstream.wiring.engine import first_of, stop_on_signals
from millstream.wiring.ingest import EmbeddedIngest, IngestSettings
from millstream.wiring.pauses import shorten_pauses
from millstream.wiring.sinks import SinkAddress, read_sink

if TYPE_CHECKING:
    from millstream.web import WebSettings
    from millstream.web.server import WebServer
    from millstream.wiring.grown_ingest import GrownIngest

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")

SWITCH_S = 0.0002
"""How long a thread of this process may keep another waiting; 0.005 by default. The ledger's thread lets go of the
interpreter at each statement, and while requests are answered it would wait that long to get it back, some ten times
for each request: that lower the slowest answers (`python bench --only ingest`)."""

LATE_S = 1.0
"""How long a ledger may be away at the start before people are told what that means for requests."""

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serves:
    """What a service that is ready can tell: where it is, what it reads, where it writes."""

    url: str
    containers: tuple[ContainerConfig, ...]
    sink: str
    has_keys: bool


def serve(
    serving: Serving,
    *,
    on_ready: Callable[[Serves], None],
    listeners: Sequence[Listener] = (),
    is_quiet: bool = False,
) -> Exit:
    """Serve until a signal, then drain; blocks, installs signal handlers.

    Must be called while the process has no other thread. Raises MillstreamError when it cannot be started.
    """
    require_packages("millstream serve")
    sink = _check(serving)
    events: list[Listener] = list(listeners)

    def hear(event: Event) -> None:  # whoever listens later does it through this list
        for listener in events:
            listener(event)

    with _ingest(serving, sink=sink, listeners=[hear], is_quiet=is_quiet) as ingest:
        try:
            return asyncio.run(_serve(serving, ingest=ingest, sink=sink, on_ready=on_ready, listeners=events))
        except BaseExceptionGroup as group:
            raise first_of(group) from group


def _ingest(
    serving: Serving, *, sink: SinkAddress, listeners: Sequence[Listener], is_quiet: bool
) -> "EmbeddedIngest | GrownIngest":
    """What works files, or has them worked elsewhere, as it is configured."""
    if not serving.dispatch.is_embedded:
        from millstream.wiring.grown_ingest import TEMPORAL_KEY, GrownIngest  # noqa: PLC0415 - needs optional parts

        return GrownIngest(serving, serving.dispatch, temporal_key=os.environ.get(TEMPORAL_KEY))
    settings = IngestSettings(
        state=Path(serving.engine.state),
        containers={container.name: container.address for container in serving.containers},
        credentials=Path(serving.serve.credentials) if serving.serve.credentials else None,
        sinks=(sink,),
        workers=serving.serve.workers,
        processes=serving.serve.processes,
        limits=UnpackLimits(max_bytes=serving.serve.max_unpacked, max_ratio=serving.serve.max_ratio),
        retry=RetryPolicy(retries=serving.serve.retries, backoff_s=serving.serve.backoff),
        drain_limit_s=serving.engine.drain_limit,
        keep_s=serving.engine.keep,
    )
    return EmbeddedIngest(settings, listeners=listeners, is_quiet=is_quiet)


def require_packages(feature: str) -> None:
    """Raise MissingExtraError unless the optional part is installed that the API needs."""
    if not all(importlib.util.find_spec(name) for name in PACKAGES):
        raise MissingExtraError(feature=feature, extra="serve")


def make_key() -> tuple[str, str]:
    """A new API key and its SHA-256; raises MissingExtraError."""
    require_packages("millstream key")
    from millstream.web import digest_of, new_key  # noqa: PLC0415 - an optional part

    key = new_key()
    return key, digest_of(key)


async def _serve(
    serving: Serving,
    *,
    ingest: "EmbeddedIngest | GrownIngest",
    sink: SinkAddress,
    on_ready: Callable[[Serves], None],
    listeners: list[Listener],
) -> Exit:
    from millstream.web import create_app  # noqa: PLC0415 - an optional part
    from millstream.web.server import WebServer, bind  # noqa: PLC0415 - the same
    from millstream.wiring.serving import IngestService  # noqa: PLC0415 - the same

    sys.setswitchinterval(SWITCH_S)  # of this process alone: worker hosts are forked by one that was made before
    stopping = asyncio.Event()
    stop_on_signals(stopping.set)
    listen = serving.serve.listen
    with bind(listen.host, port=listen.port) as listening:
        if isinstance(ingest, EmbeddedIngest):
            await ingest.start()
        try:
            service = IngestService(ingest, sink=sink, chunk_bytes=serving.serve.chunk)
            app = create_app(service, settings=web_settings(serving))
            listeners.append(app.state.room.metrics.listen)
            server = WebServer(app, listening=listening, connections=serving.serve.max_connections)
            shorten_pauses()
            ready = _ready(serving, url=server.url, sink=sink)
            await _until(stopping, server=server, working=_work(ingest, stopping, on_ready=lambda: on_ready(ready)))
        finally:
            await ingest.stop()
    return Exit.DONE


async def _work(
    ingest: "EmbeddedIngest | GrownIngest", stopping: asyncio.Event, *, on_ready: Callable[[], None]
) -> None:
    """Begin if that was not done yet, and watch over it; a ledger elsewhere may be away, and is waited for."""
    if not isinstance(ingest, EmbeddedIngest):
        late = "until the ledger is there, requests get 503; /health/ready says what is missing"
        telling = asyncio.get_running_loop().call_later(LATE_S, log.warning, late)
        try:
            await ingest.start(stopping)
        except LedgerUnreachableError:
            if stopping.is_set():
                return
            raise
        finally:
            telling.cancel()
    on_ready()
    await ingest.watch()


async def _until(stopping: asyncio.Event, *, server: "WebServer", working: Coroutine[object, object, None]) -> None:
    """Serve until somebody asks to stop; raises what ended the engine or the server before that."""
    waits = [
        asyncio.ensure_future(server.run()),
        asyncio.ensure_future(working),
        asyncio.ensure_future(stopping.wait()),
    ]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in done:
            wait.result()
    finally:
        server.stop()
        await asyncio.wait({waits[0]})
        for wait in waits[1:]:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def web_settings(serving: Serving) -> "WebSettings":
    """What the API allows, as it is configured."""
    from millstream.web import LOOPBACK_HOSTS, ApiKey, WebSettings  # noqa: PLC0415 - an optional part

    config = serving.serve
    return WebSettings(
        keys=tuple(
            ApiKey(name=key.name, sha256=key.sha256, containers=key.containers, operator=key.operator)
            for key in serving.keys
        ),
        hosts=_hosts(config, local=LOOPBACK_HOSTS),
        requests_per_s=config.request_rate,
        burst=max(1, int(2 * config.request_rate)),
        jobs_per_key=config.max_jobs,
        file_bytes=config.max_file,
        streams=config.max_streams,
        request_s=config.request_limit,
        policy=Policy(config.policy),
        on_change=OnChange(config.on_change),
    )


def _hosts(config: ServeConfig, *, local: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names that clients may call the server by, None for any."""
    if not config.listen.is_loopback:
        return config.hosts
    return (*local, str(config.listen).rpartition(":")[0], *(config.hosts or ()))


def _check(serving: Serving) -> SinkAddress:
    """The sink; raises ConfigurationError with everything outside that is not as it is configured."""
    problems = []
    for container in serving.containers:
        address = parse_container(container.address)
        if address.is_folder and container.name == INBOX:
            Path(address.place).mkdir(parents=True, exist_ok=True)
        if address.is_folder and not Path(address.place).is_dir():
            problems.append(f"container {container.name}: expected a folder, found none at {address.place}")
    sink = SinkAddress(shown="", full="")
    try:
        sink = read_sink(serving.sink, one_per_message=serving.serve.one_per_message)
    except InvalidValueError as error:
        problems.append(str(error))
    if sink.is_folder and Path(sink.shown).exists() and not Path(sink.shown).is_dir():
        problems.append(f"to: expected a folder, found something else at {sink.shown}")
    if problems:
        raise ConfigurationError(problems)
    return sink


def _ready(serving: Serving, *, url: str, sink: SinkAddress) -> Serves:
    return Serves(url=url, containers=serving.containers, sink=sink.shown, has_keys=bool(serving.keys))
