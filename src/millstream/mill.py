"""The Python interface: pipelines as decorated functions.

Theory of operation: a decorator only collects settings, read by the same code as the command line and the TOML file;
`run` hands them to the composition root. Because worker hosts are forked from the process that calls `run`, a handler
may be any function: a closure, a lambda, one of `__main__`.
"""

import os
from collections.abc import Callable
from typing import TypedDict, TypeVar, Unpack

from millstream.config import Config, EngineConfig, FilesConfig, Reader, StreamConfig, check
from millstream.core.packing import PackStrategy
from millstream.errors import ConfigurationError
from millstream.runtime.batch import Handler
from millstream.runtime.events import Listener
from millstream.wiring.engine import Report, run

Duration = str | float
Size = str | int
Function = TypeVar("Function", bound=Handler)


class EngineKeywords(TypedDict, total=False):
    """Keywords of `Millstream`; the words of docs/configuration.md."""

    state: str
    speed: float
    drain: str
    drain_limit: Duration
    keep: Duration
    dashboard: str | bool


class WorkKeywords(TypedDict, total=False):
    """Keywords of every pipeline."""

    workers: int
    processes: int
    queue: int
    max_memory: Size
    retries: int
    backoff: Duration
    timeout: Duration
    max_host: Size
    name: str


class StreamKeywords(WorkKeywords, total=False):
    """Keywords of a stream."""

    window: Duration
    max_count: int
    max_bytes: Size
    idle_gap: Duration
    key: str
    max_keys: int
    follow: bool
    sync_every: Duration
    max_record: Size
    max_spool: Size
    from_: str
    group: str
    rate: str | float
    duration: Duration
    seed: int


class FilesKeywords(WorkKeywords, total=False):
    """Keywords of a files pipeline."""

    credentials: str
    shared: bool
    capacity: Size
    strategy: str | PackStrategy
    open_cost: Size
    max_files: int
    group: str
    settle: Duration
    at: str
    every: Duration
    once: bool
    zone: str
    bandwidth: Size
    file_cost: Duration
    bucket_cost: Duration


class Millstream:
    """Pipelines that share an engine.

    Keywords are those of docs/configuration.md; `workers` is the default of all pipelines. Raises ConfigurationError
    (in `run`) with all problems together.
    """

    def __init__(self, *, workers: int = 10, **engine: Unpack[EngineKeywords]) -> None:
        self._reader = Reader(os.environ)
        self._engine = self._reader.read(EngineConfig, {**engine}, where="Millstream: ")
        self._workers = workers
        self._streams: list[StreamConfig] = []
        self._files: list[FilesConfig] = []

    def stream(self, source: str, **settings: Unpack[StreamKeywords]) -> Callable[[Function], Function]:
        """Decorate the function that works the minibatches of `source`.

        That is `-`, a file, `kafka://HOST:PORT/TOPIC`, `amqp://HOST/QUEUE`, or `sim:messages`.
        """

        def decorate(handler: Function) -> Function:
            values = {"workers": self._workers, "name": _name_of(handler), **settings}
            values |= {"source": source, "handler": handler}
            self._streams.append(self._reader.read(StreamConfig, values, where=f"{_name_of(handler)}: "))
            return handler

        return decorate

    def files(self, *paths: str, **settings: Unpack[FilesKeywords]) -> Callable[[Function], Function]:
        """Decorate the function that works the buckets of the files at `paths` (folders, files, globs)."""

        def decorate(handler: Function) -> Function:
            values = {"workers": self._workers, "name": _name_of(handler), **settings}
            values |= {"paths": list(paths), "handler": handler}
            self._files.append(self._reader.read(FilesConfig, values, where=f"{_name_of(handler)}: "))
            return handler

        return decorate

    @property
    def config(self) -> Config:
        """The settings as they are by now; raises ConfigurationError when something is wrong with them."""
        config = Config(engine=self._engine, streams=tuple(self._streams), files=tuple(self._files))
        problems = [*self._reader.problems, *check(config)]
        if not problems and not config.pipelines:
            problems.append("Millstream: expected at least one function decorated with stream or files, found none")
        if problems:
            raise ConfigurationError(problems)
        return config

    def run(self, *, listeners: tuple[Listener, ...] = ()) -> Report:
        """Run all pipelines until they are done, or until SIGTERM or SIGINT, then drain; returns what was done.

        Blocks. Must be called before the process starts threads, because it forks worker hosts.
        """
        return run(self.config, listeners=listeners)


def _name_of(handler: Handler) -> str:
    return getattr(handler, "__name__", "pipeline").strip("_<>") or "pipeline"
