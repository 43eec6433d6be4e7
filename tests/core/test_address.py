"""Addresses of topics: read as they are meant, or refused in one clear line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.address import TopicAddress, is_kafka, parse_address, parse_brokers, parse_cluster
from millstream.errors import InvalidValueError

topics = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True).filter(lambda topic: topic not in {".", ".."})
hosts = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{2,5})?", fullmatch=True)
brokers = st.lists(st.tuples(hosts, st.integers(1, 65_535)), min_size=1, max_size=4)


@given(brokers, topics)
def test_an_address_is_its_text(places: list[tuple[str, int]], topic: str) -> None:
    """What an address is made of comes back, and its text is what was read."""
    text = f"kafka://{','.join(f'{host}:{port}' for host, port in places)}/{topic}"

    address = parse_address(text)

    assert address.topic == topic
    assert str(address) == text
    assert parse_address(str(address.beside("other"))).topic == "other"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kafka://localhost/clicks", ("localhost:9092", "clicks")),
        ("kafka://a, b:1/clicks", ("a:9092,b:1", "clicks")),
        ("kafka://[::1]:9093/x", ("[::1]:9093", "x")),
        ("kafka://localhost:9092", ("localhost:9092", None)),
        ("kafka://localhost:9092/", ("localhost:9092", None)),
    ],
)
def test_what_is_missing_is_filled_in(text: str, found: tuple[str, str | None]) -> None:
    """A port that is missing is 9092, and a cluster needs no topic."""
    assert parse_cluster(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:9092/clicks",
        "kafka:/localhost:9092/clicks",
        "kafka://",
        "kafka:///clicks",
        "kafka://localhost:9092",
        "kafka://localhost:9092/",
        "kafka://localhost:0/clicks",
        "kafka://localhost:65536/clicks",
        "kafka://localhost:port/clicks",
        "kafka://localhost:9092,/clicks",
        "kafka://local host:9092/clicks",
        "kafka://localhost:9092/clicks/more",
        "kafka://localhost:9092/..",
        "kafka://localhost:9092/clicks?x=1",
        "kafka://localhost:9092/" + "x" * 250,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """What cannot be read is refused under the name of its argument."""
    with pytest.raises(InvalidValueError, match=r"^source: expected .*, found "):
        parse_address(text, name="source")


def test_an_address_is_told_from_a_file() -> None:
    """Whatever starts with the scheme is meant as an address, also if it is wrong."""
    assert is_kafka("kafka:/x")
    assert is_kafka("KAFKA://x/y")
    assert not is_kafka("kafka.jsonl")


def test_brokers_need_no_scheme() -> None:
    """A list of brokers is read by itself."""
    assert parse_brokers("a:1,b") == "a:1,b:9092"
    assert TopicAddress(brokers="a:1", topic="t").beside("u") == TopicAddress(brokers="a:1", topic="u")
