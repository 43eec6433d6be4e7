"""One of several mergers is active: the owner of the one partition of a group.

Theory of operation: mergers that only fenced each other would do so for ever, each new one ending the last. So before
anybody fences, it must own the one partition of the state topic in a group made for that; the records are not read
through it. Assignment is sticky: whoever comes later stands by and does not take the lead. Ownership alone is no
proof, since a process that slept may believe in it for a while; the transactional id is. A `term` counts how often the
lead was won, so that work begun under one is not finished under another.
"""

import time

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from millstream.adapters.kafka.connection import Connection, quiet_logger
from millstream.adapters.kafka.patience import is_fatal
from millstream.errors import FencedError

_STEP_S = 0.1
_POLL_LIMIT_MS = 300_000


class Leader:
    """A candidate; must be looked after (`check`) at least every few minutes, or it loses the lead."""

    def __init__(self, connection: Connection, *, instance: str | None = None) -> None:
        config = {
            **connection.consumer(connection.lead),
            "partition.assignment.strategy": "cooperative-sticky",
            "max.poll.interval.ms": _POLL_LIMIT_MS,
        }
        if instance is not None:
            config["group.instance.id"] = instance
        self._consumer = Consumer(config, logger=quiet_logger())
        self._term = 0
        self._leads = False
        self._topic = connection.state
        self._is_candidate = False

    @property
    def term(self) -> int | None:
        """The number of the term, or None while another one leads."""
        return self._term if self._leads else None

    def check(self) -> None:
        """Learn whether the lead was won or lost; does not block. Raises FencedError when it can lead no more."""
        self._look(0)

    def stand(self, timeout_s: float) -> int | None:
        """Wait until the lead is won, and return the term, or None after `timeout_s`."""
        until = time.monotonic() + timeout_s
        if not self._is_candidate:  # not earlier: one that does not ask must not hold the lead
            self._consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
            self._is_candidate = True
        self.check()
        while not self._leads and (left := until - time.monotonic()) > 0:
            self._look(min(_STEP_S, left))
        return self.term

    def close(self) -> None:
        """Leave the lead to somebody else."""
        self._consumer.close()
        self._leads = False

    def _look(self, timeout_s: float) -> None:
        for message in self._consumer.consume(1, timeout_s):
            error = message.error()
            if error is not None and is_fatal(error):
                raise FencedError(reason=error.str())

    def _on_assign(self, consumer: Consumer, added: list[TopicPartition]) -> None:
        for place in added:
            place.offset = OFFSET_END  # its records are not for us
        consumer.incremental_assign(added)
        consumer.pause(added)
        if added:
            self._term += 1
            self._leads = True

    def _on_revoke(self, consumer: Consumer, removed: list[TopicPartition]) -> None:
        consumer.incremental_unassign(removed)
        if removed:
            self._leads = False
