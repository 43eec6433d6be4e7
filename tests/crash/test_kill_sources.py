"""kill -9 in the middle of streams from brokers, then compare with an independent count."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import aio_pika
import pytest
from confluent_kafka import Producer

from crash.killing import Site, accepted, wait_until
from crash.test_kill import SEED, numbered
from servers.kafka import LIMIT_S, Kafka
from servers.rabbitmq import RabbitMQ

RECORDS = 6000
CUT = ("--window", "300ms", "--max-count", "97", "--handler", "crash_handler:load")

Send = Callable[[Sequence[bytes]], None]


def kill_stream(site: Site, words: Sequence[str], *, send: Send, rounds: int, seed: int) -> list[bytes]:
    """Feed a broker while an engine is killed `rounds` times; then let it finish, and return what was worked."""
    draw, records = random.Random(seed), numbered(RECORDS)
    share = len(records) // (rounds + 1) + 1
    for number in range(rounds):
        send(records[number * share : (number + 1) * share])
        code = site.kill_at_random(*words, draw=draw, longest_s=2.0)
        assert code == -signal.SIGKILL, (site.folder / "stderr").read_text()
    send(records[rounds * share :])
    with site.start(*words) as process:
        wait_until(lambda: set(site.records_worked()) == set(records), timeout_s=60, what="all records")
        wait_until(lambda: site.query("SELECT COUNT(*) FROM batch WHERE state <> 'done'") == [(0,)], what="the end")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0, (site.folder / "stderr").read_text()
    site.check_ledger()
    site.check_calls()
    return site.records_worked()


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--key", "k")], ids=["plain", "keyed"])
def test_a_topic_survives_kills(tmp_path: Path, kafka: Kafka, more: tuple[str, ...]) -> None:
    """Killed at random moments, every record of the topic is worked once."""
    topic, site = kafka.topic(3), Site(tmp_path / "site")
    producer = Producer({"bootstrap.servers": kafka.address, "log_level": 0})

    def send(records: Sequence[bytes]) -> None:
        for number, record in enumerate(records):
            producer.produce(topic, value=record, partition=number % 3)
        assert producer.flush(LIMIT_S) == 0

    words = ("stream", kafka.url(topic), *CUT, *more)
    worked = kill_stream(site, words, send=send, rounds=5, seed=SEED)

    assert Counter(worked) == Counter(numbered(RECORDS))
    assert site.status()["accepted_records"] == RECORDS


@pytest.mark.slow
def test_a_queue_survives_kills(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    """Killed at random moments, every record is worked; one may come again only if it was not acknowledged in time."""
    queue, site = rabbitmq.name(), Site(tmp_path / "site")

    async def publish(records: Sequence[bytes]) -> None:
        async with await aio_pika.connect(rabbitmq.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
            async with asyncio.TaskGroup() as group:
                for start in range(0, len(records), 10):
                    body = b"\n".join(records[start : start + 10])
                    message = aio_pika.Message(body, content_type="application/x-ndjson")
                    group.create_task(_send(channel, message, queue))

    words = ("stream", f"{rabbitmq.url}/{queue}", *CUT)
    worked = kill_stream(site, words, send=lambda records: asyncio.run(publish(records)), rounds=5, seed=SEED)

    assert set(worked) == set(numbered(RECORDS))
    assert "guest:guest" not in (site.folder / "stderr").read_text()


async def _send(channel: aio_pika.abc.AbstractChannel, message: aio_pika.Message, queue: str) -> None:
    await channel.default_exchange.publish(message, routing_key=queue, mandatory=True)


@pytest.mark.slow
def test_a_topic_that_is_made_again_ends_the_stream_with_one_line(tmp_path: Path, kafka: Kafka) -> None:
    """What was accepted before is worked; a user sees no traceback."""
    topic, site = kafka.topic(), Site(tmp_path / "site")
    kafka.send(topic, numbered(10))
    words = ("stream", kafka.url(topic), *CUT)
    with site.start(*words) as process:
        wait_until(lambda: accepted(site) == 10, what="acceptance")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result(LIMIT_S)
    wait_until(lambda: topic not in admin.list_topics(timeout=LIMIT_S).topics, what="the topic to go")
    kafka.topic(name=topic)

    with site.start(*words) as process:
        process.communicate(timeout=30)

    said = (site.folder / "stderr").read_text().strip().splitlines()
    assert process.returncode != 0
    assert "it was deleted and made again" in said[-1]
    assert "Traceback" not in "".join(said)


@pytest.mark.slow
def test_two_pipelines_read_one_topic(tmp_path: Path, kafka: Kafka) -> None:
    """Each with a position of its own."""
    topic = kafka.topic()
    kafka.send(topic, numbered(50))
    sites = [Site(tmp_path / name) for name in ("one", "two")]
    processes = [site.start("stream", kafka.url(topic), *CUT) for site in sites]
    try:
        for site in sites:
            wait_until(lambda site=site: sorted(site.records_worked()) == sorted(numbered(50)), what="all records")
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
