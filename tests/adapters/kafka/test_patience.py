"""Waiting for a broker."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from millstream.adapters.kafka.patience import Patience
from millstream.errors import BrokerError


class Broker:
    """Does not answer so many times; every attempt takes two seconds."""

    def __init__(self, silences: int, error: KafkaError | None = None) -> None:
        self.silences = silences
        self.error = error or KafkaError(KafkaError._TIMED_OUT, "no answer")
        self.now_s = 1000.0

    def now(self) -> float:
        return self.now_s

    def ask(self, attempt_s: float) -> str:
        if self.silences == 0:
            return "answer"
        self.silences -= 1
        self.now_s += attempt_s
        raise KafkaException(self.error)


def test_a_call_is_repeated_until_it_is_answered_and_says_so_now_and_then() -> None:
    """A minute of silence is told seven times, its end once."""
    broker, told = Broker(30), list[str]()

    answer = Patience(brokers="b:1", tell=told.append, now=broker.now).ask(broker.ask)

    assert answer == "answer"
    assert len(told) == 7
    assert told[0] == "kafka: b:1: no answer for 4 s (no answer); waiting for it, nothing is lost"
    assert told[-1] == "kafka: b:1: answers again after 58 s"


def test_a_short_silence_is_not_worth_a_word() -> None:
    """A broker that loads its coordinator is not away."""
    broker, told = Broker(1), list[str]()

    Patience(brokers="b:1", tell=told.append, now=broker.now).ask(broker.ask)

    assert told == []


def test_waiting_ends_when_it_is_limited_or_given_up() -> None:
    """Both are one clear line."""
    limited, given_up = Broker(1000), Broker(1000)
    patience = Patience(brokers="b:1", tell=lambda _: None, now=given_up.now)
    patience.give_up()

    with pytest.raises(BrokerError, match="found none that answers"):
        Patience(brokers="b:1", tell=lambda _: None, now=limited.now).ask(limited.ask, within_s=5)
    with pytest.raises(BrokerError, match="found none that answers"):
        patience.ask(given_up.ask)
    assert limited.now_s == 1005
    assert given_up.now_s == 1002


def test_an_error_that_does_not_pass_is_not_repeated() -> None:
    """It is for the caller to judge."""
    broker = Broker(2, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

    with pytest.raises(KafkaException):
        Patience(brokers="b:1", tell=lambda _: None, now=broker.now).ask(broker.ask)

    assert broker.silences == 1
