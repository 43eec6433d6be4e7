"""kill -9 at random moments over both jobs, then compare with an independent count."""

import hashlib
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from crash.killing import Site, accepted, wait_until
from millstream.simulate import write_files

SEED = int(os.environ.get("MILLSTREAM_TEST_SEED", "20261122"))
RECORDS = 4000


def numbered(count: int) -> list[bytes]:
    return [b'{"n": %d, "k": "%d"}' % (number, number % 7) for number in range(count)]


def stream_words(*more: str) -> tuple[str, ...]:
    return ("stream", "input.jsonl", "--window", "300ms", "--max-count", "97", "--handler", "crash_handler:load", *more)


def kill_streams(folder: Path, *, rounds: int, seed: int, more: tuple[str, ...] = ()) -> None:
    """Feed a growing file to an engine that is killed `rounds` times; then let it finish and count."""
    site, draw, records = Site(folder), random.Random(seed), numbered(RECORDS)
    share = len(records) // (rounds + 1) + 1
    for number in range(rounds):
        with (folder / "input.jsonl").open("ab") as file:
            file.writelines(record + b"\n" for record in records[number * share : (number + 1) * share])
        code = site.kill_at_random(*stream_words(*more), draw=draw, longest_s=1.5)
        assert code in {-signal.SIGKILL, 0}, (folder / "stderr").read_text()
    with (folder / "input.jsonl").open("ab") as file:
        file.writelines(record + b"\n" for record in records[rounds * share :])

    assert site.run(*stream_words(*more)) == 0, (folder / "stderr").read_text()
    assert sorted(site.records_worked()) == sorted(records)
    site.check_ledger()
    site.check_calls()
    assert site.status()["accepted_records"] == len(records)
    assert site.run(*stream_words(*more)) == 0
    assert sorted(site.records_worked()) == sorted(records)


def kill_files(folder: Path, *, rounds: int, seed: int) -> None:
    """Copy files with an engine that is killed `rounds` times; then let it finish and count."""
    site, draw = Site(folder), random.Random(seed)
    files = write_files(folder / "incoming", count=40, mean_bytes=60_000, seed=seed)
    words = ("files", "incoming", "--capacity", "200KB", "--settle", "0s", "--copy-to", "copies", "--workers", "3")
    for _ in range(rounds):
        code = site.kill_at_random(*words, draw=draw, longest_s=1.5)
        assert code in {-signal.SIGKILL, 0}, (folder / "stderr").read_text()

    assert site.run(*words) == 0, (folder / "stderr").read_text()
    site.check_ledger()
    worked = dict(site.query("SELECT path, sha256 FROM file WHERE state = 'done'"))
    assert len(worked) == len(files) == site.query("SELECT COUNT(*) FROM file")[0][0]
    for path in files:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        assert worked[str(path.resolve())] == sha256
        assert hashlib.sha256((folder / "copies" / path.name).read_bytes()).hexdigest() == sha256
    assert sorted(p.name for p in (folder / "copies").iterdir()) == sorted(p.name for p in files)


@pytest.mark.slow
def test_a_stream_survives_kills(tmp_path):
    """Killed at 7 random moments, every record of the file is worked, and no batch completes twice."""
    kill_streams(tmp_path / "site", rounds=7, seed=SEED)


@pytest.mark.slow
def test_a_keyed_stream_survives_kills(tmp_path):
    """The same with one open minibatch per key."""
    kill_streams(tmp_path / "site", rounds=6, seed=SEED + 1, more=("--key", "k"))


@pytest.mark.slow
def test_files_survive_kills(tmp_path):
    """Killed at 7 random moments, every file is copied whole, and recorded as done once with its checksum."""
    kill_files(tmp_path / "site", rounds=7, seed=SEED + 2)


@pytest.mark.slow
def test_standard_input_keeps_what_was_accepted(tmp_path):
    """After a kill, exactly the records that status counts as accepted are worked, in order."""
    site = Site(tmp_path / "site")
    words = ("stream", "-", "--window", "1h", "--max-count", "50", "--handler", "crash_handler:load")
    records = numbered(1234)
    with site.start(*words, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(record + b"\n" for record in records))
        process.stdin.flush()
        wait_until(lambda: accepted(site) == 1234, what="acceptance")
        process.kill()

    assert site.run(*words) == 0
    assert site.records_worked() == records
    site.check_ledger()


@pytest.mark.slow
def test_an_open_batch_closes_at_its_original_deadline(tmp_path):
    """A minibatch that was open when the engine was killed closes when it was due, although nothing else arrives."""
    site = Site(tmp_path / "site")
    words = ("stream", "-", "--window", "3s", "--handler", "crash_handler:load")
    with site.start(*words, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"only one\n")
        process.stdin.flush()
        wait_until(lambda: accepted(site) == 1, what="acceptance")
        process.kill()
    ((opened_at, closes_at),) = site.query("SELECT opened_at, closes_at FROM batch")
    with site.start(*words, stdin=subprocess.PIPE) as process:
        wait_until(lambda: site.query("SELECT state FROM batch") == [("done",)], what="the deadline")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert closes_at == pytest.approx(opened_at + 3)
    assert site.query("SELECT cut, closed_at FROM batch") == [("time", closes_at)]
    assert process.returncode == 0


@pytest.mark.soak
@pytest.mark.parametrize("block", range(50))
def test_many_kills(tmp_path, block):
    """1,000 kills in all: the same as above, many times over."""
    kill_streams(tmp_path / "plain", rounds=7, seed=SEED + 10 * block)
    kill_streams(tmp_path / "keyed", rounds=6, seed=SEED + 10 * block + 1, more=("--key", "k"))
    kill_files(tmp_path / "files", rounds=7, seed=SEED + 10 * block + 2)
