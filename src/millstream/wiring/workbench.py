"""What a worker on another machine needs for the streams and files of its configuration.

Theory of operation: handlers are built in its hosts from the same file that the engine reads, so nothing but references
travels. The records of a minibatch are fetched from the shared store; files are where everybody finds them, in an
object store or in a folder that all machines have under the same name.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from millstream.adapters.store import open_store
from millstream.config import Config, WorkConfig
from millstream.config.elsewhere import PayloadConfig
from millstream.core.model import Kind
from millstream.core.retry import RetryPolicy
from millstream.ports import Ledger, Pool
from millstream.ports.store import Store
from millstream.runtime.batch import Handler, MakeHandler
from millstream.runtime.payload import PayloadRemover, ReferringPool, WithPayload
from millstream.wiring.handlers import handler_of
from millstream.wiring.worker import WorkerPipeline


def worker_pipelines(config: Config, *, payload: PayloadConfig) -> tuple[WorkerPipeline, ...]:
    """The streams and files of a configuration as a worker works them; made before anything is forked.

    Raises InvalidValueError for a command that is not there.
    """
    streams = [
        _worker_pipeline(
            stream,
            stream.name,
            kind=Kind.MINIBATCH,
            make=partial(_with_payload, handler_of(stream), payload),
            wrap=_refer,
        )
        for stream in config.streams
    ]
    files = [
        _worker_pipeline(each, each.name, kind=Kind.BUCKET, make=handler_of(each), resettle_s=each.settle)
        for each in config.files
    ]
    return (*streams, *files)


def _worker_pipeline(
    work: WorkConfig,
    name: str,
    *,
    kind: Kind,
    make: MakeHandler,
    resettle_s: float = 0.0,
    wrap: Callable[[Pool, Ledger], Awaitable[Pool]] | None = None,
) -> WorkerPipeline:
    return WorkerPipeline(
        name=name,
        kind=kind,
        make=make,
        workers=work.workers,
        processes=work.processes,
        timeout_s=work.timeout,
        max_host_bytes=work.max_host,
        retry=RetryPolicy(retries=work.retries, backoff_s=work.backoff),
        resettle_s=resettle_s,
        wrap=wrap,
    )


async def _refer(pool: Pool, ledger: Ledger) -> Pool:
    return ReferringPool(pool, ledger=ledger)


def _with_payload(make: MakeHandler, payload: PayloadConfig) -> Handler:
    return WithPayload(make(), open_store=partial(payload_store, payload))


def payload_store(payload: PayloadConfig) -> Store:
    """The store that the records of minibatches go through; raises what `open_store` raises."""
    credentials = Path(payload.payloads_credentials) if payload.payloads_credentials else None
    return open_store(payload.payloads or "", credentials=credentials)


def remover_of(config: Config, *, payload: PayloadConfig) -> PayloadRemover:
    """What deletes the records of minibatches that are over: a listener of the worker, and a service of it."""
    return PayloadRemover([stream.name for stream in config.streams], open_store=partial(payload_store, payload))
