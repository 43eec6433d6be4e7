"""The values of an ingestion."""

import pytest

from millstream.core.ingestion import FileSpec, chunk_id, plan_id


@pytest.mark.parametrize(
    ("sink", "is_joined"),
    [
        ("out", True),
        ("/data/amqp", True),
        ("amqp:", True),
        ("amqp://host/queue", False),
        ("kafka://host:9092/topic", False),
    ],
)
def test_what_is_joined_into_one_file(sink: str, is_joined: bool) -> None:
    """A sink that is no broker is a folder, where the chunks of an ingestion become one file."""
    assert FileSpec(message_id="m", container="c", name="n", sink=sink).is_joined is is_joined


def test_ids_are_in_the_order_of_the_file() -> None:
    """Ids of chunks and plan steps are different, and sorted as their numbers are, up to a million."""
    numbers = [0, 1, 9, 10, 99_999, 100_000, 999_999]
    chunks, plans = ([name("m", seq=seq) for seq in numbers] for name in (chunk_id, plan_id))

    assert chunks == sorted(chunks)
    assert plans == sorted(plans)
    assert not set(chunks) & set(plans)
    assert chunks[0] == "m-000000"
    assert plans[0] == "m-plan-000000"
