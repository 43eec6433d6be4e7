"""Durable records through a minibatch window, and how late windows close under that load.

Every run is a whole engine in a process of its own, fed through standard input by another process, with spool and
fsync on; the summary is what a user sees. Beside it stands a plain copy of the same bytes with the same fsyncs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECORD_BYTES = 300
KEYS = 10_000

BURN = """
def burn(batch, context):
    until = __import__("time").monotonic() + 0.5
    while __import__("time").monotonic() < until:
        pass
"""


def write_input(path: Path, *, records: int) -> None:
    """JSON records of 300 bytes with newline, over 10,000 keys."""
    with path.open("wb") as file:
        for start in range(0, records, KEYS):
            file.writelines(
                (b'{"k":"%05d","pad":"' % (number % KEYS)).ljust(RECORD_BYTES - 3, b"x") + b'"}\n'
                for number in range(start, min(records, start + KEYS))
            )


def plain_copy(path: Path, folder: Path) -> float:
    """Seconds for a copy in blocks of 1 MiB with an fsync every 8 MiB, which is what the spool does at full load."""
    began = time.perf_counter()
    with path.open("rb", buffering=0) as source, (folder / "copy").open("wb", buffering=0) as target:
        written = 0
        while block := source.read(1 << 20):
            target.write(block)
            written += len(block)
            if written % (8 << 20) < len(block):
                os.fsync(target.fileno())
        os.fsync(target.fileno())
    return time.perf_counter() - began


def engine(path: Path, folder: Path, *options: str, pace_s: float = 0.0) -> dict[str, float]:
    """The summary of one engine run over the input, with its peak memory in MB and the seconds of the intake."""
    feeder = subprocess.Popen([sys.executable, "-c", FEED, str(path), str(pace_s)], stdout=subprocess.PIPE, cwd=folder)
    command = [sys.executable, "-m", "millstream", "stream", "-", "--json", "--quiet", *options]
    process = subprocess.Popen(command, stdin=feeder.stdout, stdout=subprocess.PIPE, cwd=folder)
    output = process.stdout.read() if process.stdout else b""
    _, _, usage = os.wait4(process.pid, 0)
    feeder.wait()
    summary: dict[str, float] = json.loads(output)
    summary["max_rss_mb"] = usage.ru_maxrss / 1e3
    summary["cpu_s"] = usage.ru_utime + usage.ru_stime
    return summary


FEED = """
import sys, time
with open(sys.argv[1], "rb", buffering=0) as file:
    while block := file.read(1 << 20):
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        time.sleep(float(sys.argv[2]))
"""


def run(*, quick: bool) -> dict[str, object]:
    """All figures of this file."""
    records = 200_000 if quick else 3_000_000
    rounds = 2 if quick else 5
    result: dict[str, object] = {"records": records}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        path = folder / "input"
        write_input(path, records=records)
        copies, plain, keyed = [], [], []
        for number in range(rounds):
            copies.append(records / plain_copy(path, folder))
            plain.append(engine(path, folder, "--window", "1s", "--state", f"plain{number}"))
            keyed_options = ("--window", "1h", "--key", "k", "--state", f"keyed{number}")
            keyed.append(engine(path, folder, *keyed_options))
        result |= {"copy_records_per_s": copies, "plain": plain, "keyed": keyed}
        (folder / "burning.py").write_text(BURN)
        pace_s = 0.0 if quick else 0.005
        result["burning"] = engine(
            path, folder, "--window", "200ms", "--handler", "burning:burn", "--state", "burning", pace_s=pace_s
        )
        result["idle"] = engine(path, folder, "--window", "200ms", "--state", "idle", pace_s=pace_s)
    return result


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=1))
