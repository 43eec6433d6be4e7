"""What is wrong with a source, an output or a Kafka cluster."""

from millstream.errors.root import MillstreamError


class SourceError(MillstreamError):
    """A source cannot be read."""

    def __init__(self, *, source: str, reason: str, hint: str = "") -> None:
        self.source, self.reason = source, reason
        super().__init__(f"source: {source}: {reason}" + (f"; {hint}" if hint else ""))


class RecordTooLongError(SourceError):
    """A record is longer than the engine may hold in memory."""

    def __init__(self, *, source: str, limit_bytes: int, at: int) -> None:
        super().__init__(
            source=source,
            reason=f"the record that starts at byte {at} is longer than {limit_bytes} bytes",
            hint="raise --max-record, or end records with a newline",
        )


class TransactionAbortedError(MillstreamError):
    """A transaction of a log did not take place, and never will; its writer goes on from what is committed."""


class FencedError(MillstreamError):
    """A successor took over the work of this process, or the outcome of a transaction cannot be known."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"this process no longer owns its work: {reason}; start it again")


class BrokerError(MillstreamError):
    """A Kafka cluster cannot do what it is asked for; `code` is Kafka's name for that, if it is Kafka's error."""

    def __init__(self, *, brokers: str, reason: str, hint: str = "", code: str = "") -> None:
        self.brokers, self.reason, self.code = brokers, reason, code
        super().__init__(f"kafka: {brokers}: {reason}" + (f"; {hint}" if hint else ""))


class UnknownTopicError(BrokerError):
    """A topic is asked for that is not there."""

    def __init__(self, *, brokers: str, topic: str) -> None:
        self.topic = topic
        super().__init__(
            brokers=brokers,
            reason=f"expected a topic {topic!r}, found none of that name",
            hint=f"make it with `millstream topics create kafka://{brokers}/{topic}`, or check the name",
        )


class TopicExistsError(BrokerError):
    """A topic is to be made that is there already."""

    def __init__(self, *, brokers: str, topic: str) -> None:
        self.topic = topic
        super().__init__(
            brokers=brokers,
            reason=f"expected no topic {topic!r} yet, found one",
            hint="use it as it is, choose another name, or delete it first",
        )


class GroupActiveError(BrokerError):
    """A consumer group has members, so its positions are theirs."""

    def __init__(self, *, brokers: str, group: str, members: int) -> None:
        super().__init__(
            brokers=brokers,
            reason=f"expected group {group!r} to be idle, found {members} of its members at work",
            hint="stop them first (after a crash they are forgotten within the session time-out)",
        )


class OutputError(MillstreamError):
    """An output cannot be written."""

    def __init__(self, *, path: str, reason: str, hint: str = "make room, or name another file") -> None:
        self.path, self.reason = path, reason
        super().__init__(f"output: {path}: {reason}; {hint}")
