"""Looks at a topic: is it still the one that was begun, and has it more partitions by now?

Theory of operation: a topic that is deleted and made again under its name is another one: its offsets begin anew. The
cluster tells them apart by an id. A client notices some of that, but not what happens between two of its looks: it then
goes on at the old offsets in the new topic. An id never comes back, so records are of the topic that was begun if it
has still that id after they came. Questions are asked in the background: one now and then, for which nobody waits, and
one after each time that records came, whose answer is waited for when they are made up.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from millstream.adapters.kafka.client import Complaints, broker_error
from millstream.adapters.kafka.connection import Connection, quiet_logger
from millstream.adapters.kafka.patience import error_of, is_passing
from millstream.errors import UnknownTopicError

_ANSWER_S = 5.0
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A topic as the cluster describes it."""

    topic_id: str
    partitions: int


class TopicWatch:
    """Asks for the input topic of `connection` every `discovery_s` seconds; used by one thread."""

    def __init__(self, connection: Connection, *, now: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._now = now
        self._complaints = Complaints()
        config: dict[str, Any] = {**connection.client(), "error_cb": self._complaints}
        self._admin = AdminClient(config, logger=quiet_logger())
        self._asked: Future[Any] | None = None
        self._next_at = 0.0

    def first(self) -> Seen:
        """The topic as it is now; raises UnknownTopicError, or BrokerError when nobody answers within seconds."""
        try:
            seen = self._answer(self._ask())
        except KafkaException as exception:
            self._admin.poll(0)  # hands over what there is to complain about
            raise broker_error(
                error_of(exception), brokers=self._connection.brokers, complaints=self._complaints
            ) from None
        self._next_at = self._now() + self._connection.discovery_s
        return seen

    def look(self) -> Seen | None:
        """What the last question was answered, if it was by now; never waits.

        Raises UnknownTopicError when the topic is gone, and BrokerError for what repeating does not help.
        """
        if self._asked is None:
            if self._now() >= self._next_at:
                self._next_at = self._now() + self._connection.discovery_s
                self._asked = self._ask()
            return None
        if not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        return self._answer_or_none(asked)  # the reader notices a silence, too, and waits

    def ask(self) -> None:
        """Put the question that `confirm` answers."""
        self._confirming = self._ask()

    def confirm(self, within_s: float) -> Seen | None:
        """The topic as it was after `ask`; None if nobody answered within the time: then call it again.

        Raises what `look` raises.
        """
        wait([self._confirming], within_s)
        if not self._confirming.done():
            return None
        seen = self._answer_or_none(self._confirming)
        if seen is None:
            time.sleep(_PAUSE_S)  # an error that comes at once must not be asked for again at once
            self.ask()
        return seen

    def _ask(self) -> Future[Any]:
        topics = TopicCollection([self._connection.topic])
        asked: Future[Any] = self._admin.describe_topics(topics, request_timeout=_ANSWER_S)[self._connection.topic]
        return asked

    def _answer_or_none(self, asked: Future[Any]) -> Seen | None:
        """None for an error that may pass; raises BrokerError for others."""
        try:
            return self._answer(asked)
        except KafkaException as exception:
            error = error_of(exception)
            if is_passing(error):
                return None
            raise broker_error(error, brokers=self._connection.brokers, complaints=self._complaints) from None

    def _answer(self, asked: Future[Any]) -> Seen:
        try:
            found = asked.result()
        except KafkaException as exception:
            if error_of(exception).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                brokers, topic = self._connection.brokers, self._connection.topic
                raise UnknownTopicError(brokers=brokers, topic=topic) from None
            raise
        return Seen(topic_id=str(found.topic_id), partitions=len(found.partitions))
