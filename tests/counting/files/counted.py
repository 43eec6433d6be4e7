"""Counts of files without a command line, for tests."""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from millstream.adapters.framefile import look_at
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.files.count import FileCount
from millstream.counting.files.fold import Supply
from millstream.counting.files.pipe import LiveCount, Pipe
from millstream.counting.files.rules import CountReport, CountRules, Watcher
from millstream.counting.files.supply import OwnSupply
from millstream.counting.frames.scanner import PythonScanner
from millstream.counting.model import ALL_SIZES
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.windows import Emit

NOW_S = 1_800_000_000


class Memory:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    @property
    def length(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data

    def flush(self) -> None:
        pass

    def sync(self) -> int:
        return len(self.data)

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a count came to."""

    report: CountReport
    results: bytes
    letters: bytes
    alarms: int

    def users(self, size: str) -> dict[int, int]:
        """Final users by start of the window."""
        records = map(json.loads, self.results.splitlines())
        return {record["start"]: record["users"] for record in records if record["by"] == size}


def rules(
    *, grace_s: int = 60, lateness_s: int = 5, emit: Emit = Emit.FINAL, zone: str = "UTC", exact: bool = False
) -> CountRules:
    """The rules of a count."""
    return CountRules(
        sizes=ALL_SIZES,
        uid="uid",
        ts="ts",
        clock=ClockSettings(lateness_s=lateness_s),
        grace_s=grace_s,
        emit=emit,
        exact=exact,
        calendar=Calendar(zone),
    )


def count_files(
    paths: Sequence[Path | str],
    *,
    supply: Callable[[list], Supply] | None = None,
    allow_loss: bool = True,
    by: CountRules | None = None,
) -> Counted:
    """Count files in this process, or with another supply."""
    files = [look_at(str(path)) for path in paths]
    results, letters, alarms = Memory(), Memory(), itertools.count()
    scanner = PythonScanner()
    count = FileCount(
        files,
        rules=by or rules(),
        scanner=scanner,
        supply=supply(files) if supply else OwnSupply(scanner),
        sink=results,
        letters_sink=letters,
        watcher=Watcher(progress=lambda _: None, losses=lambda _: next(alarms)),
        allow_loss=allow_loss,
        upper_s=NOW_S,
        is_stopped=lambda: False,
    )
    report = count.run()
    return Counted(report=report, results=results.data, letters=letters.data, alarms=next(alarms))


def count_pipe(
    pipe: Pipe,
    *,
    by: CountRules | None = None,
    monotonic: Callable[[], float] | None = None,
    keeps_letters: bool = True,
) -> Counted:
    """Count what comes out of a pipe."""
    results, letters, alarms = Memory(), Memory(), itertools.count()
    count = LiveCount(
        pipe,
        rules=by or rules(),
        scanner=PythonScanner(),
        sink=results,
        letters_sink=letters if keeps_letters else None,
        watcher=Watcher(progress=lambda _: None, losses=lambda _: next(alarms)),
        allow_loss=True,
        idle_s=10.0,
        is_stopped=lambda: False,
        now=lambda: NOW_S,
        monotonic=monotonic or (lambda: 0.0),
    )
    report = count.run()
    return Counted(report=report, results=results.data, letters=letters.data, alarms=next(alarms))


def frames_at(times: Iterable[int], *, users: int = 7) -> list[bytes]:
    """Frames with these times; users go round."""
    return [b'{"uid":"u%d","ts":%d}\n' % (number % users, time) for number, time in enumerate(times)]


def users_by_minute(lines: Iterable[bytes]) -> dict[int, int]:
    """How many users each minute has, counted by hand."""
    found: dict[int, set[str]] = defaultdict(set)
    for line in lines:
        frame = json.loads(line)
        found[frame["ts"] // 60 * 60].add(frame["uid"])
    return {minute: len(users) for minute, users in found.items()}
