"""Where the time of a count goes: processor time by stage, measured around the calls of the program itself.

`millstream count` runs in this process with one worker, once with each scanner that is installed; the calls that do a
stage's work, once or a few times per block of 64 KiB, are wrapped by a stop-watch that charges every moment to the
innermost of them. What is in none of them, such as start-up and the loop around, is the rest. cProfile would charge
most to the smallest functions; this does not.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from counting_peers import SCANNERS, write_small
from millstream.adapters.framefile import stored
from millstream.cli import main as millstream
from millstream.counting.admission.admission import Admission
from millstream.counting.files.tally import Tally
from millstream.counting.frames.scanner import PythonScanner
from millstream.counting.windows.windows import Windows

Row = dict[str, str | int | float]

TITLE = "Where the time goes, one process, frames of 290 bytes"
SCAN = "scan: JSON to times and hashes (native: reading, too)"
REST = "the rest: start-up, the loop around"


class Watch:
    """Processor time by stage; a stage within a stage stops the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {REST: 0.0}
        self._stages = [REST]
        self._since = time.process_time()

    def lap(self) -> None:
        """Charge the time since the last lap to the innermost stage."""
        now = time.process_time()
        stage = self._stages[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def around(self, stage: str, call: Callable[..., object]) -> Callable[..., object]:
        """The same function, charged to a stage."""

        def timed(*args: object, **options: object) -> object:
            self.lap()
            self._stages.append(stage)
            try:
                return call(*args, **options)
            finally:
                self.lap()
                self._stages.pop()

        return timed


STAGES: dict[str, tuple[tuple[type, str], ...]] = {
    "read blocks": ((stored.StoredFile, "read"),),
    SCAN: ((PythonScanner, "scan_blocks"),),
    "admit: clock and lateness": ((Admission, "admit"), (Admission, "admit_plain"), (Admission, "settle")),
    "sort into minutes, sets": ((Tally, "flush"), (Windows, "add"), (Windows, "advance"), (Windows, "finish")),
    "write results": ((Tally, "put"),),
}


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the stages meanwhile."""
    watch = Watch()
    stages = dict(STAGES)
    if "native" in SCANNERS:
        from millstream.counting.frames.native import NativeScanner  # noqa: PLC0415 - an optional package

        stages[SCAN] = (*stages[SCAN], (NativeScanner, "scan_blocks"), (NativeScanner, "scan_range"))
    before = [(kind, name, getattr(kind, name)) for calls in stages.values() for kind, name in calls]
    try:
        for stage, calls in stages.items():
            for kind, name in calls:
                setattr(kind, name, watch.around(stage, getattr(kind, name)))
        yield watch
        watch.lap()
    finally:
        for kind, name, call in before:
            setattr(kind, name, call)


def stages(*, quick: bool) -> list[Row]:
    """A row for each stage, in the order in which a block goes through them; columns for each scanner."""
    frames = 50_000 if quick else 2_000_000
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        path = Path(name) / "frames.jsonl"
        write_small(path, frames=frames)
        seconds = {scanner: _seconds(path, scanner=scanner) for scanner in SCANNERS}
    rows: list[Row] = []
    for stage in (*STAGES, REST):
        row: Row = {"stage": stage}
        for scanner, found in seconds.items():
            row[f"{scanner} scanner, ns per frame"] = round(1e9 * found.get(stage, 0.0) / frames, 1)
            row[f"{scanner} scanner, %"] = round(100 * found.get(stage, 0.0) / sum(found.values()), 1)
        rows.append(row)
    return rows


def _seconds(path: Path, *, scanner: str) -> dict[str, float]:
    words = ["--output", str(path.with_suffix(".users")), "--rejects", "off", "--workers", "1", "--quiet"]
    with watched() as watch:
        code = millstream(["count", str(path), *words, "--scanner", scanner])
    assert code == 0
    return watch.seconds
