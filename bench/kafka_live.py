"""How long a live count takes to tell, and to come back after a process of it was killed.

Frames are written at a steady rate, in order, to all partitions in turn. Their event time runs faster than the clock on
the wall, so that minutes end every two seconds or so; that it is no whole number of seconds keeps them out of step with
commits. Times are taken by one clock, in the process that writes and reads: when the broker acknowledged a frame, and
when a reader of committed records was handed a result.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random
from statistics import median, quantiles
from threading import Event, Thread
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from kafka_site import Count, Results, Site, wait_for
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.model import MINUTE_S

Row = dict[str, str | int | float]

DELAY = "From the frame that ends a minute, acknowledged, to the committed result, read"
RECOVERY = "From SIGKILL to the next commit, under 2,000 frames/s"

PARTITIONS = 4
SPEED_UP = 31
"""Seconds of event time in a second."""
HISTORY_S = 2_400
"""How far in the past event time begins: it must not reach the future, and early results want the last hour."""
USERS = 50_000
FRAME_BYTES = 290
TICK_S = 0.002
SETTLED_S = 0.15
"""A commit so soon after a kill is of the one who was killed: its successor is not started before 0.2 s."""
CLOCK = ClockSettings()


class Traffic:
    """Writes frames in a thread of its own, as a context; knows when which minute was over for the event clocks.

    A partition's watermark passes the end of a minute with the frame that is the `kth` to be past it by the lateness,
    as frames are in order, and more than twice as many as the clock reads come within the time that it looks ahead.
    The watermark of all of them passes with the last partition's.
    """

    def __init__(self, where: Site, topic: str, *, rate_per_s: int, seed: int) -> None:
        self._topic, self._rate_per_s, self._random = topic, rate_per_s, Random(seed)
        self._producer = Producer({"bootstrap.servers": where.broker.address, "log_level": 0, "linger.ms": 1})
        self._thread = Thread(target=self._write)
        self._stop = Event()
        self._past: dict[tuple[int, int], int] = {}
        self._acknowledged: dict[int, list[float]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.flush(10)

    def ends(self) -> dict[int, float]:
        """For each minute that is over in all partitions, when that was acknowledged."""
        return {minute: max(at) for minute, at in self._acknowledged.items() if len(at) == PARTITIONS}

    def _write(self) -> None:
        began_s, number = time.monotonic(), 0
        start_s = time.time() - HISTORY_S
        while not self._stop.is_set():
            elapsed_s = time.monotonic() - began_s
            while number < elapsed_s * self._rate_per_s:
                self._send(int(start_s + number / self._rate_per_s * SPEED_UP), partition=number % PARTITIONS)
                number += 1
            self._producer.poll(TICK_S)

    def _send(self, ts: int, *, partition: int) -> None:
        frame = b'{"uid":"%020x","ts":%d,"text":"' % (self._random.randrange(USERS), ts)
        frame = frame.ljust(FRAME_BYTES - 2, b"x") + b'"}'
        minute = (ts - CLOCK.lateness_s) // MINUTE_S * MINUTE_S - MINUTE_S
        self._past[minute, partition] = past = self._past.get((minute, partition), 0) + 1
        if past != CLOCK.kth:
            self._producer.produce(self._topic, frame, partition=partition)
            return

        def acknowledged(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self._acknowledged.setdefault(minute, []).append(time.monotonic())

        self._producer.produce(self._topic, frame, partition=partition, on_delivery=acknowledged)


class Watch:
    """Reads committed results in a thread of its own, as a context."""

    def __init__(self, where: Site, count: Count) -> None:
        self._results = Results(where, count)
        self._thread = Thread(target=self._read)
        self._stop = Event()
        self.seen: list[tuple[float, str, int, str]] = []
        """When what was seen: size of window, its start, its status."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._results.close()

    def minutes(self) -> dict[int, float]:
        """When the result of each minute that has ended came, by whatever status it came first."""
        found: dict[int, float] = {}
        for at_s, by, start, status in self.seen:
            if by == "minute" and status != "early":
                found.setdefault(start, at_s)
        return found

    def _read(self) -> None:
        while not self._stop.is_set():
            values = self._results.take(0.1)
            now_s = time.monotonic()
            for record in map(json.loads, values):
                self.seen.append((now_s, record["by"], record["start"], record["status"]))


