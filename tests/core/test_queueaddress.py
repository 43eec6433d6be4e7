"""Addresses of RabbitMQ: read into parts, shown without the password."""

# ruff: noqa: S106 - passwords that open nothing

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.queueaddress import BrokerAddress, is_amqp, parse_broker, parse_queue, without_password
from millstream.errors import InvalidValueError

SECRET = "s3cr3t!"  # noqa: S105 - it opens nothing


@pytest.mark.parametrize(
    ("text", "broker", "queue", "shown"),
    [
        ("amqp://h/q", BrokerAddress(host="h"), "q", "amqp://h:5672/q"),
        ("amqp://h:1/v/q", BrokerAddress(host="h", port=1, vhost="v"), "q", "amqp://h:1/v/q"),
        ("amqp://h/%2F/q", BrokerAddress(host="h"), "q", "amqp://h:5672/q"),
        ("amqp://h/a%2Fb/q", BrokerAddress(host="h", vhost="a/b"), "q", "amqp://h:5672/a%2Fb/q"),
        ("amqp://h/a%20b", BrokerAddress(host="h"), "a b", "amqp://h:5672/a%20b"),
        ("amqp://u:p@h/q", BrokerAddress(host="h", user="u", password="p"), "q", "amqp://h:5672/q"),
        ("amqp://u:p%40%2F@h/q", BrokerAddress(host="h", user="u", password="p@/"), "q", "amqp://h:5672/q"),
        ("amqps://h/q", BrokerAddress(host="h", port=5671, is_encrypted=True), "q", "amqps://h:5671/q"),
        ("amqp://[::1]:7/q", BrokerAddress(host="[::1]", port=7), "q", "amqp://[::1]:7/q"),
    ],
)
def test_an_address_is_read_into_its_parts(text: str, broker: BrokerAddress, queue: str, shown: str) -> None:
    """User and password are guest unless they are said, and are not shown."""
    address = parse_queue(text)

    assert (address.broker, address.queue, str(address), address.shown) == (broker, queue, shown, shown)
    assert parse_queue(shown).shown == shown


@pytest.mark.parametrize("text", ["amqp://h", "amqp://h/", "amqp://h/v/", "amqp://h/a/b/c", "amqp:///q", "kafka://h/q"])
def test_what_is_no_queue_is_refused(text: str) -> None:
    """The error names what was given, and what was expected."""
    with pytest.raises(InvalidValueError, match="to: expected"):
        parse_queue(text, name="to")


@pytest.mark.parametrize("text", ["amqp://h:0/q", "amqp://h:65536/q", f"amqp://h/{'q' * 256}"])
def test_what_is_out_of_range_is_refused(text: str) -> None:
    """Ports and the lengths of names have limits."""
    with pytest.raises(InvalidValueError):
        parse_queue(text)


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("amqp://h", BrokerAddress(host="h")),
        ("amqp://h/", BrokerAddress(host="h")),
        ("amqp://u:p@h:8/v", BrokerAddress(host="h", port=8, vhost="v", user="u", password="p")),
    ],
)
def test_a_server_can_be_named_without_a_queue(text: str, broker: BrokerAddress) -> None:
    """For those who choose the queue themselves."""
    assert parse_broker(text) == broker


def test_a_server_with_a_queue_is_refused() -> None:
    """Where no queue is to be named, one is a mistake."""
    with pytest.raises(InvalidValueError, match="without a queue"):
        parse_broker("amqp://h/v/q")


@pytest.mark.parametrize(
    "text",
    [
        f"amqp://u:{SECRET}@h/q",
        f"amqp://u:{SECRET}@h",
        f"amqp://u:{SECRET}@h:0/q",
        f"amqp://u:{SECRET}/x@h/q",
        f"amqp://u:{SECRET}@x@h/q",
        f"amqp://u:{SECRET}\n@h/q",
        f"AMQP://u:{SECRET}@h/q",
    ],
)
def test_the_password_is_in_no_text(text: str) -> None:
    """Neither in what is shown, nor in the value's repr, nor in an error, however wrong the address is."""
    try:
        address = parse_queue(text)
    except InvalidValueError as error:
        told = f"{error} {error.found}"
    else:
        told = f"{address} {address!r} {address.broker} {address.broker!r}"

    assert SECRET not in told
    assert SECRET not in without_password(text)


@given(password=st.text(st.characters(exclude_categories=["Cs"])), vhost=st.text(min_size=1, max_size=9))
def test_every_password_and_virtual_host_can_be_written(password: str, vhost: str) -> None:
    """With `%XX` for what is special."""
    text = f"amqp://me:{quote(password, safe='')}@h/{quote(vhost.encode('utf-8', 'ignore'), safe='')}x/q"

    address = parse_queue(text)

    assert address.broker.password == password
    assert address.broker.vhost == vhost.encode("utf-8", "ignore").decode() + "x"
    assert parse_queue(str(address)).broker.vhost == address.broker.vhost


def test_an_address_is_recognised() -> None:
    """By its scheme alone."""
    assert is_amqp("amqp://h/q")
    assert is_amqp("AMQPS:x")
    assert not is_amqp("kafka://h/q")
    assert not is_amqp("amqp.jsonl")


@pytest.mark.parametrize(
    "text", ["host=db password=secret user=u", "host=db PASSWORD = 'se cret'", "db?password=secret&a=b"]
)
def test_a_password_as_a_word_is_not_shown(text):
    """Whatever form an address has that somebody tried."""
    assert "cret" not in without_password(text)
