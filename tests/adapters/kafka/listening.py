"""What the tests of Kafka's logs share: a listener that remembers, and polling until something is true."""

import time
from collections.abc import Callable, Mapping, Sequence

from millstream.adapters.kafka.connection import Connection
from millstream.adapters.kafka.framelog import KafkaFrameLog
from millstream.ports.framelog import Bookmark, CaughtUp, Run
from servers.kafka import Kafka

LIMIT_S = 40.0


class Share:
    """Remembers what `Rebalanced` is told, and what was read; `on_revoked` is called inside of `revoked`."""

    def __init__(self, on_revoked: Callable[[Sequence[int]], None] = lambda _: None) -> None:
        self.on_revoked = on_revoked
        self.bookmarks: dict[int, Bookmark | None] = {}
        self.told: list[tuple[str, list[int]]] = []
        self.values: dict[int, list[bytes | None]] = {}
        self.offsets: dict[int, list[int]] = {}
        self.ends: dict[int, int] = {}

    def assigned(self, bookmarks: Mapping[int, Bookmark | None]) -> None:
        self.told.append(("assigned", sorted(bookmarks)))
        self.bookmarks.update(bookmarks)
        for partition in bookmarks:
            self.values[partition], self.offsets[partition] = [], []
            self.ends.pop(partition, None)

    def revoked(self, partitions: Sequence[int]) -> None:
        self.told.append(("revoked", sorted(partitions)))
        try:
            self.on_revoked(partitions)
        finally:
            self._forget(partitions)

    def lost(self, partitions: Sequence[int]) -> None:
        self.told.append(("lost", sorted(partitions)))
        self._forget(partitions)

    def _forget(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            self.bookmarks.pop(partition, None)

    def take(self, found: Sequence[Run | CaughtUp]) -> None:
        for each in found:
            if isinstance(each, CaughtUp):
                self.ends[each.partition] = each.end
            else:
                assert len(each.offsets) == len(each.values)
                assert each.end > each.offsets[-1]
                self.values[each.partition] += each.values
                self.offsets[each.partition] += each.offsets


def connection(kafka: Kafka, topic: str, **more: object) -> Connection:
    """A connection to the tests' broker, with a group of its own unless one is named."""
    settings: dict = {"group": kafka.name(), "session_timeout_s": 6.0, "discovery_s": 1.0, **more}
    return Connection(brokers=kafka.address, topic=topic, **settings)


def poll(log: KafkaFrameLog, share: Share, until: Callable[[], object]) -> None:
    """Poll until something is true."""
    limit = time.monotonic() + LIMIT_S
    while not until():
        assert time.monotonic() < limit, f"told {share.told}, ends {share.ends}"
        share.take(log.poll(0.1, share))
