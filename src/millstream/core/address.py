"""Addresses of Kafka topics as people write them: `kafka://HOST:PORT[,HOST:PORT...]/TOPIC`.

Theory of operation: an address is read once, at the border, into its two parts; nothing behind it sees the text again.
Several brokers are ways into one cluster, any of which may be down.
"""

import re
from dataclasses import dataclass

from millstream.errors import InvalidValueError

SCHEME = "kafka://"
DEFAULT_PORT = 9092
MAX_PORT = 65_535
_BROKER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicAddress:
    """A topic of a cluster; `brokers` is `HOST:PORT[,HOST:PORT...]`."""

    brokers: str
    topic: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.brokers}/{self.topic}"

    def beside(self, topic: str) -> "TopicAddress":
        """Another topic of the same cluster."""
        return TopicAddress(brokers=self.brokers, topic=parse_topic(topic))


def is_kafka(text: str) -> bool:
    """Whether it is meant as an address of Kafka, right or wrong."""
    return text.lower().startswith("kafka:")


def parse_address(text: str, *, name: str = "address") -> TopicAddress:
    """Read the address of a topic; raises InvalidValueError under that name."""
    brokers, topic = parse_cluster(text, name=name)
    if topic is None:
        raise InvalidValueError(
            name=name, expected="a topic at the end, as in kafka://localhost:9092/clicks", found=text
        )
    return TopicAddress(brokers=brokers, topic=topic)


def parse_cluster(text: str, *, name: str = "address") -> tuple[str, str | None]:
    """Read an address whose topic may be missing, as (brokers, topic or None); raises InvalidValueError."""
    if not text.startswith(SCHEME):
        raise InvalidValueError(name=name, expected="an address such as kafka://localhost:9092/clicks", found=text)
    brokers, _, topic = text.removeprefix(SCHEME).partition("/")
    return parse_brokers(brokers, name=name), parse_topic(topic, name=name) if topic else None


def parse_brokers(text: str, *, name: str = "broker") -> str:
    """Read `HOST[:PORT][,HOST[:PORT]...]`, with ports added where they are missing; raises InvalidValueError."""
    found = [_BROKER.fullmatch(broker.strip()) for broker in text.split(",")]
    brokers = [f"{each['host']}:{int(each['port'] or DEFAULT_PORT)}" for each in found if each is not None]
    ports = [int(broker.rpartition(":")[2]) for broker in brokers]
    if len(brokers) < len(found) or not all(1 <= port <= MAX_PORT for port in ports):
        raise InvalidValueError(
            name=name, expected=f"HOST:PORT with a port from 1 to {MAX_PORT}, several with commas", found=text
        )
    return ",".join(brokers)


def parse_topic(text: str, *, name: str = "topic") -> str:
    """Read the name of a topic by Kafka's rules; raises InvalidValueError."""
    if _TOPIC.fullmatch(text) is None or text in {".", ".."}:
        raise InvalidValueError(
            name=name,
            expected="the name of a topic: at most 249 letters, digits, dots, dashes and underscores",
            found=text,
        )
    return text
