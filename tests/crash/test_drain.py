"""SIGTERM at random moments: the report is true and nothing is lost."""

import json
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from crash.killing import Site, accepted, wait_until

SEED = int(os.environ.get("MILLSTREAM_TEST_SEED", "20261122"))
RECORDS = [b'{"n": %d}' % number for number in range(3000)]


def unfinished(site: Site) -> int:
    return site.query("SELECT COUNT(*) FROM batch WHERE state IN ('open', 'ready', 'running', 'waiting')")[0][0]


def drain_often(folder: Path, *, rounds: int, seed: int, mode: str) -> None:
    """Stop an engine at `rounds` random moments; each time its exit code must be true; then let it finish."""
    site, draw = Site(folder, pause_s=0.1), random.Random(seed)
    (folder / "input.jsonl").write_bytes(b"".join(record + b"\n" for record in RECORDS))
    words = ("stream", "input.jsonl", "--window", "200ms", "--max-count", "13", "--workers", "4")
    words += ("--handler", "crash_handler:load", "--drain", mode)
    for _ in range(rounds):
        code = site.kill_at_random(*words, draw=draw, longest_s=1.2, signum=signal.SIGTERM)
        if code == -signal.SIGTERM:
            continue  # it was still being started: Python had not come to the point of handling signals
        finished = site.query("SELECT finished FROM source") == [(1,)]
        assert code == (0 if finished and not unfinished(site) else 75), (folder / "stderr").read_text()
        assert site.query("SELECT COUNT(*) FROM batch WHERE state = 'running'") == [(0,)]

    assert site.run(*words) == 0
    assert sorted(site.records_worked()) == sorted(RECORDS)
    site.check_ledger()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["keep", "close"])
def test_drains_at_random_moments(tmp_path, mode):
    """Whatever was going on, nothing is lost, nothing stays claimed, and the exit code says whether work is kept."""
    drain_often(tmp_path / "site", rounds=6, seed=SEED, mode=mode)


@pytest.mark.soak
@pytest.mark.parametrize("block", range(40))
def test_many_drains(tmp_path, block):
    """The same, many times over."""
    drain_often(tmp_path / "keep", rounds=10, seed=SEED + block, mode="keep")
    drain_often(tmp_path / "close", rounds=10, seed=SEED + block, mode="close")


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "code", "state"), [("keep", 75, "open"), ("close", 0, "done")])
def test_an_open_batch_is_kept_or_closed(tmp_path, mode, code, state):
    """`--drain keep` leaves it open with its deadline and exits 75; `--drain close` works it now and exits 0."""
    site = Site(tmp_path / "site")
    words = ("stream", "-", "--window", "1h", "--handler", "crash_handler:load", "--drain", mode)
    with site.start(*words, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"one\ntwo\n")
        process.stdin.flush()
        wait_until(lambda: accepted(site) == 2, what="acceptance")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)

    assert process.returncode == code
    assert site.query("SELECT state, records FROM batch") == [(state, 2)]
    summary = json.loads(output.splitlines()[-1])
    assert (summary["batches_ok"], summary["batches_kept"]) == ((0, 1) if mode == "keep" else (1, 0))


@pytest.mark.slow
def test_running_attempts_get_the_limit_and_no_more(tmp_path):
    """An attempt that outlives `--drain-limit` is ended and given back; a second signal ends the engine at once."""
    site = Site(tmp_path / "site", pause_s=600)
    words = ("stream", "-", "--max-count", "1", "--handler", "crash_handler:load", "--drain-limit", "500ms")
    with site.start(*words, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"one\n")
        process.stdin.flush()
        wait_until((site.folder / "calls").exists, what="the handler")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 75
    assert site.query("SELECT state, failures FROM batch") == [("ready", 0)]

    with site.start(*words, "--drain-limit", "1h", stdin=subprocess.PIPE) as process:
        wait_until(lambda: len((site.folder / "calls").read_text().splitlines()) == 2, what="the handler")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: b"drain" in (site.folder / "stderr").read_bytes().lower(), what="the drain to begin")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
