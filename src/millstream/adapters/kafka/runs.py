"""Messages of the client -> runs of values, with as few calls for each message as possible.

Theory of operation: the client hands over one object for each message, and each question to it costs 30 ns or so, a
tenth of what is there for a frame. So only the partition and the value are asked of every message. The offsets of a
stretch of one partition rise; when the last one is as far from the first one as the stretch is long, there is no hole,
and they are a `range`. Errors, among them the end of a partition, come as messages, too; `any` finds out whether there
are some without a loop of Python's.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from confluent_kafka import Consumer, KafkaError, Message

from millstream.ports.framelog import Run

_ERROR = Message.error
_PARTITION = Message.partition
_VALUE = Message.value
_OFFSET = Message.offset


def take(consumer: Consumer, *, most: int, timeout_s: float) -> list[Message]:
    """What is there, at once; or what comes first, after at most `timeout_s`.

    Asking for `most` with a time-out would wait until there are so many.
    """
    messages = consumer.consume(most, 0)
    if not messages and timeout_s > 0:
        messages = consumer.consume(1, timeout_s)
        if messages:
            messages += consumer.consume(most - 1, 0)
    return messages


def without_events(
    messages: list[Message], *, trouble: Callable[[KafkaError, Message], None]
) -> tuple[list[Message], dict[int, int]]:
    """Records only, and the partitions that end with them, with their end offsets; other errors go to `trouble`."""
    if not any(map(_ERROR, messages)):
        return messages, {}
    records: list[Message] = []
    ended: dict[int, int] = {}
    for message in messages:
        error = message.error()
        if error is None:
            records.append(message)
            ended.pop(_number(message.partition()), None)  # it went on after its end
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the name librdkafka gives it
            ended[_number(message.partition())] = _number(message.offset())
        else:
            trouble(error, message)
    return records, ended


def runs(messages: list[Message], *, expected: dict[int, int], end: Callable[[int], int]) -> Iterator[Run]:
    """One run for each partition, from the offset in `expected` on, which is moved on; others are left out."""
    by_partition: dict[int, list[Message]] = {}
    for partition, stretch in _stretches(messages):
        known = by_partition.get(partition)
        by_partition[partition] = stretch if known is None else known + stretch
    for partition, records in by_partition.items():
        since = expected.get(partition)
        if since is None:
            continue
        if _number(records[0].offset()) < since:
            records = [each for each in records if _number(each.offset()) >= since]  # noqa: PLW2901 - the same, shorter
        if records:
            run = _run(partition, records, end(partition))
            expected[partition] = run.offsets[-1] + 1
            yield run


def follow(messages: list[Message], *, expected: dict[int, int]) -> bool:
    """Whether the records of each partition go on from `expected` without a hole or a step back."""
    following = dict(expected)
    for partition, offset in zip(map(_PARTITION, messages), map(_OFFSET, messages), strict=True):
        number = _number(partition)
        if following.get(number, offset) != offset:
            return False
        following[number] = _number(offset) + 1
    return True


def _stretches(messages: list[Message]) -> Iterator[tuple[int, list[Message]]]:
    """Neighbours of one partition together; a fetch brings many of them, so most often it is one stretch."""
    partitions = list(map(_PARTITION, messages))
    if partitions and partitions.count(partitions[0]) == len(partitions):
        yield _number(partitions[0]), messages
        return
    start = 0
    for partition, same in groupby(partitions):
        stop = start + sum(1 for _ in same)
        yield _number(partition), messages[start:stop]
        start = stop


def _run(partition: int, records: list[Message], end: int) -> Run:
    last = records[-1]
    offsets = _offsets(records)
    kind, stamped_ms = last.timestamp()
    return Run(
        partition=partition,
        values=list(map(_VALUE, records)),
        offsets=offsets,
        stamped_s=stamped_ms / 1000 if kind else None,
        end=max(end, offsets[-1] + 1),
    )


def _offsets(records: list[Message]) -> Sequence[int]:
    first, last = _number(records[0].offset()), _number(records[-1].offset())
    if last - first == len(records) - 1:
        return range(first, last + 1)
    return [_number(each) for each in map(_OFFSET, records)]


def _number(found: int | None) -> int:
    """The client's types say that a partition or an offset may be missing; those of what was received never are."""
    return -1 if found is None else found
