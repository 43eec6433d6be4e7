"""Workers that come and go while they count."""

from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from crash.count_kafka.site import SIGKILLED, Site
from crash.count_kafka.traffic import minutes, year_ahead
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


def test_workers_are_added_and_removed(kafka: Kafka, tmp_path: Path) -> None:
    """One joins and leaves in order, joins again and is killed: the partitions are shared anew each time."""
    with Site(tmp_path, kafka, partitions=3) as site, site.start():
        site.send(minutes(0, 8, partitions=3))
        with site.start("--role", "worker", state="second") as second:
            site.wait_members(2)
            site.send(minutes(8, 16, partitions=3))
            site.wait_results()
            code = second.stop()
        site.send(minutes(16, 24, partitions=3))
        with site.start("--role", "worker", state="second"):
            site.wait_members(2)
            site.send(minutes(24, 32, partitions=3))
        site.send(minutes(32, 40, partitions=3))
        site.send(year_ahead(3), counted=False)
        site.wait_exact()

    assert code == 0


def test_a_worker_is_killed_while_its_partitions_go_to_another(kafka: Kafka, tmp_path: Path) -> None:
    """What it had read and not committed is read by the other one."""
    with (
        Site(tmp_path, kafka) as site,
        site.start("--role", "merger", state="merger"),
        site.start("--role", "worker", state="first", fault="on_revoke:1") as first,
    ):
        site.wait_members(1)
        site.send(minutes(0, 12))
        with site.start("--role", "worker", state="second"):
            first.wait_told(SIGKILLED)
            site.send(minutes(12, 24))
            site.send(year_ahead(), counted=False)
            site.wait_exact()
