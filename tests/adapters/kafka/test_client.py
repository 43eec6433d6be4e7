"""What clients complain about, and what a person is told of it."""

import pytest
from confluent_kafka import KafkaError

from millstream.adapters.kafka.client import TROUBLE_LASTS_S, Complaints, broker_error

CONNECT = "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)"
RESOLVE = "h:1/bootstrap: Failed to resolve 'h:1': Name or service not known (after 1ms in state CONNECT)"


@pytest.mark.parametrize(("said", "reason"), [(CONNECT, "Connection refused"), (RESOLVE, "Name or service not known")])
def test_the_reason_is_taken_from_what_the_client_says(said: str, reason: str) -> None:
    """Of a line of the client only the reason is kept, and other lines do not hide it."""
    complaints = Complaints()

    complaints(KafkaError(KafkaError._TRANSPORT, said))
    complaints(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    error = broker_error(KafkaError(KafkaError._TIMED_OUT), brokers="h:1", complaints=complaints)

    assert complaints.trouble == reason
    assert str(error) == (
        f"kafka: h:1: expected a Kafka broker, found none that answers ({reason}); start it, or check the address"
    )


def test_trouble_ends_when_nothing_is_complained_about_any_more() -> None:
    """A client that cannot connect says so again and again; one that is silent is connected."""
    now = [100.0]
    complaints = Complaints(now=lambda: now[0])

    complaints(KafkaError(KafkaError._TRANSPORT, CONNECT))
    now[0] += TROUBLE_LASTS_S - 0.1
    during = complaints.trouble
    now[0] += 0.2

    assert (during, complaints.trouble) == ("Connection refused", "")


def test_other_errors_are_told_in_kafka_s_words() -> None:
    """An error without words is told by its name, and its name is kept as a code."""
    worded = broker_error(KafkaError(40, "Unknown topic config name: x"), brokers="h:1", complaints=Complaints())
    silent = broker_error(KafkaError(15, "ConsumerGroupDescribe: "), brokers="h:1", complaints=Complaints())

    assert (str(worded), worded.code) == ("kafka: h:1: Unknown topic config name: x", "INVALID_CONFIG")
    assert str(silent) == "kafka: h:1: ConsumerGroupDescribe: COORDINATOR_NOT_AVAILABLE"
