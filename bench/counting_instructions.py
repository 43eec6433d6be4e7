"""Instructions per frame, as callgrind counts them: nothing else that runs on the machine makes a difference.

Each engine counts two files, one of which has more frames than the other; the difference between both, divided by
those frames, leaves start-up out. Callgrind is a processor of its own that has AVX2 at most, and knows no caches to
miss and no guesses to get wrong, so these figures stand beside seconds and do not replace them.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from counting_peers import FLOOR, Engine, engines, limits, write_large, write_small

Row = dict[str, str | int | float]

TITLE = "Instructions per frame, one processor (callgrind)"
MACHINE = "haswell"
"""What callgrind takes for a processor."""
_COLLECTED = re.compile(rb"Collected : (\d+)")


def instructions(*, quick: bool) -> list[Row]:
    """A row for each engine, a column for each size of frames; one row that says why where there is no valgrind."""
    if shutil.which("valgrind") is None:
        return [{"engine": "not measured: valgrind is not installed"}]
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        few, many = folder / "few.jsonl", folder / "many.jsonl"
        sizes = (("290 bytes", write_small, 5_000), ("2 KB", write_large, 1_000))
        for label, write, base in sizes[:1] if quick else sizes:
            more = base * (1 if quick else 10)
            write(few, frames=base)
            write(many, frames=base + more)
            for engine, command in engines(folder, machine=MACHINE).items():
                if engine == FLOOR:
                    continue
                row = rows.setdefault(engine, {"engine": engine})
                all_of_many, all_of_few = _collected(command, many), _collected(command, few)
                if all_of_many is None or all_of_few is None:
                    row[f"{label}: instructions per frame"] = row[f"{label}: per byte"] = "not under valgrind"
                    continue
                taken = all_of_many - all_of_few
                row[f"{label}: instructions per frame"] = round(taken / more)
                row[f"{label}: per byte"] = round(taken / (many.stat().st_size - few.stat().st_size), 2)
    return list(rows.values())


def _collected(engine: Engine, path: Path) -> int | None:
    """What one process, with its threads, takes to count a file; None when valgrind lacks some of its instructions."""
    counted = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*counted, *engine(path, path.with_suffix(".output"), cores=1)]
    done = subprocess.run(command, env=limits(1), capture_output=True, check=False)
    found = _COLLECTED.search(done.stderr)
    return None if done.returncode or found is None else int(found[1])
