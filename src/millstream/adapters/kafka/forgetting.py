"""Deletes the markers of chunks that nobody will work again, in a process of its own.

Theory of operation: a marker is a consumer group, and only the client for administration can delete one. That client
may take its process down while a group's coordinator is just coming up (librdkafka 2.16), so it runs in a process that
does nothing else. What is not deleted is left to the broker, which forgets it with its other positions.
"""

import sys
from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from millstream.adapters.kafka.chunkmarker import group_of
from millstream.adapters.kafka.client import Complaints, settings
from millstream.adapters.kafka.connection import quiet_logger
from millstream.adapters.kafka.patience import error_of

AT_ONCE = 500
ANSWER_S = 20.0


def forget_markers(brokers: str, batch_ids: Sequence[str]) -> int:
    """Delete the markers of these chunks; returns how many could not be. Those that are not there are fine."""
    client = AdminClient(settings(brokers, Complaints()), logger=quiet_logger())
    left = 0
    for start in range(0, len(batch_ids), AT_ONCE):
        groups = [group_of(batch_id) for batch_id in batch_ids[start : start + AT_ONCE]]
        answers = client.delete_consumer_groups(groups, request_timeout=ANSWER_S)
        left += sum(not _is_gone(answer) for answer in answers.values())
    return left


def _is_gone(answer: object) -> bool:
    try:
        answer.result(ANSWER_S)  # type: ignore[attr-defined] # a future of the client's own
    except KafkaException as exception:
        return error_of(exception).code() == KafkaError.GROUP_ID_NOT_FOUND
    return True


def main(words: Sequence[str], batch_ids: Iterable[str]) -> int:
    """The process: brokers as its one word, batch ids as lines of its input."""
    return 1 if forget_markers(words[0], [line.strip() for line in batch_ids]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin))
