"""Writes lines to a topic, fast, and knows what became of each.

Theory of operation: librdkafka reports back only what could not be delivered, so what is neither waiting nor failed was
delivered, and nothing is called back for it. Values without a key go to the partitions in turn, a short run each: all
partitions get lines of the same moment, in batches that compress. Values with a key go where Java's clients would put
them. Records are stamped with the time of writing.
"""

import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from millstream.adapters.kafka.client import Complaints, broker_error, settings, translated
from millstream.adapters.kafka.connection import quiet_logger
from millstream.core.address import TopicAddress

RUN = 100
"""Values without a key that go to one partition before the next one has its turn."""
GIVE_UP_S = 60
"""How long a record may take to be delivered until it counts as failed."""
_LONGEST_BYTES = 16 << 20
"""What is longer is not even tried; most topics take less, and refuse it themselves."""
_QUEUE_RECORDS = 200_000
_QUEUE_KIB = 256 << 10
_FULL_S = 0.05
_POLL_EVERY_S = 0.05
"""Asking for reports costs as much as sending 500 values; nothing waits for them."""


class LineProducer:
    """A writer of one topic with `partitions` partitions; used by one thread.

    `send` blocks while the queue of what is on its way is full. Delivery is idempotent: nothing is written twice by a
    retry, and the values of a partition keep their order.
    """

    def __init__(self, address: TopicAddress, *, partitions: int) -> None:
        self._address = address
        self._partitions = partitions
        self._complaints = Complaints()
        self._queued = 0
        self._next = 0
        self._polled_s = 0.0
        self.failed = 0
        """Values that were not delivered, and will not be."""
        self.failure = ""
        """Why the first of them was not."""
        with translated(address.brokers, self._complaints):
            self._producer = Producer(
                settings(
                    address.brokers,
                    self._complaints,
                    enable_idempotence=True,
                    compression_type="lz4",
                    linger_ms=20,
                    partitioner="murmur2_random",
                    message_timeout_ms=GIVE_UP_S * 1000,
                    message_max_bytes=_LONGEST_BYTES,
                    queue_buffering_max_messages=_QUEUE_RECORDS,
                    queue_buffering_max_kbytes=_QUEUE_KIB,
                    delivery_report_only_error=True,
                    on_delivery=self._reported,
                ),
                logger=quiet_logger(),
            )

    @property
    def waiting(self) -> int:
        """Values that are on their way."""
        return len(self._producer)

    @property
    def delivered(self) -> int:
        """Values that are in the topic for sure."""
        return max(self._queued - self.failed - len(self._producer), 0)

    @property
    def trouble(self) -> str:
        """Why the broker does not answer at the moment, or nothing."""
        return self._complaints.trouble

    def send(self, values: Sequence[bytes], *, keys: Sequence[str | None] | None = None) -> None:
        """Put values on their way, with or without keys (a key that is None is none).

        Raises BrokerError when nothing can be delivered any more.
        """
        if keys is None:
            for start in range(0, len(values), RUN):
                self._put(values[start : start + RUN], None, self._next)
                self._next = (self._next + 1) % self._partitions
        else:
            for value, key in zip(values, keys, strict=True):
                self._put([value], key, -1)
        now_s = time.monotonic()
        if now_s > self._polled_s + _POLL_EVERY_S:
            self._polled_s = now_s
            self._producer.poll(0)
        if self._complaints.fatal is not None:
            raise broker_error(self._complaints.fatal, brokers=self._address.brokers, complaints=self._complaints)

    def wait(self, limit_s: float) -> int:
        """Wait until nothing is on its way, at most so long; returns how many values still are."""
        return self._producer.flush(limit_s)

    def _put(self, values: Sequence[bytes], key: str | None, partition: int) -> None:
        produce, topic = self._producer.produce, self._address.topic
        for value in values:
            while True:
                try:
                    produce(topic, value, key, partition)
                except BufferError:
                    self._producer.poll(_FULL_S)
                except KafkaException as error:  # this value alone, which is too long
                    self._fail(error.args[0])
                    break
                else:
                    break
        self._queued += len(values)

    def _reported(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        self.failed += 1
        self.failure = self.failure or error.str()
