"""Where a counting group reads and writes, and how its clients are set up.

Theory of operation: everything a group writes for itself is named after it, so that a group and its input say all that
is to be known. The fetch sizes are large and the pause of a full fetch queue short: with the defaults a reader waits
for the broker more than half of the time.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RECORD_BYTES = 990_000
"""The longest value that is written: with its envelope it fits into the megabyte that brokers accept by default."""

_FETCH_MESSAGE_BYTES = 16 << 20
_FETCH_BYTES = 64 << 20
_QUEUED_MESSAGES = 200_000
_QUEUE_BACKOFF_MS = 5
_RECONNECT_MS = 1_000
_HEARTBEAT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The brokers, the input topic and the group; and how long is waited for what.

    `session_timeout_s` is how soon the partitions of a process that died go to another one (a broker accepts 6 s or
    more unless it is told otherwise); `transaction_timeout_s` how soon a broker aborts what a dead process left open
    when nobody starts in its place; `discovery_s` how soon new partitions are noticed; `answer_s` how long at most a
    broker may be silent at the start. `extra` holds further settings of librdkafka, such as those of TLS.
    """

    brokers: str
    topic: str
    group: str = "millstream-count"
    session_timeout_s: float = 10.0
    transaction_timeout_s: float = 20.0
    discovery_s: float = 10.0
    answer_s: float = 5.0
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The input as the command line takes it."""
        return f"kafka://{self.brokers}/{self.topic}"

    @property
    def deltas(self) -> str:
        """The topic between the two stages, with as many partitions as the input."""
        return f"{self.group}-deltas"

    @property
    def state(self) -> str:
        """The compacted topic that holds what the merger knows."""
        return f"{self.group}-state"

    @property
    def rejects(self) -> str:
        """The topic of dead letters, unless another one is named."""
        return f"{self.group}-rejects"

    @property
    def merger(self) -> str:
        """The group under which positions in the deltas are kept, and the transactional id of the merger."""
        return f"{self.group}-merger"

    @property
    def lead(self) -> str:
        """The group whose one partition makes its owner the active merger."""
        return f"{self.group}-merger-lead"

    def client(self) -> dict[str, Any]:
        """What all clients have in common; nothing is written to standard error."""
        return {
            "bootstrap.servers": self.brokers,
            "client.id": "millstream",
            "log_level": 0,
            "reconnect.backoff.max.ms": _RECONNECT_MS,
            "topic.metadata.refresh.interval.ms": round(self.discovery_s * 1000),
            **self.extra,
        }

    def consumer(self, group: str) -> dict[str, Any]:
        """A reader of committed records that commits nothing by itself and never chooses a position by itself."""
        return {
            **self.client(),
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "session.timeout.ms": round(self.session_timeout_s * 1000),
            "heartbeat.interval.ms": round(min(_HEARTBEAT_S, self.session_timeout_s / 3) * 1000),
            "fetch.queue.backoff.ms": _QUEUE_BACKOFF_MS,
        }

    def bulk_consumer(self, group: str) -> dict[str, Any]:
        """The same for very many records."""
        return {
            **self.consumer(group),
            "fetch.message.max.bytes": _FETCH_MESSAGE_BYTES,
            "fetch.max.bytes": _FETCH_BYTES,
            "queued.min.messages": _QUEUED_MESSAGES,
        }

    def producer(self, transactional_id: str) -> dict[str, Any]:
        """A writer in transactions."""
        return {
            **self.client(),
            "transactional.id": transactional_id,
            "transaction.timeout.ms": round(self.transaction_timeout_s * 1000),
            "enable.idempotence": True,
            "compression.type": "lz4",
        }


def quiet_logger() -> logging.Logger:
    """A logger that takes librdkafka's own messages and shows them only to those who add a handler.

    Without one librdkafka writes to standard error, fatal errors even at the lowest level.
    """
    logger = logging.getLogger("millstream.librdkafka")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
