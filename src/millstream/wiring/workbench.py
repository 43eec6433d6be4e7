"""What a worker on another machine needs for the streams and files of its configuration.

Theory of operation: handlers are built in its hosts from the same file that the engine reads, so nothing but references
travels. The records of a minibatch are fetched from the shared store; files are where everybody finds them, in an
object store or in a folder that all machines have under the same name.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from millstream.adapters.store import open_store
from millstream.config import Config, WorkConfig
from millstream.config.elsewhere import PayloadConfig
from millstream.core.retry import RetryPolicy
from millstream.ports import Ledger
from millstream.ports.store import Store
from millstream.runtime.batch import Handler, MakeHandler
from millstream.runtime.nursery import Nursery
from millstream.runtime.payload import PayloadRemover, ReferringPool, WithPayload
from millstream.runtime.remote import Bench
from millstream.runtime.verdict import Judge
from millstream.wiring.handlers import handler_of
from millstream.wiring.pipelines import host_pool


def makers_of(config: Config, *, payload: PayloadConfig) -> dict[str, MakeHandler]:
    """What builds the handler of each pipeline in a worker host; to be given to the nursery."""
    makers = {files.name: handler_of(files) for files in config.files}
    for stream in config.streams:
        makers[stream.name] = partial(_with_payload, handler_of(stream), payload)
    return makers


def _with_payload(make: MakeHandler, payload: PayloadConfig) -> Handler:
    return WithPayload(make(), open_store=partial(payload_store, payload))


def payload_store(payload: PayloadConfig) -> Store:
    """The store that the records of minibatches go through; raises what `open_store` raises."""
    credentials = Path(payload.payloads_credentials) if payload.payloads_credentials else None
    return open_store(payload.payloads or "", credentials=credentials)


def benches_of(config: Config, *, nursery: Nursery, ledger: Ledger, draw: Callable[[], float]) -> Mapping[str, Bench]:
    """Where the batches of each pipeline are worked."""
    benches = {}
    for stream in config.streams:
        pool = ReferringPool(host_pool(stream, stream.name, nursery=nursery), ledger=ledger)
        benches[stream.name] = Bench(pool=pool, judge=Judge(draw=draw, retry=_retry_of(stream)))
    for files in config.files:
        judge = Judge(draw=draw, retry=_retry_of(files), resettle_s=files.settle)
        benches[files.name] = Bench(pool=host_pool(files, files.name, nursery=nursery), judge=judge)
    return benches


def _retry_of(work: WorkConfig) -> RetryPolicy:
    return RetryPolicy(retries=work.retries, backoff_s=work.backoff)


def remover_of(config: Config, *, ledger: Ledger, payload: PayloadConfig) -> PayloadRemover | None:
    """What deletes the records of minibatches that are over; None without streams. A listener, to be run as well."""
    if not config.streams:
        return None
    names = [stream.name for stream in config.streams]
    return PayloadRemover(names, ledger=ledger, store=payload_store(payload))
