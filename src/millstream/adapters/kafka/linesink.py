"""Puts the results of a count of files or of standard input out to a topic.

Theory of operation: each line becomes a record under its key, so the topic can be compacted and keeps the newest value
of each window. Lines are put on their way at once and delivered in the background. A checkpoint, and the end, wait
until the brokers have them all, so a crash can repeat what came after the last checkpoint and lose nothing.
"""

from collections.abc import Callable

from millstream.adapters.kafka.admin import Cluster, Topic
from millstream.adapters.kafka.producer import LineProducer
from millstream.adapters.kafka.topics import RESULTS
from millstream.core.address import TopicAddress
from millstream.errors import BrokerError, OutputError

_LOOK_S = 0.2


def ensure_results(address: TopicAddress) -> Topic:
    """The topic as it is, or made for results: compacted, with one partition. Raises BrokerError."""
    cluster = Cluster(address.brokers)
    found = cluster.topics().get(address.topic)
    return found or cluster.create(address.topic, partitions=1, config=RESULTS, may_exist=True)


class TopicLines:
    """A topic as a sink of lines, made if it is missing; `key` tells the key of a line. Implements counting's LineSink.

    Raises BrokerError when no broker answers at the start, and OutputError when a record was not delivered within a
    minute later. Used by one thread.
    """

    def __init__(self, address: TopicAddress, *, key: Callable[[bytes], str]) -> None:
        self._address = address
        self._key = key
        self._producer = LineProducer(address, partitions=ensure_results(address).partitions)
        self._length = 0
        self._is_over = False

    @property
    def length(self) -> int:
        """See LineSink; a topic cannot be cut, so it counts from the start of this process."""
        return self._length

    def write(self, data: bytes) -> None:
        """See LineSink; blocks while very many records are on their way."""
        lines = data.splitlines()
        try:
            self._producer.send(lines, keys=[self._key(line) for line in lines])
        except BrokerError as error:
            self._is_over = True
            raise self._failure(error.reason) from None
        self._length += len(data)
        self._check()

    def flush(self) -> None:
        """See LineSink; what was written is on its way, and this tells whether all is well."""
        self._producer.wait(0)  # hears what could not be delivered
        self._check()

    def sync(self) -> int:
        """See LineSink; blocks until every record is delivered."""
        self._is_over = True  # unless it comes to its end: `close` must not wait again for what failed or was given up
        while self._producer.wait(_LOOK_S):
            self._check()
        self._check()
        self._is_over = False
        return self._length

    def close(self) -> None:
        """See LineSink; delivers what is left, unless that failed before."""
        if not self._is_over:
            self.sync()
            self._is_over = True

    def _check(self) -> None:
        if self._producer.failed:
            self._is_over = True
            trouble = f" ({self._producer.trouble})" if self._producer.trouble else ""
            raise self._failure(self._producer.failure + trouble)

    def _failure(self, reason: str) -> OutputError:
        return OutputError(
            path=str(self._address),
            reason=f"expected every result to be delivered, found: {reason}",
            hint="see to the brokers and the topic, then start the same command again",
        )
