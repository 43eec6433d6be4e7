"""The settings of streams, of files, and of how both are worked."""

from collections.abc import Callable
from dataclasses import dataclass, field

from millstream.config.engine import EngineConfig
from millstream.config.option import _option
from millstream.config.pipeline_readers import read_handler, read_pipeline_name, read_start, read_strategy
from millstream.config.readers import (
    one_of,
    read_command,
    read_count,
    read_duration,
    read_field,
    read_flag,
    read_paths,
    read_positive_duration,
    read_positive_size,
    read_rate,
    read_size,
    read_text,
    read_time_of_day,
    read_whole,
    read_zone,
    unless_off,
)
from millstream.core.moment import Start
from millstream.core.packing import STRATEGY_NAMES

SIMULATED = "sim:messages"
"""The source that needs no input."""

SOURCES = f"-, a file, kafka://HOST:PORT/TOPIC, amqp://HOST/QUEUE, or {SIMULATED}"
"""What can be a source."""


@dataclass(frozen=True, kw_only=True)
class WorkConfig:
    """How batches are worked; for every pipeline."""

    workers: int = _option(read_count, "10", example="10", text="how many batches are worked at once")
    processes: int = _option(
        read_count, "1", example="2", text="worker host processes that the workers are spread over"
    )
    queue: int = _option(
        read_count, "50", example="50", text="how many batches are claimed at once, running ones included"
    )
    max_memory: int = _option(
        read_positive_size, "200MB", example="200MB", text="bytes of all claimed batches together; one always fits"
    )
    retries: int = _option(
        read_whole, "5", example="5", text="further attempts after a failure, before a batch is dead"
    )
    backoff: float = _option(
        read_duration,
        "1s",
        example="1s",
        text="longest wait before the first retry; doubles with each, with full jitter",
    )
    timeout: float | None = _option(
        unless_off(read_positive_duration), None, example="10m", text="longest an attempt may take"
    )
    max_host: int | None = _option(
        unless_off(read_positive_size),
        "2GB",
        example="2GB",
        text="memory at which a worker host is replaced; off: never",
    )
    handler: str | Callable[..., object] | None = _option(
        read_handler, None, example="shop.load:clicks", text="function that works a batch: def load(batch, context)"
    )
    command: tuple[str, ...] | None = _option(
        read_command, None, example='["gzip", "-c"]', text="command that works a batch (on the command line: after --)"
    )


@dataclass(frozen=True, kw_only=True)
class StreamConfig(WorkConfig):
    """A stream that is cut into minibatches."""

    name: str = _option(
        read_pipeline_name, "stream", example="clicks", text="name of the pipeline; batch ids begin with it"
    )
    source: str = _option(
        read_text,
        None,
        example="events.jsonl",
        text=SOURCES,
        is_required=True,
    )
    window: float | None = _option(
        unless_off(read_positive_duration),
        "5m",
        example="5m",
        text="a minibatch closes this long after its first record",
    )
    max_count: int | None = _option(read_count, None, example="10000", text="a minibatch closes at so many records")
    max_bytes: int | None = _option(
        read_positive_size, None, example="10MB", text="a minibatch closes before it exceeds this"
    )
    idle_gap: float | None = _option(
        read_positive_duration, None, example="30s", text="a minibatch closes this long after its last record"
    )
    key: str | None = _option(
        read_field, None, example="user.id", text="JSON field; one open minibatch for each of its values"
    )
    max_keys: int = _option(read_count, "10000", example="10000", text="open minibatches; beyond, the oldest is closed")
    follow: bool = _option(
        read_flag, "false", example="true", text="keep reading a growing file, through rotation", is_flag=True
    )
    sync_every: float = _option(
        read_duration, "50ms", example="50ms", text="real time after which what was read is durable at the latest"
    )
    max_record: int = _option(
        read_positive_size, "16MB", example="16MB", text="longest record; a longer one stops the intake"
    )
    max_spool: int | None = _option(
        read_positive_size, None, example="10GB", text="intake waits while unfinished batches hold more than this"
    )
    from_: Start = _option(
        read_start,
        "earliest",
        example="latest",
        text="Kafka: where a pipeline begins that has read nothing yet: earliest, latest, or a time",
    )
    group: str | None = _option(
        read_text,
        None,
        example="clicks",
        text="Kafka: consumer group that is told how far the stream is, for tools that show the lag",
    )
    rate: float = _option(read_rate, "10/min", example="10/min", text="sim:messages: mean rate of a Poisson process")
    duration: float | None = _option(
        unless_off(read_positive_duration),
        "30m",
        example="30m",
        text="sim:messages: how long it goes on; off: for ever",
    )
    seed: int = _option(read_whole, "1", example="1", text="sim:messages: the same seed gives the same messages")


