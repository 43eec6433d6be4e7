"""Processes that sleep for so long that others take over, and then wake up."""

import signal
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from crash.count_kafka.site import Site, send
from crash.count_kafka.traffic import START_S, minutes, year_ahead
from crash.killing import wait_until
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", ["before_commit", "after_produce", "after_offsets", "after_commit_sent"])
def test_a_worker_wakes_up_after_its_partitions_went(kafka: Kafka, tmp_path: Path, point: str) -> None:
    """What it was about to commit is refused, or was committed once: nothing is doubled."""
    with (
        Site(tmp_path, kafka) as site,
        site.start("--role", "merger", state="merger"),
        site.start("--role", "worker", state="zombie", freeze=f"{point}:4") as zombie,
    ):
        site.send_slowly(12, until=lambda: zombie.frozen() != [])
        pid = zombie.wait_frozen()
        with site.start("--role", "worker", state="second"):
            wait_until(lambda: site.committed() >= 2 * 12 * 60, timeout_s=60, what="the second worker")
            send(pid, signal.SIGCONT)
            site.wait_members(2)
            site.send(minutes(12, 24))
            site.send(year_ahead(), counted=False)
            site.wait_exact()


def test_a_worker_is_killed_when_it_learns_that_its_partitions_went(kafka: Kafka, tmp_path: Path) -> None:
    """Its successor begins where the others are."""
    with (
        Site(tmp_path, kafka) as site,
        site.start("--role", "merger", state="merger"),
        site.start("--role", "worker", state="zombie", fault="on_lost:1") as zombie,
    ):
        site.send(minutes(0, 12))
        site.wait_results()
        (pid,) = zombie.members()
        send(pid, signal.SIGSTOP)
        with site.start("--role", "worker", state="second"):
            site.send(minutes(12, 18))
            wait_until(lambda: site.committed() >= 2 * 18 * 60, timeout_s=60, what="the second worker")
            send(pid, signal.SIGCONT)
            zombie.wait_told("starting it again")
            site.send(minutes(18, 24))
            site.send(year_ahead(), counted=False)
            site.wait_exact()


@pytest.mark.parametrize("point", ["merger.before_commit", "after_produce", "after_offsets", "after_commit_sent"])
def test_a_merger_wakes_up_after_a_standby_took_over(kafka: Kafka, tmp_path: Path, point: str) -> None:
    """The one that stood by goes on from what was committed; when it goes, the other one goes on from there."""
    with (
        Site(tmp_path, kafka) as site,
        site.start("--role", "worker", state="worker"),
        site.start("--role", "merger", state="zombie", freeze=f"{point}:4") as zombie,
    ):
        site.send_slowly(12, until=lambda: zombie.frozen() != [])
        pid = zombie.wait_frozen()
        with site.start("--role", "merger", state="standby"):
            site.send(minutes(12, 24))
            site.wait_for(
                lambda newest: newest.get(f"minute:{START_S + 60 * 20}", {}).get("status") == "final",
                what="the one that stood by",
            )
            send(pid, signal.SIGCONT)
        site.send(year_ahead(), counted=False)
        site.wait_exact()
