"""`millstream count` that reads a little at a time, commits at every step, and notices within seconds who is gone.

Everything else is as in `millstream`. Its processes run this file again when they start, so it holds for them, too.
With MILLSTREAM_TEST_FREEZE=POINT:NUMBER the process that reaches that point freezes there (SIGSTOP).
"""

import os
import signal
import sys
from functools import partial

from millstream.adapters.kafka import deltalog, framelog
from millstream.adapters.kafka.connection import Connection
from millstream.cli import main
from millstream.counting.live.faultpoints import Faults
from millstream.wiring import count_kafka

FREEZE = "MILLSTREAM_TEST_FREEZE"


def _connection(count: count_kafka.KafkaCount) -> Connection:
    return Connection(
        brokers=count.brokers,
        topic=count.topic,
        group=count.group,
        session_timeout_s=2.0,
        transaction_timeout_s=3.0,
        discovery_s=0.5,
    )


def _freezing(_count: count_kafka.KafkaCount, start: int) -> Faults:
    point, _, number = os.environ[FREEZE].rpartition(":")
    left = int(number)

    def fault(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if reached == point and left == 0 and start == 0:
            os.kill(os.getpid(), signal.SIGSTOP)

    return fault


framelog.MOST_FRAMES = 100
deltalog.MOST_DELTAS = 4
count_kafka.StageOneSettings = partial(count_kafka.StageOneSettings, commit_every_s=0.0, block=64)
count_kafka.MergerSettings = partial(count_kafka.MergerSettings, commit_every_s=0.0)
count_kafka.KafkaCount.connection = property(_connection)
if FREEZE in os.environ:
    count_kafka._faults = _freezing

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
