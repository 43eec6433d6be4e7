"""How a live count ends: in order, at once, or with its parent."""

import json
import signal
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from crash.count_kafka.site import END_S, Counting, Site, lives, send
from crash.count_kafka.traffic import minutes, year_ahead
from crash.killing import wait_until
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


def is_asked_to_end(pid: int) -> bool:
    """Whether SIGTERM waits for a frozen process."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return bool(int(status["ShdPnd"], 16) >> (signal.SIGTERM - 1) & 1)


def wait_all_gone(members: list[int]) -> None:
    """Wait until no process of a count is left."""
    wait_until(lambda: not any(map(lives, members)), timeout_s=END_S, what="the end of all processes")


def run_and_stop(site: Site, *, committed: int) -> tuple[dict, list[int], Counting]:
    """Count some frames, and stop in order; returns the summary, who was at work, and the count."""
    with site.start("--summary", "summary.json") as counting:
        wait_until(lambda: site.committed() >= committed, timeout_s=60, what="frames")
        members = counting.members()
        assert counting.stop() == 0
    return json.loads((site.folder / "summary.json").read_text()), members, counting


def test_sigterm_commits_what_was_read(kafka: Kafka, tmp_path: Path) -> None:
    """Exit code 0, nobody left, a summary that agrees with the broker; the next run goes on from there."""
    with Site(tmp_path, kafka) as site:
        site.send(minutes(0, 20))
        first, members, counting = run_and_stop(site, committed=300)
        committed = site.committed()
        wait_all_gone(members)
        site.send(year_ahead(), counted=False)
        second, _, _ = run_and_stop(site, committed=2 * 20 * 60 + 200)
        with site.start("--role", "merger"):
            site.wait_exact()

    assert first["frames"] == committed
    assert first["frames"] + second["frames"] == 2 * 20 * 60 + 200
    assert first["group"] == site.group
    assert f"{committed:,} frames committed" in counting.told()
    assert "Traceback" not in counting.told()


def test_a_second_signal_ends_at_once(kafka: Kafka, tmp_path: Path) -> None:
    """Even while a process does not answer."""
    with Site(tmp_path, kafka) as site, site.start() as counting:
        site.send(minutes(0, 5))
        site.wait_results()
        members = counting.members()
        send(members[0], signal.SIGSTOP)
        counting.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_asked_to_end(members[0]), what="the first signal")
        counting.process.send_signal(signal.SIGTERM)
        code = counting.process.wait(5)
        wait_all_gone(members)

    assert code == 130
    assert "Traceback" not in counting.told()


def test_processes_end_with_their_parent(kafka: Kafka, tmp_path: Path) -> None:
    """When the command itself is killed, its processes commit what they read and go; a new one goes on."""
    with Site(tmp_path, kafka) as site:
        site.send(minutes(0, 12))
        with site.start() as counting:
            site.wait_results()
            members = counting.members()
            counting.process.kill()
            counting.process.wait(END_S)
            wait_all_gone(members)
            told = counting.told()
        site.send(year_ahead(), counted=False)
        with site.start():
            site.wait_exact()

    assert len(members) == 2
    assert "Traceback" not in told


def is_importing(pid: int) -> bool:
    """Whether a process has begun to import what it needs, and so has not begun to work."""
    try:
        return "numpy" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def test_ctrl_c_leaves_no_traceback_of_processes_that_are_starting(kafka: Kafka, tmp_path: Path) -> None:
    """A terminal sends it to all processes, which leave it to the command to ask them."""
    with Site(tmp_path, kafka) as site, site.start() as counting:
        wait_until(lambda: any(map(is_importing, counting.members())), what="a process that starts")
        for pid in [counting.process.pid, *counting.members()]:
            send(pid, signal.SIGINT)
        code = counting.process.wait(END_S)

    assert code == 0
    assert "Traceback" not in counting.told()
