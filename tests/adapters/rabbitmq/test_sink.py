"""A queue as a sink: what is in a message, what is refused, and what becomes of it when the server goes away."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.child import run
from adapters.rabbitmq.reading import messages_of
from millstream.adapters.rabbitmq import RabbitSink
from millstream.core.queueaddress import QueueAddress, parse_queue
from millstream.errors import SinkRefusedError, SinkUnavailableError
from millstream.ports.sink import Publication
from millstream.testing.sink_suite import begun, expected, ids, publication, publish
from servers.rabbitmq import OwnRabbitMQ, RabbitMQ

pytestmark = pytest.mark.slow

SYNC = "[dets:sync(Each) || Each <- dets:all()]."
"""Puts on disk that a queue was made; version 3.10 does so some seconds late, and never mends one that it did not."""


@pytest.fixture
def address(rabbitmq: RabbitMQ) -> QueueAddress:
    """A queue that is not there yet."""
    return parse_queue(f"{rabbitmq.url}/{rabbitmq.name()}")


@pytest.fixture
def sink(address: QueueAddress) -> Iterator[RabbitSink]:
    """A sink on it, with small messages."""
    sink = RabbitSink(address, target_bytes=20_000)
    yield sink
    sink.close()


def seen(address: QueueAddress) -> list[str]:
    """The ids of all records in a queue."""
    return ids([line for message in messages_of(address) for line in message.body.splitlines()])


def publish_at_last(sink: RabbitSink, chunk: Publication) -> None:
    """Publish as the ledger has it done: again, when the server is not quite there yet."""
    for left in reversed(range(5)):
        try:
            publish(sink, chunk)
        except SinkUnavailableError:
            assert left, "it never came back"
        else:
            return


def kind(rabbitmq: RabbitMQ, queue: str) -> str:
    """What kind of queue it is."""
    listed = json.loads(rabbitmq.control("list_queues", "name", "type", "durable", "--formatter", "json"))
    (found,) = [each for each in listed if each["name"] == queue]
    return f"{found['type'].rpartition('_')[2]} {found['durable']}"


def test_a_message_says_what_is_in_it(sink: RabbitSink, address: QueueAddress) -> None:
    """Many records, one per line, with the numbers of the first and last one in its id."""
    done = publish(sink, publication(seq=2))

    messages = messages_of(address)
    assert done.receipt == f"{len(messages)} messages"
    assert done.out_bytes == sum(len(message.body) for message in messages)
    for message in messages:
        records = [json.loads(line)["_id"] for line in message.body.splitlines()]
        last = records[-1].rpartition(":")[2]
        assert message.message_id == f"{records[0]}-{last}"
        assert message.body.endswith(b"\n")
        assert len(message.body) <= 20_000
        assert message.headers == {
            "batch-id": publication(seq=2).batch_id,
            "first-record": int(records[0].rpartition(":")[2]),
            "records": len(records),
        }
        assert (message.content_type, message.app_id) == ("application/x-ndjson", "millstream")
        assert message.delivery_mode == 2


def test_a_message_of_one_record_is_that_record(address: QueueAddress) -> None:
    """Plain JSON, with the record's id as the message's."""
    sink = RabbitSink(address, one_per_message=True)
    publish(sink, publication(records=20), records=20)
    sink.close()

    messages = messages_of(address)
    assert len(messages) == 18
    for message in messages:
        assert json.loads(message.body)["_id"] == message.message_id
        assert (message.content_type, message.body[-1:]) == ("application/json", b"}")


def test_the_next_attempt_sends_the_same_messages(sink: RabbitSink, address: QueueAddress) -> None:
    """So a consumer that knows the ids of messages can leave out what it had."""
    publish(sink, publication())
    first = [(message.message_id, message.body) for message in messages_of(address)]
    publish(sink, publication(attempt=2))

    assert [(message.message_id, message.body) for message in messages_of(address)] == first


def test_a_missing_queue_is_made(rabbitmq: RabbitMQ, sink: RabbitSink, address: QueueAddress) -> None:
    """Durable, and a quorum queue."""
    sink.check()

    assert kind(rabbitmq, address.queue) == "quorum True"


def test_a_queue_of_another_kind_is_taken_as_it_is(rabbitmq: RabbitMQ, sink: RabbitSink, address: QueueAddress) -> None:
    """Its owner had a reason."""
    name = address.queue
    rabbitmq.control(
        "eval", f'rabbit_amqqueue:declare({{resource, <<"/">>, queue, <<"{name}">>}}, true, false, [], none, <<"t">>).'
    )
    was = kind(rabbitmq, name)

    publish(sink, publication())

    assert kind(rabbitmq, name) == was
    assert seen(address) == expected(publication())


def test_a_queue_that_is_deleted_in_the_middle_is_told(
    rabbitmq: RabbitMQ, sink: RabbitSink, address: QueueAddress
) -> None:
    """Nothing is confirmed and lost; the next attempt makes the queue again."""
    writer = begun(sink, publication())
    rabbitmq.control("delete_queue", address.queue)
    writer.write(b'{"_id":"0123-abc:9999"}\n' * 2000, numbers=range(9999, 11999))
    with pytest.raises(SinkRefusedError, match="expected a queue of that name, found none"):
        writer.commit()

    publish(sink, publication(attempt=2))

    assert seen(address) == expected(publication())


def test_a_wrong_password_is_told_and_not_shown(rabbitmq: RabbitMQ) -> None:
    """The error says what is wrong, not what was given."""
    sink = RabbitSink(parse_queue(f"amqp://guest:wr0ng@{rabbitmq.address}/q"))
    with pytest.raises(SinkUnavailableError, match="refuses the user or the password") as caught:
        sink.check()
    sink.close()

    assert "wr0ng" not in str(caught.value)
    assert "wr0ng" not in sink.address


def test_a_server_that_is_not_there_is_told() -> None:
    """At once, not after the time limit."""
    sink = RabbitSink(parse_queue("amqp://127.0.0.1:1/q"))
    with pytest.raises(SinkUnavailableError, match=r"127\.0\.0\.1:1"):
        sink.open(publication())
    sink.close()


def test_a_record_that_is_too_long_is_named(own_rabbitmq: OwnRabbitMQ) -> None:
    """The server closes the channel; the other chunks go on."""
    own_rabbitmq.control("eval", "application:set_env(rabbit, max_message_size, 100000).")
    address = parse_queue(f"{own_rabbitmq.url}/out")
    sink = RabbitSink(address, target_bytes=20_000)
    other = begun(sink, publication(seq=1))
    writer = sink.open(publication())
    writer.write(b'{"_id":"0123-abc:0"}\n{"_id":"0123-abc:1","text":"' + b"x" * 200_000 + b'"}\n', numbers=range(2))
    with pytest.raises(SinkRefusedError, match=r"record 0123-abc:1-1 is too long .*100000"):
        writer.commit()
    other.commit()
    sink.close()

    assert set(seen(address)) >= set(expected(publication(seq=1)))


def test_a_server_that_is_frozen_ends_the_attempt(own_rabbitmq: OwnRabbitMQ) -> None:
    """After the time limit, instead of never; when it thaws, the next attempt comes through."""
    address = parse_queue(f"{own_rabbitmq.url}/out")
    sink = RabbitSink(address, target_bytes=20_000, limit_s=2.0)
    writer = begun(sink, publication())
    own_rabbitmq.freeze()
    writer.write(b'{"_id":"0123-abc:9"}\n' * 2000, numbers=range(9999, 11999))
    with pytest.raises(SinkUnavailableError, match="no answer in time"):
        writer.commit()
    with pytest.raises(SinkUnavailableError):
        sink.check()
    own_rabbitmq.thaw()

    patient = RabbitSink(address)
    publish(patient, publication(attempt=2))
    patient.close()
    sink.close()

    assert set(seen(address)) >= set(expected(publication()))


def test_nothing_is_missing_after_the_server_was_killed(own_rabbitmq: OwnRabbitMQ) -> None:
    """What was not confirmed is sent again by the next attempt, over a new connection."""
    address = parse_queue(f"{own_rabbitmq.url}/out")
    sink = RabbitSink(address, target_bytes=5_000, limit_s=10.0)
    publish(sink, publication(seq=0))
    writer = begun(sink, publication(seq=1))
    own_rabbitmq.control("eval", SYNC)
    own_rabbitmq.kill()
    with pytest.raises(SinkUnavailableError):
        writer.commit()
    own_rabbitmq.start()

    publish_at_last(sink, publication(seq=1, attempt=2))
    sink.close()

    assert sorted(set(seen(address))) == expected(publication(seq=0), publication(seq=1))


def test_a_waiting_thread_is_not_in_the_way_of_others(sink: RabbitSink, address: QueueAddress) -> None:
    """Attempts that are given up leave the connection to the others."""
    writers = [begun(sink, publication(seq)) for seq in range(3)]
    threads = [threading.Thread(target=writer.abort) for writer in writers[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    writers[2].commit()

    assert set(seen(address)) >= set(expected(publication(2)))


def in_a_fork(folder: Path) -> None:
    """Use a sink in this process, then in a forked one."""
    import os  # noqa: PLC0415 - of this process

    address = parse_queue((folder / "address").read_text())
    sink = RabbitSink(address, target_bytes=20_000)
    publish(sink, publication(seq=0))
    if (child := os.fork()) == 0:
        publish(sink, publication(seq=1))
        sink.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    publish(sink, publication(seq=2))
    sink.close()


def test_a_sink_that_was_made_before_a_fork_works_behind_it(
    rabbitmq: RabbitMQ, address: QueueAddress, tmp_path: Path
) -> None:
    """Each process has a connection of its own."""
    (tmp_path / "address").write_text(f"{rabbitmq.url}/{address.queue}")
    run(in_a_fork, folder=tmp_path)

    assert seen(address) == expected(publication(0), publication(1), publication(2))
