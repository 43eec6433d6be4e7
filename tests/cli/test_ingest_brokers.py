"""`millstream ingest PATH` into real brokers: whole, through kills, and through brokers that are down."""

import asyncio
import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import aio_pika
import pytest

from crash.killing import Site, wait_until
from crash.test_ingest import done_chunks, write_csv

if TYPE_CHECKING:
    import subprocess

    from servers.kafka import Kafka
    from servers.rabbitmq import OwnRabbitMQ, RabbitMQ

pytestmark = pytest.mark.slow
SEED = 7


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


async def drain(url: str, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """Everything that is in a queue, which is emptied."""
    messages = []
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        place = await channel.get_queue(queue)
        while (message := await place.get(fail=False)) is not None:
            await message.ack()
            messages.append(message)
    return messages


def lines(messages: list[aio_pika.abc.AbstractIncomingMessage]) -> list[dict[str, str]]:
    return [json.loads(line) for message in messages for line in message.body.splitlines()]


def check(found: list[dict[str, str]], records: list[dict[str, str]], *, once: bool) -> None:
    """Every record is there under its id; only once where that is promised."""
    ids = Counter(record["_id"].rpartition(":")[2] for record in found)
    assert sorted(ids, key=int) == [str(number) for number in range(len(records))]
    by_number = {int(record.pop("_id").rpartition(":")[2]): record for record in found}
    assert [by_number[number] for number in range(len(records))] == records
    if once:
        assert set(ids.values()) == {1}


def test_into_kafka_through_kills(site: Site, kafka: "Kafka") -> None:
    """Killed in the middle and run again, every record is in the topic once, for readers of what is committed."""
    records = write_csv(site.folder / "data.csv", rows=40_000, seed=SEED)
    topic = kafka.topic(partitions=2)
    words = ("ingest", "data.csv", "--to", kafka.url(topic), "--chunk", "20KB")
    draw = random.Random(SEED)
    for _ in range(3):
        site.kill_at_random(*words, draw=draw, longest_s=3.0)

    assert site.run(*words, timeout_s=100) == 0, (site.folder / "stderr").read_text()
    check([json.loads(message.value() or b"") for message in kafka.read(topic)], records, once=True)
    assert site.run(*words) == 0
    assert len(kafka.read(topic)) == len(records)


def run_drain(url: str, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    return asyncio.run(drain(url, queue))


def test_into_rabbitmq_through_kills(site: Site, rabbitmq: "RabbitMQ") -> None:
    """Killed in the middle and run again, every record is in the queue; those of a chunk in hand may be there twice."""
    records = write_csv(site.folder / "data.csv", rows=40_000, seed=SEED)
    queue = rabbitmq.name()
    words = ("ingest", "data.csv", "--to", f"{rabbitmq.url}/{queue}", "--chunk", "20KB")
    draw = random.Random(SEED)
    for _ in range(3):
        site.kill_at_random(*words, draw=draw, longest_s=1.5)

    assert site.run(*words) == 0, (site.folder / "stderr").read_text()
    check(lines(run_drain(rabbitmq.url, queue)), records, once=False)
    assert "guest" not in (site.folder / "stderr").read_text()
    assert not site.query("SELECT spec FROM ingestion WHERE spec LIKE '%guest%'")


def test_one_record_in_each_message(site: Site, rabbitmq: "RabbitMQ") -> None:
    """With --one-per-message a message is a record, named by its id."""
    records = write_csv(site.folder / "data.csv", rows=300, seed=SEED)
    queue = rabbitmq.name()

    code = site.run("ingest", "data.csv", "--to", f"{rabbitmq.url}/{queue}", "--one-per-message", "--chunk", "1KB")

    messages = run_drain(rabbitmq.url, queue)
    assert code == 0
    assert len(messages) == len(records)
    assert all(json.loads(message.body)["_id"] == message.message_id for message in messages)
    check(lines(messages), records, once=True)


def start_while_down(site: Site, broker: "OwnRabbitMQ", *words: str) -> "subprocess.Popen[bytes]":
    """Begin an ingestion into a broker that is down; returns once it says what it waits for."""
    broker.kill()
    process = site.start("ingest", "data.csv", "--to", f"{broker.url}/records", "--chunk", "5KB", *words)
    wait_until(lambda: "waiting: sink: amqp://" in (site.folder / "stderr").read_text(), what="the reason")
    return process


def test_a_broker_that_is_down_is_waited_for(site: Site, own_rabbitmq: "OwnRabbitMQ") -> None:
    """The reason is shown, no attempt is charged, and it goes on by itself when the broker is back."""
    records = write_csv(site.folder / "data.csv", rows=2_000, seed=SEED)
    with start_while_down(site, own_rabbitmq) as process:
        ((waits_for,),) = site.query("SELECT waits_for FROM ingestion")
        own_rabbitmq.restart()
        process.communicate(timeout=100)

    assert waits_for.startswith("sink: amqp://")
    assert process.returncode == 0, (site.folder / "stderr").read_text()
    check(lines(run_drain(own_rabbitmq.url, "records")), records, once=False)
    assert site.query("SELECT MAX(failures) FROM batch") == [(0,)]
    assert site.query("SELECT waits_for FROM ingestion") == [("",)]


def test_a_stop_while_it_waits_keeps_everything(site: Site, own_rabbitmq: "OwnRabbitMQ") -> None:
    """SIGTERM ends it with 75, while the broker is down, too."""
    write_csv(site.folder / "data.csv", rows=2_000, seed=SEED)
    with start_while_down(site, own_rabbitmq) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert process.returncode == 75
    assert done_chunks(site) == 0


@pytest.mark.parametrize(("on_change", "code"), [("fail", 1), ("restart", 0)])
def test_a_file_that_changes_meanwhile(site: Site, own_rabbitmq: "OwnRabbitMQ", on_change: str, code: int) -> None:
    """It fails and says so, or begins again with the new version, as was asked for."""
    write_csv(site.folder / "data.csv", rows=2_000, seed=SEED)
    with start_while_down(site, own_rabbitmq, "--on-change", on_change) as process:
        records = write_csv(site.folder / "data.csv", rows=1_500, seed=SEED + 1)
        own_rabbitmq.restart()
        output, _ = process.communicate(timeout=100)
    summary = json.loads(output)

    assert process.returncode == code, (site.folder / "stderr").read_text()
    if on_change == "fail":
        assert summary["status"] == "failed"
        assert "changed while it was read" in summary["error"]
    else:
        assert summary["message_id"].endswith("-v2")
        check(lines(run_drain(own_rabbitmq.url, "records")), records, once=False)


def test_a_topic_that_is_missing_is_told_at_once(site: Site, kafka: "Kafka") -> None:
    """One line says which and how to make it, with exit code 2; then the same command publishes everything."""
    records = write_csv(site.folder / "data.csv", rows=500, seed=SEED)
    topic = kafka.name()
    words = ("ingest", "data.csv", "--to", kafka.url(topic), "--chunk", "5KB")

    first = site.run(*words)
    told = (site.folder / "stderr").read_text()
    kafka.topic(name=topic)
    second = site.run(*words)

    assert (first, second) == (2, 0), told
    (line,) = told.strip().splitlines()
    assert f"expected a topic '{topic}', found none" in line
    assert f"millstream topics create {kafka.url(topic)}" in line
    check([json.loads(message.value() or b"") for message in kafka.read(topic)], records, once=True)


def test_what_failed_is_tried_again_by_the_next_run(site: Site, kafka: "Kafka") -> None:
    """A record that the topic does not take fails its chunk; when it may be longer, the same command publishes it."""
    longest = 20_000
    records = [{"n": "0", "text": "short"}, {"n": "1", "text": "x" * longest}]
    lines = "".join(f"{record['n']},{record['text']}\n" for record in records)
    (site.folder / "data.csv").write_text(f"n,text\n{lines}")
    topic = kafka.topic(config={"max.message.bytes": str(longest // 2)})
    words = ("ingest", "data.csv", "--to", kafka.url(topic))

    first = site.run(*words)
    told = (site.folder / "stderr").read_text()
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result(30)
    wait_until(lambda: topic not in admin.list_topics(timeout=30).topics, what="the topic to be gone")
    kafka.topic(name=topic)
    second = site.run(*words)

    assert (first, second) == (1, 0), told
    assert "max.message.bytes" in told
    assert "Traceback" not in told
    check([json.loads(message.value() or b"") for message in kafka.read(topic)], records, once=True)
