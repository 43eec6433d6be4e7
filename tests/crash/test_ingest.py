"""kill -9 at random moments over `millstream ingest PATH`, then compare with an independent reader of the file."""

import csv
import json
import os
import random
import signal
from pathlib import Path

import pytest

from crash.killing import Site, wait_until

SEED = int(os.environ.get("MILLSTREAM_TEST_SEED", "20261122"))


def write_csv(path: Path, *, rows: int, seed: int) -> list[dict[str, str]]:
    """A CSV full of quoted newlines, quotes and delimiters; returns its records as the csv module reads them."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name", "note"])
        for number in range(rows):
            note = draw.choice(["plain", "two\nlines", 'a "quote"', "a, b", "", "crlf\r\ninside", "ünïcode"])
            writer.writerow([number, f"name {number}", note * draw.randrange(1, 9)])
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_output(output: Path, records: list[dict[str, str]]) -> None:
    """Every record is there once and in order, under ids that count from 0."""
    found = [json.loads(line) for line in output.read_bytes().split(b"\n")[:-1]]
    ids = [record.pop("_id") for record in found]
    message_id = ids[0].partition(":")[0] if ids else ""
    assert found == records
    assert ids == [f"{message_id}:{number}" for number in range(len(records))]


def kill_ingests(folder: Path, *, rounds: int, seed: int, chunk: str, rows: int, signum: int = signal.SIGKILL) -> None:
    """Ingest a file in a process that is ended in the middle, and `rounds` times at random; let it finish and count."""
    site, draw = Site(folder), random.Random(seed)
    records = write_csv(folder / "data.csv", rows=rows, seed=seed)
    words = ("ingest", "data.csv", "--to", "data.jsonl", "--chunk", chunk)
    with site.start(*words) as process:
        wait_until(lambda: done_chunks(site) > 5, what="some chunks")
        process.send_signal(signum)
        process.communicate(timeout=60)
    assert process.returncode in {-signal.SIGKILL, 75}
    for _ in range(rounds):
        code = site.kill_at_random(*words, draw=draw, longest_s=1.2, signum=signum)
        assert code in {0, -signal.SIGKILL, -signal.SIGTERM, 75}, (folder / "stderr").read_text()
        if (folder / "data.jsonl").exists():  # never before it is whole, but perhaps before the process ended
            check_output(folder / "data.jsonl", records)
            break

    assert site.run(*words) == 0, (folder / "stderr").read_text()
    check_output(folder / "data.jsonl", records)
    assert site.query("SELECT state, COUNT(*) FROM batch WHERE state <> 'done' GROUP BY 1") == []
    before = (folder / "data.jsonl").stat()
    assert site.run(*words) == 0
    assert not list(folder.glob(".data.jsonl*"))
    assert (folder / "data.jsonl").stat() == before


@pytest.mark.slow
@pytest.mark.parametrize(("chunk", "rows"), [("1KB", 15_000), ("20KB", 200_000)])
def test_an_ingestion_survives_kills(tmp_path, chunk, rows):
    """Killed at random moments and run again, the output equals the file: no record missing, none repeated."""
    kill_ingests(tmp_path / "site", rounds=5, seed=SEED, chunk=chunk, rows=rows)


@pytest.mark.slow
def test_an_ingestion_stops_and_goes_on(tmp_path):
    """SIGTERM ends it with the exit code of kept work, and the next run goes on."""
    kill_ingests(tmp_path / "site", rounds=3, seed=SEED, chunk="2KB", rows=60_000, signum=signal.SIGTERM)


@pytest.mark.slow
def test_a_stop_in_the_middle_is_said(tmp_path):
    """A run that is stopped while chunks are left says that it goes on, and ends with 75."""
    site = Site(tmp_path / "site")
    records = write_csv(site.folder / "data.csv", rows=60_000, seed=SEED)
    words = ("ingest", "data.csv", "--to", "data.jsonl", "--chunk", "1KB")
    with site.start(*words) as process:
        wait_until(lambda: done_chunks(site) > 20, what="some chunks")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    summary = json.loads(output)

    assert process.returncode == 75
    assert 0 < summary["records_published"] < len(records)
    assert not (site.folder / "data.jsonl").exists()
    assert site.run(*words) == 0
    check_output(site.folder / "data.jsonl", records)


def done_chunks(site: Site) -> int:
    """How many batches the ledger has as done; 0 while it is being created."""
    try:
        return site.query("SELECT COUNT(*) FROM batch WHERE state = 'done' AND kind = 'chunk'")[0][0]
    except Exception:  # noqa: BLE001 - it is just being made
        return 0


@pytest.mark.soak
@pytest.mark.parametrize("block", range(40))
def test_many_kills_of_an_ingestion(tmp_path, block):
    """Hundreds of kills: the same as above, many times over."""
    chunk = random.Random(block).choice(["1KB", "3KB", "10KB", "50KB"])
    kill_ingests(tmp_path / "killed", rounds=8, seed=SEED + block, chunk=chunk, rows=40_000)
    kill_ingests(tmp_path / "stopped", rounds=4, seed=SEED + block, chunk=chunk, rows=40_000, signum=signal.SIGTERM)
