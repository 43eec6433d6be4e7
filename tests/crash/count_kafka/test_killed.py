"""Workers and mergers that are killed: no window is wrong, none is final twice, and no revision goes back."""

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

import contextlib

from crash.count_kafka.site import SIGKILLED, Site, send
from crash.count_kafka.traffic import minutes, year_ahead
from servers.kafka import Kafka

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("MILLSTREAM_TEST_SEED", "20261122"))
POINTS = [
    ("after_poll", "merger.after_poll"),
    ("before_commit", "merger.before_commit"),
    ("after_produce", "after_produce"),
    ("after_offsets", "after_offsets"),
    ("after_commit_sent", "after_commit_sent"),
    ("after_commit", "after_commit"),
    ("after_commit_before_cache", "merger.after_commit"),
]


@pytest.mark.parametrize(("worker_point", "merger_point"), POINTS)
def test_a_worker_and_a_merger_are_killed_at_a_point(
    kafka: Kafka, tmp_path: Path, worker_point: str, merger_point: str
) -> None:
    """Killed between any two things that belong together, they go on as if nothing had happened."""
    with (
        Site(tmp_path, kafka) as site,
        site.start("--role", "worker", state="worker", fault=f"{worker_point}:8") as worker,
        site.start("--role", "merger", state="merger", fault=f"{merger_point}:6") as merger,
    ):
        site.send_slowly(25, until=lambda: SIGKILLED in worker.told())
        worker.wait_told(SIGKILLED)
        merger.wait_told(SIGKILLED)
        site.send(year_ahead(), counted=False)
        site.wait_exact()


@pytest.mark.parametrize("point", ["merger.after_restore:1", "merger.during_replay:2"])
def test_a_merger_is_killed_while_it_restores(kafka: Kafka, tmp_path: Path, point: str) -> None:
    """A merger that dies a second time, before it has read again what it needs, leaves nothing out either."""
    with Site(tmp_path, kafka) as site:
        site.send(minutes(0, 10))
        with site.start("--role", "worker", state="worker"):
            with site.start("--role", "merger", state="merger"):
                site.wait_for(lambda newest: len(newest) > 8, what="results of minutes")
            with site.start("--role", "merger", state="merger", fault=point) as merger:
                merger.wait_told(SIGKILLED)
                site.send(minutes(10, 20))
                site.send(year_ahead(), counted=False)
                site.wait_exact()


def killed_at_random(site: Site, *, rounds: int, seed: int) -> None:
    """Count with two workers; at a random moment kill one process, or all, and start the count again if it is gone."""
    draw = random.Random(seed)
    step = 3
    counting = site.start("--workers", "2")
    try:
        for number in range(rounds):
            site.send(minutes(step * number, step * (number + 1)))
            with contextlib.suppress(subprocess.TimeoutExpired):
                counting.process.wait(draw.uniform(0.2, 2.5))
            members = counting.members()
            if members and draw.random() < 0.7:
                send(draw.choice(members), signal.SIGKILL)
            else:
                counting.kill_all()
                counting = site.start("--workers", "2")
        site.send(year_ahead(), counted=False)
        site.wait_exact()
    finally:
        counting.kill_all()


def test_processes_are_killed_at_random_moments(kafka: Kafka, tmp_path: Path) -> None:
    """Ten kills at random moments, of one process or of all."""
    with Site(tmp_path, kafka) as site:
        killed_at_random(site, rounds=10, seed=SEED)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_processes_are_killed_very_often(kafka: Kafka, tmp_path: Path, part: int) -> None:
    """Two hundred kills at random moments, twenty each."""
    with Site(tmp_path, kafka) as site:
        killed_at_random(site, rounds=20, seed=SEED + part + 1)
