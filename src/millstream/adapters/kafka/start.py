"""Where a group begins to read that has never read its topic.

Theory of operation: a group that has read a topic always goes on where it stopped; anything else would count frames
twice, since what it counted is kept. Only for a group without any position does the start matter, and it is settled
once for all partitions, before the first member joins: the positions are committed with the note `FRESH`. A broker
takes them only while the group has no member, so of several workers that start together one settles it for all, and
none can move a position that another one reads from. A partition that appears later has no position, and is read from
its first record.
"""

from confluent_kafka import Consumer, KafkaException, TopicPartition

from millstream.adapters.kafka.patience import Patience, Tell
from millstream.core.moment import Edge, Start
from millstream.errors import BrokerError

FRESH = "fresh"
"""The note of a position that nothing was read from yet."""

NOWHERE = -1
"""Offsets below zero are not offsets."""


def committed(
    consumer: Consumer, *, topic: str, partitions: range | list[int], patience: Patience
) -> dict[int, TopicPartition]:
    """The committed position of each partition; its `offset` is below zero where there is none.

    Waits for transactions of the group that are still open, for as long as a broker lets them be.
    """
    if not partitions:
        return {}
    wanted = [TopicPartition(topic, each) for each in partitions]
    found = patience.ask(lambda attempt_s: _without_errors(consumer.committed(wanted, timeout=attempt_s)))
    return {each.partition: each for each in found}


def positions(
    consumer: Consumer, *, topic: str, partitions: list[int], patience: Patience
) -> dict[int, TopicPartition]:
    """Where to go on in each partition: what is committed, or the first record that is left, with the note `FRESH`."""
    found = committed(consumer, topic=topic, partitions=partitions, patience=patience)
    for partition, place in found.items():
        if place.offset <= NOWHERE:
            first, _ = limits(consumer, topic=topic, partition=partition, patience=patience)
            found[partition] = TopicPartition(topic, partition, first, metadata=FRESH)
    return found


def first_left(wanted: int, *, limits: tuple[int, int], brokers: str, where: str, tell: Tell) -> int:
    """Where to go on when the offset that comes next is not there.

    What is too old costs frames, which is told. One beyond the end is of another topic: raises BrokerError.
    """
    low, high = limits
    if wanted > high:
        raise BrokerError(
            brokers=brokers,
            reason=f"{where} ends at {high}, but {wanted} of it were read",
            hint="if it was deleted and made again, count it under another --group, or reset this one",
        )
    tell(f"kafka: {brokers}: {where}: retention deleted up to {low - wanted} frames before they were read")
    return low


def limits(consumer: Consumer, *, topic: str, partition: int, patience: Patience) -> tuple[int, int]:
    """The first offset that is still there, and the end, as the broker has them now."""
    place = TopicPartition(topic, partition)
    low, high = patience.ask(lambda attempt_s: consumer.get_watermark_offsets(place, timeout=attempt_s))
    return low, high


def settle(
    consumer: Consumer, *, topic: str, partitions: int, group: str, start: Start | None, patience: Patience, tell: Tell
) -> None:
    """Commit where the group begins, if it has no position yet; `consumer` must not have joined the group."""
    if start is None:
        return
    known = committed(consumer, topic=topic, partitions=range(partitions), patience=patience)
    if any(each.offset > NOWHERE for each in known.values()):
        tell(
            f"group {group} goes on where it stopped in {topic}: --from is for a group that has not read it yet; "
            "to count again from elsewhere, name another --group, or reset this one"
        )
    elif start is not Edge.EARLIEST:
        offsets = _wanted(consumer, topic=topic, partitions=partitions, start=start, patience=patience)
        places = [TopicPartition(topic, each, offset, metadata=FRESH) for each, offset in offsets.items()]
        try:
            consumer.commit(offsets=places, asynchronous=False)
        except KafkaException:
            tell(f"group {group} is at work already: its first member settled where it begins in {topic}")


def _wanted(consumer: Consumer, *, topic: str, partitions: int, start: Start, patience: Patience) -> dict[int, int]:
    ends = {each: limits(consumer, topic=topic, partition=each, patience=patience)[1] for each in range(partitions)}
    if isinstance(start, Edge):
        return ends
    times = [TopicPartition(topic, each, round(start * 1000)) for each in range(partitions)]
    found = patience.ask(lambda attempt_s: _without_errors(consumer.offsets_for_times(times, timeout=attempt_s)))
    return ends | {each.partition: each.offset for each in found if each.offset > NOWHERE}


def _without_errors(found: list[TopicPartition]) -> list[TopicPartition]:
    """The client reports errors of single partitions beside the answer."""
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return found
