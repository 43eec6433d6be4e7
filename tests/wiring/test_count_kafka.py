"""From settings to a live count, and what is refused before anything is started."""

import pytest

pytest.importorskip("datasketches")

from millstream.config import read_count_config
from millstream.core.moment import Edge
from millstream.counting.model import ALL_SIZES, Size
from millstream.counting.windows.agenda import Emit
from millstream.errors import ConfigurationError
from millstream.wiring.kafka_count import KafkaCount, kafka_count_of

SOURCE = "kafka://broker:9092/clicks"


def count_of(**settings: object) -> KafkaCount:
    """What settings come to."""
    config = read_count_config({"sources": [SOURCE], **settings}, environment={})
    return kafka_count_of(config, state="state")


def test_a_topic_alone_is_a_count() -> None:
    """One worker and the merger, all sizes, early results in `user-data`, copies beside them, from the beginning."""
    count = count_of()

    assert (count.brokers, count.topic, count.group, count.results) == (
        "broker:9092",
        "clicks",
        "millstream-count",
        "user-data",
    )
    assert (count.workers, count.merges, count.start, count.state) == (1, True, None, "state")
    assert (count.sizes, count.emit, count.idle_s, count.grace_s) == (ALL_SIZES, Emit.EARLY, 10.0, 60)
    assert (count.rejects, count.copies) == (None, True)
    assert (count.clock.lateness_s, count.connection.rejects) == (5, "millstream-count-rejects")
    assert count.connection.session_timeout_s == 10


def test_every_setting_arrives() -> None:
    """Sizes, keys, times, topics and the place to begin."""
    count = count_of(
        by="minute,day", uid="user.id", ts="at", lateness="30s", grace="2m", emit="ontime", idle="3s", exact=True,
        zone="Europe/Zurich", output="kafka://broker:9092/users", rejects="lost", workers=3, group="g", from_="latest",
    )  # fmt: skip

    assert count.sizes == Size.MINUTE.bit | Size.DAY.bit
    assert (count.uid, count.ts, count.zone, count.exact) == ("user.id", "at", "Europe/Zurich", True)
    assert (count.clock.lateness_s, count.grace_s, count.idle_s) == (30, 120, 3.0)
    assert (count.results, count.rejects, count.group, count.start) == ("users", "lost", "g", Edge.LATEST)
    assert (count.workers, count.emit) == (3, Emit.ONTIME)


@pytest.mark.parametrize(("role", "workers", "merges"), [("both", 1, True), ("worker", 1, False), ("merger", 0, True)])
def test_a_role_is_a_part_of_the_work(role: str, workers: int, merges: bool) -> None:
    """Workers, the merger, or both."""
    count = count_of(role=role)

    assert (count.workers, count.merges) == (workers, merges)


def test_copies_can_be_off() -> None:
    """`off` is no topic."""
    count = count_of(rejects="off")

    assert (count.rejects, count.copies) == (None, False)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sources": [SOURCE, "kafka://broker:9092/more"]}, "expected one topic alone, found 2 sources"),
        ({"sources": ["kafka://broker:9092"]}, "sources: "),
        ({"output": "kafka://elsewhere:9092/users"}, "output: expected a topic of broker:9092"),
        ({"output": "users.jsonl"}, "output: expected a topic such as kafka://broker:9092/user-data"),
        ({"rejects": "kafka://elsewhere:9092/lost"}, "rejects: expected a topic of broker:9092"),
        ({"from_": "yesterday-ish"}, "from: expected earliest, latest or a time"),
        ({"group": "a group"}, "group: "),
        ({"allow_loss": True}, "a live count never stops for losses"),
        ({"role": "merger", "workers": 2}, "expected none with the role merger"),
    ],
)
def test_what_cannot_be_counted_is_refused(settings: dict[str, object], problem: str) -> None:
    """Each problem is a line that says what was expected."""
    with pytest.raises(ConfigurationError) as refused:
        count_of(**settings)

    (line,) = refused.value.problems
    assert problem in line