@contextmanager
def _live(where: Site, *, rate_per_s: int, seed: int) -> Iterator[tuple[Count, Watch, Traffic]]:
    """A count that is up and running, with traffic, and with a reader of its results."""
    topic = where.topic(partitions=PARTITIONS)
    with Count(where, topic) as count, Watch(where, count) as watch:
        wait_for(count.is_shared_out, what="workers")
        with Traffic(where, topic, rate_per_s=rate_per_s, seed=seed) as traffic:
            wait_for(lambda: len(watch.minutes()) > 1, what="the first minutes")
            yield count, watch, traffic


def delay(where: Site, *, quick: bool) -> list[Row]:
    """A row for each rate; the first two minutes are left out, as they see the processes start."""
    rows: list[Row] = []
    windows = 5 if quick else 30
    for rate_per_s in (2_000,) if quick else (2_000, 20_000):
        with _live(where, rate_per_s=rate_per_s, seed=9) as (_, watch, traffic):
            wait_for(lambda: len(watch.minutes()) >= windows + 2, what="minutes", within_s=windows * 4 + 20)
            ends, results = traffic.ends(), watch.minutes()
        delays = [results[minute] - ends[minute] for minute in sorted(results)[2:] if minute in ends]
        rows.append(
            {
                "frames/s": rate_per_s,
                "partitions": PARTITIONS,
                "minutes": len(delays),
                "median, s": round(median(delays), 3),
                "99 % within, s": round(quantiles(delays, n=100, method="inclusive")[98], 3),
                "worst, s": round(max(delays), 3),
            }
        )
    return rows


def recovery(where: Site, *, quick: bool) -> list[Row]:
    """A row for each stage; every round is a fresh count, as pauses before a start grow when deaths are frequent."""
    took: dict[str, list[float]] = {"worker": [], "merger": []}
    for round_ in range(1 if quick else 3):
        with _live(where, rate_per_s=2_000, seed=10 + round_) as (count, watch, _):
            took["worker"].append(_next_position(count))
            wait_for(lambda: _is_fresh(watch), what="results")
            took["merger"].append(_next_result(count, watch))
    until = {"worker": "deltas and positions at the broker", "merger": "a result, read as committed"}
    return [_recovered(role, times, until=until[role]) for role, times in took.items()]


def _recovered(role: str, times: Sequence[float], *, until: str) -> Row:
    row: Row = {"killed": role, "until": until, "times": len(times)}
    return {**row, "median, s": round(median(times), 2), "worst, s": round(max(times), 2)}


def _next_position(count: Count) -> float:
    """Kill the worker; seconds until somebody commits again."""
    killed_s = _kill(count.members("worker")[0])
    before = count.frames()
    wait_for(lambda: count.frames() > before, what="a commit after a worker was killed")
    return time.monotonic() - killed_s


def _next_result(count: Count, watch: Watch) -> float:
    """Kill the merger; seconds until the next result."""
    killed_s = _kill(count.members("merger")[0])
    after_s = time.monotonic()
    wait_for(lambda: watch.seen[-1][0] > after_s, what="a result after the merger was killed")
    return next(at_s for at_s, *_ in watch.seen if at_s > after_s) - killed_s


def _kill(pid: int) -> float:
    """Kill a process, and wait until what it had sent has taken effect; returns when it was."""
    killed_s = time.monotonic()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    time.sleep(SETTLED_S)
    return killed_s


def _is_fresh(watch: Watch) -> bool:
    """Whether a result came just now, so that the count is up with its input."""
    return time.monotonic() - watch.seen[-1][0] < SETTLED_S
