"""A broker that goes away, and a topic that grows."""

import time
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from crash.count_kafka.site import Site
from crash.count_kafka.traffic import minutes, year_ahead
from servers.kafka import Kafka, OwnKafka

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "away_s",
    [
        0,
        pytest.param(
            100,
            marks=[pytest.mark.soak, pytest.mark.timeout(400)],
            id="longer than a transaction or a member may be silent",
        ),
    ],
)
def test_a_broker_is_killed_and_comes_back(own_kafka: OwnKafka, tmp_path: Path, away_s: float) -> None:
    """The count goes on by itself, from what was committed."""
    with Site(tmp_path, own_kafka) as site, site.start("--workers", "2") as counting:
        site.send(minutes(0, 12))
        site.wait_results()
        own_kafka.kill()
        time.sleep(away_s)
        own_kafka.start()
        site.send(minutes(12, 24))
        site.send(year_ahead(), counted=False)
        site.wait_exact()
        code = counting.stop()

    assert code == 0
    assert "Traceback" not in counting.told()


def test_a_count_can_be_stopped_while_the_broker_is_away(own_kafka: OwnKafka, tmp_path: Path) -> None:
    """It does not wait for the broker, and the next run counts what could not be committed."""
    with Site(tmp_path, own_kafka) as site:
        with site.start() as counting:
            site.send(minutes(0, 12))
            site.wait_results()
            own_kafka.kill()
            code = counting.stop()
            told = counting.told()
        own_kafka.start()
        site.send(year_ahead(), counted=False)
        with site.start():
            site.wait_exact()

    assert code in {0, 2}
    assert "Traceback" not in told
    assert "was killed" not in told


def test_a_topic_gets_a_partition_while_it_is_counted(kafka: Kafka, tmp_path: Path) -> None:
    """Frames of the new partition are counted from its first one on, and it holds the windows as the others do."""
    with Site(tmp_path, kafka) as site, site.start():
        site.send(minutes(0, 6))
        site.wait_results()
        kafka.extend(site.topic, 3)
        site.send(minutes(6, 18, partitions=3))
        site.send(year_ahead(3), counted=False)
        site.wait_exact()
