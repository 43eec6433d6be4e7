"""Live counts with the times of everyday use: exact in every minute, by the expected counts of the example frames."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from crash.count_kafka.reading import Results
from crash.count_kafka.site import Site
from crash.count_kafka.traffic import START_S, Parts, expected, frame, joined, year_ahead
from crash.killing import wait_until
from millstream import simulate
from servers.kafka import Kafka

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[4] / "shared" / "data" / "frames"
SIZES = ("minute", "hour")


def example(folder: Path) -> tuple[str, dict[str, int]]:
    """A file of frames that are in order, and the users of its minutes and hours."""
    path = EXAMPLES / "minutes.jsonl.gz"
    if path.exists():
        counts = json.loads((EXAMPLES / "expected.json").read_text())["minutes"]
        return str(path), {f"{by}:{start}": users for by in SIZES for start, users in counts[by].items()}
    lines = list(simulate.frames(count=40_000, rate_per_s=40.0, users=5_000, late=0.0, flip=0.0, seed=7))
    made = folder / "frames.jsonl"
    made.write_bytes(b"".join(lines))
    found = expected(lines)
    return str(made), {key: users for key, (users, _) in found.items() if key.partition(":")[0] in SIZES}


def wait_users(site: Site, wanted: Mapping[str, int], *, statuses: set[str]) -> None:
    """Wait until all windows were put out with one of these statuses; then all must be right."""
    site.wait_for(
        lambda newest: all(newest.get(key, {}).get("status") in statuses for key in wanted), what=f"{sorted(statuses)}"
    )
    newest = site.reader.newest()
    assert {key: newest[key]["users"] for key in wanted} == wanted


def test_an_ordered_file_is_exact_from_four_partitions(kafka: Kafka, tmp_path: Path) -> None:
    """Live while it is written, the last minute when the topic falls silent, and again as a replay of another group."""
    source, wanted = example(tmp_path)
    with (
        Site(tmp_path, kafka, partitions=4) as live,
        Site(tmp_path, kafka, topic=live.topic) as replay,
        live.start("--idle", "3s", plain=True),
    ):
        live.wait_members(1)
        produced = live.run("produce", source, kafka.url(live.topic), "--rate", "60000/s", "--quiet")
        live.wait_results()
        with replay.start("--idle", "3s", "--from", "earliest", state="replay", plain=True):
            for site in (live, replay):
                wait_users(site, wanted, statuses={"ontime", "update", "final"})
            live.send(year_ahead(4))
            for site in (live, replay):
                wait_users(site, wanted, statuses={"final"})

    assert produced.returncode == 0
    live.reader.check_history()
    replay.reader.check_history()
    assert finals(live.reader) == finals(replay.reader)


def finals(results: Results) -> dict[str, tuple[int, int, int]]:
    """Users and frames of the windows that are final."""
    newest = results.newest().items()
    return {key: (one["users"], one["frames"], one["late"]) for key, one in newest if one["status"] == "final"}


def explained_once_silent(site: Site, key: str) -> list[str]:
    """What `explain` says as soon as it says who is silent."""
    words = ["explain", "window", key, site.kafka.url(site.topic), "--group", site.group, "--json"]
    said: list[str] = []

    def is_told() -> bool:
        said[:] = json.loads(site.run(*words).stdout)["because"]
        return any("silent" in line for line in said)

    wait_until(is_told, what="who is silent")
    return said


def test_a_slow_partition_holds_the_windows_back_until_it_is_idle(kafka: Kafka, tmp_path: Path) -> None:
    """`explain` names it while it does; later its frames would be late, but none is lost before."""
    second = START_S // 60 * 60
    ahead: Parts = {0: [frame(f"a{number % 50}", second + number // 10) for number in range(6000)]}
    behind: Parts = {1: [frame(f"b{number % 20}", second + number // 10) for number in range(900)]}
    key = f"minute:{second + 120}"
    with Site(tmp_path, kafka) as site, site.start("--idle", "8s", plain=True) as counting:
        site.wait_members(1)
        site.send(joined(ahead, behind))
        site.wait_for(lambda newest: newest.get(f"minute:{second}", {}).get("status") == "ontime", what="a minute")
        explained = explained_once_silent(site, key)
        was_open = site.reader.newest().get(key, {}).get("status", "early") == "early"
        last = second + 600
        while site.reader.newest().get(key, {}).get("status") != "final":
            assert counting.process.poll() is None
            site.send({0: [frame(f"a{last % 50}", last)] * 10})
            site.reader.read(0.3)
            last += 1
        wait_until(lambda: not site.reader.read(0.1), what="what came with it")

    assert was_open
    assert any("partition 1 is silent since" in line and "not yet idle" in line for line in explained), explained
    assert not any("partition 0 " in line for line in explained), explained
    wanted = {key: value for key, value in expected(site.values).items() if key == f"minute:{second + 120}"}
    assert site.reader.differences(wanted) == {}
    site.reader.check_history()
