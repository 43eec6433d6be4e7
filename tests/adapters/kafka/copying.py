"""A worker in a process of its own: writes for every frame, as a delta, which one it was.

Arguments as JSON: brokers, topic, group, slot, fault (a point, or null), after (reaches of it until it kills itself).
It says `ready` when it has partitions, and ends by itself when it is fenced.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from millstream.adapters.kafka import framelog
from millstream.adapters.kafka.connection import Connection
from millstream.adapters.kafka.framelog import KafkaFrameLog
from millstream.errors import FencedError, TransactionAbortedError
from millstream.ports.framelog import Bookmark, Run

framelog.MOST_FRAMES = 40


class Copier:
    """Commits after every third poll, and inside of `revoked`."""

    def __init__(self, log: KafkaFrameLog) -> None:
        self.log = log
        self.steps = 0
        self.read: dict[int, list[int]] = {}

    def assigned(self, bookmarks: Mapping[int, Bookmark | None]) -> None:
        self.read.clear()
        if bookmarks:
            print("ready", flush=True)

    def revoked(self, partitions: Sequence[int]) -> None:
        self.commit()

    def lost(self, partitions: Sequence[int]) -> None:
        self.read.clear()

    def step(self) -> None:
        for each in self.log.poll(0.1, self):
            if isinstance(each, Run):
                self.read.setdefault(each.partition, []).extend(each.offsets)
        self.steps += 1
        if self.steps % 3 == 0:  # not always, so that `revoked` has something to commit
            self.commit()

    def commit(self) -> None:
        read = self.read
        if not read:
            return
        with suppress(TransactionAbortedError):  # the log says again where to go on
            self.log.commit(
                [(partition, json.dumps(offsets).encode()) for partition, offsets in read.items()],
                {partition: Bookmark(offset=offsets[-1] + 1, note="n") for partition, offsets in read.items()},
            )
        self.read = {}


def main(*, brokers: str, topic: str, group: str, slot: str, fault: str | None, after: int) -> None:
    left = after

    def kill(point: str) -> None:
        nonlocal left
        if point == fault:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    place = Connection(brokers=brokers, topic=topic, group=group, session_timeout_s=6, discovery_s=1)
    log = KafkaFrameLog(place, transactional_id=f"{group}-{slot}", fault=kill if fault else None)
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    copier = Copier(log)
    try:
        while not stopped:
            copier.step()
        copier.commit()
    except FencedError as error:
        print(error, flush=True)
    log.close()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
