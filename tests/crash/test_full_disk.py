"""A disk that fills up under a running engine: it waits, says so, loses nothing, and goes on."""

import json
from pathlib import Path

import pytest

from adapters import child
from crash.killing import Site, accepted, wait_until

RECORDS = [b'{"n": %d, "filling": "%s"}' % (number, b"x" * 80) for number in range(20_000)]
DISK_BYTES, BALLAST_BYTES = 6_000_000, 4_500_000
WORDS = ("stream", "input.jsonl", "--max-count", "1000", "--handler", "crash_handler:load")


def site_on(disk: Path) -> Site:
    """A site whose state is on a disk that has not enough room as long as there is ballast on it."""
    site = Site(disk.parent / "site", pause_s=0.0)
    (site.folder / "input.jsonl").write_bytes(b"".join(record + b"\n" for record in RECORDS))
    (disk / "ballast").write_bytes(bytes(BALLAST_BYTES))
    (disk / "state").mkdir()
    site.state.symlink_to(disk / "state")
    return site


def intake_waits(site: Site) -> bool:
    """Whether an engine said so."""
    return b"stream: intake waits: the spool cannot be written" in (site.folder / "stderr").read_bytes()


def check(site: Site) -> None:
    """Every record was worked, in exactly one batch."""
    assert sorted(site.records_worked()) == sorted(RECORDS)
    site.check_ledger()


def fill_and_make_room(disk: Path) -> None:
    """The engine waits for room and finishes once there is some."""
    site = site_on(disk)
    with site.start(*WORDS) as process:
        wait_until(lambda: intake_waits(site), what="the message")
        status = site.status()
        assert status["engine"]["running"]
        assert status["accepted_records"] == accepted(site) < len(RECORDS)
        (disk / "ballast").unlink()
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(output)["records_accepted"] == len(RECORDS)
    assert b"stream: intake goes on" in (site.folder / "stderr").read_bytes()
    check(site)


def fill_and_kill(disk: Path) -> None:
    """An engine is killed while it waits; its successor waits on, and finishes once there is room."""
    site = site_on(disk)
    with site.start(*WORDS) as process:
        wait_until(lambda: intake_waits(site), what="the message")
        process.kill()
    kept = accepted(site)
    said = (site.folder / "stderr").stat().st_size
    with site.start(*WORDS) as process:
        wait_until(lambda: (site.folder / "stderr").stat().st_size > said, what="the successor")
        (disk / "ballast").unlink()
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(output)["records_accepted"] == len(RECORDS) - kept
    check(site)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [fill_and_make_room, fill_and_kill])
def test_a_full_disk_stops_intake_and_loses_nothing(tmp_path: Path, scenario) -> None:
    """Nothing accepted is lost, whether the engine waits for room or is killed meanwhile."""
    disk = tmp_path / "disk"
    disk.mkdir()
    child.run_on_a_small_disk(scenario, folder=disk, size_bytes=DISK_BYTES)
