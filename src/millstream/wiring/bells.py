"""Bells and requests, as they are configured."""

from collections.abc import Callable

from millstream.config.dispatching import TEMPORAL, DispatchConfig
from millstream.core.queueaddress import parse_broker
from millstream.ports.bell import Bell, Requests

TEMPORAL_KEY = "MILLSTREAM_TEMPORAL_KEY"
"""The variable of the environment that holds the API key of a Temporal server, if it wants one."""


def open_bell(
    config: DispatchConfig,
    *,
    pipeline: str,
    now: Callable[[], float],
    grace_s: float = 60.0,
    api_key: str | None = None,
) -> Bell:
    """The bell that answers for `pipeline` and rings for all; connects when it is used first.

    `now` is the clock of the ledger, by which retries are due. Raises MissingExtraError.
    """
    if config.dispatcher == TEMPORAL:
        from millstream.adapters.temporal.bell import TemporalBell  # noqa: PLC0415 - an optional part
        from millstream.adapters.temporal.connecting import TemporalServer  # noqa: PLC0415 - the same

        server = TemporalServer(
            target=config.temporal or "", namespace=config.namespace, tls=config.temporal_tls, api_key=api_key
        )
        return TemporalBell(server, pipeline=pipeline, prefix=config.prefix, grace_s=grace_s, now=now)
    from millstream.adapters.rabbitmq.bell import RabbitBell  # noqa: PLC0415 - an optional part
    from millstream.adapters.rabbitmq.workqueue import Broker  # noqa: PLC0415 - the same

    return RabbitBell(Broker(server=parse_broker(config.broker or "")), pipeline=pipeline, prefix=config.prefix)


def open_requests(config: DispatchConfig) -> Requests | None:
    """The queue of requests; None without a broker, when ingestions are queued as they are accepted."""
    if not config.broker:
        return None
    from millstream.adapters.rabbitmq.requests import RabbitRequests  # noqa: PLC0415 - an optional part
    from millstream.adapters.rabbitmq.workqueue import Broker  # noqa: PLC0415 - the same

    return RabbitRequests(Broker(server=parse_broker(config.broker)), prefix=config.prefix)
