"""Where the time of a count goes: processor time by stage, measured around the calls of the program itself.

`millstream count` runs in this process with one worker; the calls that do a stage's work, once or a few times per block
of 64 KiB, are wrapped by a stop-watch that charges every moment to the innermost of them. What is in none of them, such
as start-up and the loop around, is the rest. cProfile would charge most to the smallest functions; this does not.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from counting_peers import write_small
from millstream.adapters.framefile import stored
from millstream.cli import main as millstream
from millstream.counting.admission.admission import Admission
from millstream.counting.files.tally import Tally
from millstream.counting.frames.scanner import PythonScanner
from millstream.counting.windows.windows import Windows

Row = dict[str, str | int | float]

TITLE = "Where the time goes, one process, frames of 290 bytes"
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
    "scan: JSON to times and hashes": ((PythonScanner, "scan_lines"),),
    "admit: clock and lateness": ((Admission, "admit"), (Admission, "admit_plain"), (Admission, "settle")),
    "sort into minutes, sets": ((Tally, "flush"), (Windows, "add"), (Windows, "advance"), (Windows, "finish")),
    "write results": ((Tally, "put"),),
}


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the stages meanwhile."""
    watch = Watch()
    before = [(kind, name, getattr(kind, name)) for calls in STAGES.values() for kind, name in calls]
    try:
        for stage, calls in STAGES.items():
            for kind, name in calls:
                setattr(kind, name, watch.around(stage, getattr(kind, name)))
        yield watch
        watch.lap()
    finally:
        for kind, name, call in before:
            setattr(kind, name, call)


def stages(*, quick: bool) -> list[Row]:
    """A row for each stage, in the order in which a block goes through them."""
    frames = 50_000 if quick else 2_000_000
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        path, output = Path(name) / "frames.jsonl", Path(name) / "users.jsonl"
        write_small(path, frames=frames)
        with watched() as watch:
            code = millstream(
                ["count", str(path), "--output", str(output), "--rejects", "off", "--workers", "1", "--quiet"]
            )
        assert code == 0
    total = sum(watch.seconds.values())
    return [
        {"stage": stage, "ns per frame": round(1e9 * seconds / frames, 1), "share, %": round(100 * seconds / total, 1)}
        for stage in (*STAGES, REST)
        for seconds in [watch.seconds.get(stage, 0.0)]
    ]