@dataclass(frozen=True, kw_only=True)
class FilesConfig(WorkConfig):
    """Folders whose files are packed into buckets."""

    name: str = _option(
        read_pipeline_name, "files", example="nightly", text="name of the pipeline; batch ids begin with it"
    )
    paths: tuple[str, ...] = _option(
        read_paths,
        ".",
        example='["incoming/"]',
        text="files, folders (recursive) or globs; or s3://BUCKET/PREFIX, az://CONTAINER/PREFIX",
    )
    credentials: str | None = _option(
        read_text,
        None,
        example="keys.ini",
        text="file with the keys of s3:// and az:// paths; default: the environment",
    )
    shared: bool = _option(
        read_flag,
        "false",
        example="true",
        text="the folders are there under the same name on all machines that work",
        is_flag=True,
    )
    capacity: int = _option(read_positive_size, "10MB", example="10MB", text="bytes that a bucket holds at most")
    strategy: str | Callable[..., object] = _option(
        read_strategy, "auto", example="auto", text=f"one of {', '.join(STRATEGY_NAMES)}, or package.module:function"
    )
    open_cost: int = _option(
        read_size, "0", example="4KB", text="weight of opening a file, as bytes; never counts as size"
    )
    max_files: int | None = _option(read_count, None, example="1000", text="files that a bucket holds at most")
    group: str | None = _option(one_of("dir"), None, example="dir", text="dir: files of one folder go together first")
    settle: float = _option(
        read_duration, "2s", example="2s", text="a file is taken when nobody wrote to it for this long"
    )
    at: tuple[int, int, int] | None = _option(
        read_time_of_day, None, example="02:00", text="look every day at this time"
    )
    every: float | None = _option(
        read_positive_duration, None, example="10m", text="look now and then again this often"
    )
    once: bool = _option(
        read_flag, "false", example="true", text="look once and end when all is worked (default)", is_flag=True
    )
    zone: str | None = _option(
        read_zone, None, example="Europe/Zurich", text="time zone of --at; default: the machine's"
    )
    copy_to: str | None = _option(read_text, None, example="archive/", text="copy each file there, verified by SHA-256")
    merge_to: str | None = _option(
        read_text, None, example="lake/", text="write one file per bucket there, with a manifest"
    )
    merge_format: str = _option(
        one_of("auto", "jsonl", "csv", "raw"), "auto", example="csv", text="how --merge-to joins files"
    )
    verify: bool = _option(
        read_flag, "false", example="true", text="read each file and record its SHA-256", is_flag=True
    )
    bandwidth: int = _option(
        read_positive_size,
        "50MB",
        example="50MB",
        text="bytes per second of a worker, to balance with until attempts tell",
    )
    file_cost: float = _option(
        read_duration, "10ms", example="10ms", text="time that a file costs, until attempts tell"
    )
    bucket_cost: float = _option(
        read_duration, "50ms", example="50ms", text="time that a bucket costs, until attempts tell"
    )


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything an engine needs to know."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    streams: tuple[StreamConfig, ...] = ()
    files: tuple[FilesConfig, ...] = ()

    @property
    def pipelines(self) -> tuple[StreamConfig | FilesConfig, ...]:
        """All pipelines, streams first."""
        return (*self.streams, *self.files)
