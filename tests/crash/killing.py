"""Engines as real processes that are killed at random moments, and an independent count of what they did.

The handler (`crash_handler.py`, written beside the input) leaves one file per batch; the count reads these files and
the ledger with plain SQL, and never asks the engine.
"""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HANDLER = '''
import os, time

def load(batch, context):
    """Slow enough to be killed in the middle; what it leaves appears at once and whole."""
    part = f"out/.{batch.id}.{context.attempt}.{os.getpid()}"
    with open(part, "wb") as file:
        for record in batch:
            file.write(record + b"\\n")
        file.flush()
    with open("calls", "a") as calls:
        calls.write(f"{batch.id} {context.attempt}\\n")
    time.sleep(PAUSE_S)
    os.replace(part, f"out/{batch.id}")

async def later(batch, context):
    load(batch, context)
'''


class Process(subprocess.Popen[bytes]):
    """A process that is killed when a test fails while it runs; or the test would wait for its end."""

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Wait for the end."""
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


class Site:
    """A folder in which an engine is run again and again."""

    def __init__(self, folder: Path, *, pause_s: float = 0.02) -> None:
        self.folder = folder
        (folder / "out").mkdir(parents=True)
        (folder / "crash_handler.py").write_text(HANDLER.replace("PAUSE_S", str(pause_s)))
        self.state = folder / "state"

    def start(self, *words: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start `millstream WORDS --state ...` here."""
        command = [sys.executable, "-m", "millstream", *words[:1], "--state", "state", "--json", *words[1:]]
        with (self.folder / "stderr").open("ab") as stderr:
            return Process(
                command,
                cwd=self.folder,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def run(self, *words: str, timeout_s: float = 60) -> int:
        """Run to its end; returns the exit code."""
        with self.start(*words) as process:
            process.communicate(timeout=timeout_s)
            return process.returncode

    def kill_at_random(self, *words: str, draw: random.Random, longest_s: float, signum: int = signal.SIGKILL) -> int:
        """Run and send `signum` after a random time; returns the exit code (which may be that of a normal end)."""
        with self.start(*words) as process:
            try:
                process.communicate(timeout=draw.uniform(0.0, longest_s))
            except subprocess.TimeoutExpired:
                process.send_signal(signum)
                process.communicate(timeout=60)
            return process.returncode

    def query(self, sql: str) -> list[tuple]:
        """Ask the ledger file directly."""
        with sqlite3.connect(f"file:{self.state / 'ledger.db'}?mode=ro", uri=True) as db:
            return db.execute(sql).fetchall()

    def status(self) -> dict:
        """What `millstream status --json` says."""
        with self.start("status") as process:
            output, _ = process.communicate(timeout=30)
        return json.loads(output)

    def records_worked(self) -> list[bytes]:
        """All records in all outputs, in the order of the batches."""
        return [
            line
            for path in sorted((self.folder / "out").iterdir())
            if not path.name.startswith(".")
            for line in path.read_bytes().splitlines()
        ]

    def check_ledger(self) -> None:
        """No batch is unfinished, none completed twice, and deadlines are what they were when it was opened."""
        assert self.query("SELECT id, state FROM batch WHERE state <> 'done'") == []
        done = Counter(batch_id for (batch_id,) in self.query("SELECT batch_id FROM attempt WHERE outcome = 'done'"))
        assert set(done.values()) <= {1}
        assert len(done) == self.query("SELECT COUNT(*) FROM batch")[0][0]
        for batch_id, opened_at, closes_at, closed_at in self.query(
            "SELECT id, opened_at, closes_at, closed_at FROM batch WHERE cut = 'time'"
        ):
            assert closed_at == closes_at >= opened_at, batch_id

    def check_calls(self) -> None:
        """A handler saw a batch again only as a later attempt."""
        calls = (self.folder / "calls").read_text().split("\n")[:-1]
        assert len(set(calls)) == len(calls)


def accepted(site: Site) -> int:
    """How many records the ledger counts as accepted; 0 while it is being created."""
    if not (site.state / "ledger.db").exists():
        return 0
    try:
        return sum(count for (count,) in site.query("SELECT accepted_records FROM pipeline"))
    except sqlite3.OperationalError:
        return 0


def wait_until(condition, *, timeout_s: float = 30.0, what: str = "") -> None:
    """Look until `condition()` holds, for a bounded time: for things in other processes that send no signal."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, f"timed out waiting for {what or condition}"
        time.sleep(0.01)
