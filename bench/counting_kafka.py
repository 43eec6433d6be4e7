"""Frames per second from Kafka, exactly once, with what that takes of workers, merger and broker.

Every figure is of the stretch between the first and the last commit that left something to read, as positions at the
broker tell, so neither the start of processes nor the end of the topic is in it. Beside it, in the same run: a reader
that takes the bytes of the same topic with the same settings and does nothing with them, which is the most that a
reader in Python can get, and `millstream produce` on its way in. Every count is checked against what was written.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import confluent_kafka
import msgspec
from confluent_kafka import Consumer, TopicPartition

import kafka_live
from kafka_site import LOOK_EVERY_S, PATIENCE_S, Count, Look, Results, ServerError, Site, kafka, peak_mb, site, wait_for
from millstream import simulate
from millstream.adapters.kafka.connection import Connection
from millstream.adapters.kafka.framelog import MOST_FRAMES
from millstream.adapters.kafka.runs import take, without_events
from millstream.counting.frames.choosing import choose_scanner

Row = dict[str, str | int | float]

SPEED = "Frames of 290 bytes from Kafka, exactly once, a transaction every 0.5 s"
VERSIONS = "What Kafka was measured with"

USERS = 50_000
"""Fewer than a window holds exactly, so that the count can be checked."""
PLANS = ((1, (1,)), (4, (1, 2)), (8, (1, 2)))
"""Partitions, each with the numbers of workers that share them."""
IDLE = "1s"
QUICK, FULL = (300_000, 1), (2_000_000, 3)
"""Frames, and rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A rate, processor seconds per million frames, and peak memory of a process in MB; None where nobody was."""

    frames_per_s: float
    client_s: float | None = None
    merger_s: float | None = None
    broker_s: float | None = None
    client_mb: float | None = None
    merger_mb: float | None = None


def run(*, quick: bool) -> dict[str, list[Row]]:
    """All tables of Kafka; one that says why when there is no broker to be had."""
    try:
        with site() as where:
            return {
                VERSIONS: _versions(),
                SPEED: speed(where, quick=quick),
                kafka_live.DELAY: kafka_live.delay(where, quick=quick),
                kafka_live.RECOVERY: kafka_live.recovery(where, quick=quick),
            }
    except ServerError as error:
        return {VERSIONS: [{"what": "not measured", "version": str(error)}]}


def speed(where: Site, *, quick: bool) -> list[Row]:
    """A row for each number of partitions and way to read them, and for writing them."""
    frames, rounds = QUICK if quick else FULL
    used: dict[tuple[int, str], list[Usage]] = {}
    with tempfile.NamedTemporaryFile(dir=where.folder, suffix=".jsonl") as file:
        path = Path(file.name)
        users = _write(path, frames=frames)
        for _ in range(rounds):
            for partitions, crews in PLANS[1:2] if quick else PLANS:
                topic = where.topic(partitions=partitions)
                used.setdefault((partitions, "produce"), []).append(_produce(where, path, topic=topic))
                used.setdefault((partitions, "bytes only"), []).append(_poll(where, topic=topic, frames=frames))
                for workers in crews:
                    label = f"count, {workers} worker{'s' if workers > 1 else ''}, {choose_scanner().name} scanner"
                    usage = _count(where, topic, frames=frames, workers=workers, users=users)
                    used.setdefault((partitions, label), []).append(usage)
    return _rows(used)


def _rows(used: dict[tuple[int, str], list[Usage]]) -> list[Row]:
    rows: list[Row] = []
    for (partitions, label), usages in used.items():
        rates = [usage.frames_per_s for usage in usages]
        floors = [usage.frames_per_s for usage in used[partitions, "bytes only"]]
        ratio = median(rate / floor for rate, floor in zip(rates, floors, strict=True))
        rows.append(
            {
                "partitions": partitions,
                "what": label,
                "frames/s": round(median(rates)),
                "lowest": round(min(rates)),
                "highest": round(max(rates)),
                "of bytes only": "-" if label == "produce" else round(ratio, 2),
                "processor s per million frames: clients": _middle([usage.client_s for usage in usages]),
                "merger": _middle([usage.merger_s for usage in usages]),
                "broker": _middle([usage.broker_s for usage in usages]),
                "peak MB: client": _peak([usage.client_mb for usage in usages]),
                "peak MB: merger": _peak([usage.merger_mb for usage in usages]),
            }
        )
    return rows


def _middle(figures: Sequence[float | None]) -> str | float:
    known = [figure for figure in figures if figure is not None]
    return round(median(known), 2) if known else "-"


def _peak(figures: Sequence[float | None]) -> str | int:
    known = [figure for figure in figures if figure is not None]
    return round(max(known)) if known else "-"


def _versions() -> list[Row]:
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.splitlines()[0]
    return [
        {"what": "broker: one node, no replicas, heap of 512 MB", "version": f"Kafka {kafka.VERSION}"},
        {"what": "its virtual machine", "version": java},
        {"what": "confluent-kafka", "version": version("confluent-kafka")},
        {"what": "librdkafka", "version": confluent_kafka.libversion()[0]},
    ]


# --- what is measured -------------------------------------------------------------------------------------------------


def _write(path: Path, *, frames: int) -> int:
    """Frames of about 290 bytes, one in a hundred late; returns how many users they have."""
    users: set[str] = set()
    decode = msgspec.json.Decoder(_User).decode
    with path.open("wb") as file:
        for line in simulate.frames(count=frames, rate_per_s=1_000, users=USERS, late=0.01, flip=0, seed=8):
            file.write(line)
            users.add(decode(line).uid)
    return len(users)


class _User(msgspec.Struct):
    uid: str


def _produce(where: Site, path: Path, *, topic: str) -> Usage:
    """The rate by the command's own summary: of all frames delivered, without the start of Python."""
    before_s = where.broker_s()
    command = [sys.executable, "-m", "millstream", "produce", str(path), where.url(topic), "--json", "--quiet"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert told["delivered"] == told["lines"], told
    broker_s = (where.broker_s() - before_s) / told["delivered"] * 1e6
    return Usage(frames_per_s=told["frames_per_s"], broker_s=broker_s)


def _poll(where: Site, *, topic: str, frames: int) -> Usage:
    before_s = where.broker_s()
    command = [sys.executable, __file__, where.broker.address, topic, str(frames)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    broker_s = (where.broker_s() - before_s) / frames * 1e6
    return Usage(broker_s=broker_s, **told)


def _count(where: Site, topic: str, *, frames: int, workers: int, users: int) -> Usage:
    with Count(where, topic, workers=workers, idle=IDLE) as count:
        begin, end = _stretch(count, frames=frames)
        memory = {f"{name}_mb": count.peak_mb(role) for name, role in (("client", "worker"), ("merger", "merger"))}
        _check(where, count, frames=frames, users=users)
    million = (end.frames - begin.frames) / 1e6
    return Usage(
        frames_per_s=(end.frames - begin.frames) / (end.at_s - begin.at_s),
        client_s=(end.workers_s - begin.workers_s) / million,
        merger_s=(end.merger_s - begin.merger_s) / million,
        broker_s=(end.broker_s - begin.broker_s) / million,
        **memory,
    )


def _stretch(count: Count, *, frames: int) -> tuple[Look, Look]:
    """The first commit once all workers have their shares, and the last one that left something to read."""
    looks = [count.look()]
    shared: list[Look] = []
    is_shared = False
    until_s = time.monotonic() + PATIENCE_S
    while looks[-1].frames < frames:
        time.sleep(LOOK_EVERY_S)
        if time.monotonic() > until_s:
            raise TimeoutError(f"{looks[-1].frames:,} of {frames:,} frames were committed")
        is_shared = is_shared or count.is_shared_out()
        look = count.look()
        if look.frames > looks[-1].frames:
            looks.append(look)
            shared += [look] if is_shared and look.frames < frames else []
    if len(shared) < 2:  # only with few frames: then everything, with the start of processes
        return looks[0], looks[-1]
    return shared[0], shared[-1]


def _check(where: Site, count: Count, *, frames: int, users: int) -> None:
    """Wait until silence has put out what is open, and compare the year."""
    results = Results(where, count)
    found: dict[str, int] = {}

    def is_complete() -> bool:
        for record in map(json.loads, results.take(0.2)):
            if record["by"] == "year":
                found.update(frames=record["frames"], users=record["users"])
        return found.get("frames", 0) >= frames

    wait_for(is_complete, what="a year of all frames")
    results.close()
    assert found == {"frames": frames, "users": users}, found


# --- the reader that does nothing -------------------------------------------------------------------------------------


def main(words: Sequence[str]) -> None:
    """Take the bytes of a topic, as a worker does it: BROKERS TOPIC FRAMES."""
    brokers, topic, frames = words[0], words[1], int(words[2])
    connection = Connection(brokers=brokers, topic=topic)
    consumer = Consumer(connection.bulk_consumer("bytes-only"))
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    gc.set_threshold(500_000, 20, 20)  # as workers do
    read = size_bytes = skipped = 0
    began_s = processor_s = 0.0
    while read < frames:
        messages, _ = without_events(take(consumer, most=MOST_FRAMES, timeout_s=1.0), trouble=_raise)
        if messages and not began_s:
            began_s, processor_s, skipped = time.monotonic(), time.process_time(), len(messages)
        size_bytes += sum(len(message.value() or b"") for message in messages)
        read += len(messages)
    taken_s, used_s = time.monotonic() - began_s, time.process_time() - processor_s
    figures = {"frames_per_s": (frames - skipped) / taken_s, "client_s": used_s / (frames - skipped) * 1e6}
    print(json.dumps({**figures, "client_mb": peak_mb(os.getpid())}))


def _raise(error: object, _message: object) -> None:
    raise RuntimeError(error)


if __name__ == "__main__":
    main(sys.argv[1:])
