"""Administration of a cluster: topics, and the positions of consumer groups."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # it is documented
from confluent_kafka.cimpl import NewTopic

from millstream.adapters.kafka.client import ANSWER_LIMIT_S, Complaints, settings, translated
from millstream.adapters.kafka.connection import quiet_logger
from millstream.core.moment import Edge, Start
from millstream.errors import BrokerError, GroupActiveError, TopicExistsError, UnknownTopicError

DONE_LIMIT_S = 15.0
"""How long a change may take until everybody sees it."""
LOOK_EVERY_S = 0.05
_NOT_READY = {"COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "NOT_CONTROLLER"}

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic: how it is laid out. Topics of Kafka's own are `internal`."""

    name: str
    partitions: int
    replication_factor: int
    internal: bool
    has_leaders: bool


class Cluster:
    """A client for administration; `brokers` is `HOST:PORT[,HOST:PORT...]`.

    Every call blocks until the cluster has answered, for a few seconds at most, and raises BrokerError.
    """

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self._complaints = Complaints()
        with translated(self.brokers, self._complaints):
            self._client = AdminClient(settings(brokers, self._complaints), logger=quiet_logger())

    def topics(self) -> dict[str, Topic]:
        """All topics by name, those of Kafka's own included."""
        with translated(self.brokers, self._complaints):
            try:
                found = self._client.list_topics(timeout=ANSWER_LIMIT_S).topics
            finally:
                self._client.poll(0)  # hands over what there is to complain about
        return {name: _topic(name, metadata) for name, metadata in sorted(found.items())}

    def topic(self, name: str) -> Topic:
        """A topic; raises UnknownTopicError."""
        found = self.topics().get(name)
        if found is None:
            raise UnknownTopicError(brokers=self.brokers, topic=name)
        return found

    def create(
        self,
        name: str,
        *,
        partitions: int | None = None,
        replication_factor: int | None = None,
        config: Mapping[str, str] | None = None,
        may_exist: bool = False,
    ) -> Topic:
        """Make a topic and wait until it can be used; what is None is left to the cluster.

        With `may_exist` one that is there already, perhaps made by somebody else at this moment, is taken as it is.
        """
        new = NewTopic(name, partitions or -1, replication_factor or -1, config=dict(config or {}))
        try:
            self._ask(self._client.create_topics, new)
        except BrokerError as error:
            if error.code != "TOPIC_ALREADY_EXISTS":
                raise
            if not may_exist:
                raise TopicExistsError(brokers=self.brokers, topic=name) from None
        self._await(lambda: name in (found := self.topics()) and found[name].has_leaders, f"topic {name!r} to be ready")
        return self.topic(name)

    def delete(self, names: Sequence[str]) -> None:
        """Delete topics with all of their records, and wait until they are gone; raises UnknownTopicError."""
        unknown = [name for name in names if name not in self.topics()]
        if unknown:
            raise UnknownTopicError(brokers=self.brokers, topic=unknown[0])
        for name in names:
            self._ask(self._client.delete_topics, name)
        self._await(lambda: self.topics().keys().isdisjoint(names), "deleted topics to be gone")

    def offsets(self, topics: Mapping[str, int], at: Start) -> dict[str, dict[int, int]]:
        """The offset of each partition of topics (name and number of partitions) at an edge or a time.

        A time that is later than everything is the latest offset.
        """
        places = [TopicPartition(name, each) for name, count in topics.items() for each in range(count)]
        found: dict[str, dict[int, int]] = {name: {} for name in topics}
        for place, offset in zip(places, self._list_offsets(places, at), strict=True):
            found[place.topic][place.partition] = offset
        late = {name: count for name, count in topics.items() if min(found[name].values(), default=0) < 0}
        latest = self.offsets(late, Edge.LATEST) if late else {}
        return {
            name: {each: offset if offset >= 0 else latest[name][each] for each, offset in partitions.items()}
            for name, partitions in found.items()
        }

    def members(self, group: str) -> int:
        """How many members of a consumer group are at work; 0 for a group that nobody knows."""
        try:
            return len(self._ask(self._client.describe_consumer_groups, group).members)
        except BrokerError as error:
            if error.code != "GROUP_ID_NOT_FOUND":
                raise
            return 0

    def check_idle(self, group: str) -> None:
        """Raise GroupActiveError while members of a consumer group are at work."""
        members = self.members(group)
        if members:
            raise GroupActiveError(brokers=self.brokers, group=group, members=members)

    def reset(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Set the positions of an idle group in a topic, and forget its notes; raises GroupActiveError."""
        self.check_idle(group)
        places = [TopicPartition(topic, partition, offset) for partition, offset in sorted(offsets.items())]
        request = ConsumerGroupTopicPartitions(group, places)
        answer = self._ask(self._client.alter_consumer_group_offsets, request)
        refused = [place.error for place in answer.topic_partitions if place.error is not None]
        if refused:
            raise BrokerError(brokers=self.brokers, reason=refused[0].str())

    def forget(self, group: str) -> None:
        """Delete all positions of an idle group; nothing happens when there is none. Raises GroupActiveError."""
        self.check_idle(group)
        try:
            self._ask(self._client.delete_consumer_groups, group)
        except BrokerError as error:
            if error.code != "GROUP_ID_NOT_FOUND":
                raise

    def _list_offsets(self, places: Sequence[TopicPartition], at: Start) -> list[int]:
        """The offset of each place; below 0 where nothing is as late as that."""
        if not places:
            return []
        futures = self._client.list_offsets(dict.fromkeys(places, _spec(at)), request_timeout=ANSWER_LIMIT_S)
        with translated(self.brokers, self._complaints):
            return [futures[place].result(DONE_LIMIT_S).offset for place in places]

    def _ask(self, method: "Callable[..., Mapping[Any, Future[Any]]]", request: object) -> Any:
        """The answer to one request, made again while the cluster says that it is not ready yet."""
        until_s = time.monotonic() + DONE_LIMIT_S
        while True:
            (future,) = method([request], request_timeout=ANSWER_LIMIT_S).values()
            try:
                with translated(self.brokers, self._complaints):
                    return future.result(DONE_LIMIT_S)
            except BrokerError as error:
                if error.code not in _NOT_READY or time.monotonic() > until_s:
                    raise
            time.sleep(LOOK_EVERY_S)

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + DONE_LIMIT_S
        while not condition():
            if time.monotonic() > until_s:
                raise BrokerError(brokers=self.brokers, reason=f"waited {DONE_LIMIT_S:.0f} s for {what}")
            time.sleep(LOOK_EVERY_S)


def _topic(name: str, metadata: Any) -> Topic:
    partitions = metadata.partitions.values()
    return Topic(
        name=name,
        partitions=len(partitions),
        replication_factor=max((len(each.replicas) for each in partitions), default=0),
        internal=name.startswith("__"),
        has_leaders=bool(partitions) and all(each.leader >= 0 for each in partitions),
    )


def _spec(at: Start) -> Any:
    match at:
        case Edge.EARLIEST:
            return OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        case Edge.LATEST:
            return OffsetSpec.latest()  # type: ignore[no-untyped-call]
        case seconds:
            return OffsetSpec.for_timestamp(round(seconds * 1000))
