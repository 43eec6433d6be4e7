"""The demo of counting: simulated frames, some late, some with a flipped bit in the time, some cut off.

Theory of operation: they are counted by minute and hour, as `millstream count` does it. A plain loop, which knows
nothing of windows and clocks, then goes through the same lines, leaves out those of which there is a copy, and collects
users in sets.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from millstream import simulate
from millstream.cli.output import say, stdout_console
from millstream.cli.stopping import Stop
from millstream.config import read_count_config
from millstream.errors import MissingExtraError

if TYPE_CHECKING:
    from millstream.counting.files.rules import CountReport
    from millstream.counting.model import Totals

FRAMES, RATE_PER_S, USERS, LATE, FLIP, SEED = 96_000, 20.0, 2_000, 0.01, 0.001, 7
TORN_EVERY = 2_000
"""Of so many lines one is cut off in the middle."""

INPUT, OUTPUT, COPIES = Path("frames.jsonl"), Path("users.jsonl"), Path("users.rejects.jsonl")
TABLE_LINES = 10
_MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersDemo:
    """What came of it: the report of the count, and what was found to hold, with whether it does."""

    report: "CountReport"
    claims: tuple[tuple[str, bool], ...]

    def as_dict(self) -> dict[str, object]:
        """The summary of the count."""
        from millstream.cli.count_display import summary_document  # noqa: PLC0415 - an optional extra

        return summary_document(self.report)

    def show(self) -> None:
        """Draw the newest windows and the summary on standard output."""
        import msgspec  # noqa: PLC0415 - what needs the extra comes late

        from millstream.cli.count_display import summary_lines  # noqa: PLC0415
        from millstream.cli.results_table import NewestWindows  # noqa: PLC0415
        from millstream.counting.model import Result  # noqa: PLC0415

        windows = NewestWindows()
        windows.add(msgspec.json.decode(line, type=Result) for line in OUTPUT.read_bytes().splitlines())
        console = stdout_console()
        console.print(windows.table(lines=TABLE_LINES))
        for line in summary_lines(self.report):
            say(console, f"users: {line}")


def count_users() -> UsersDemo:
    """Simulate, count and check, in the working folder. Raises MissingExtraError, or MillstreamError."""
    try:
        from millstream.counting.files.rules import Watcher  # noqa: PLC0415 - an optional extra
        from millstream.wiring.count import count_local  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra="count", feature="counting unique users") from error
    _write_frames()
    settings = {"sources": (str(INPUT),), "by": "minute,hour", "output": str(OUTPUT), "rejects": str(COPIES)}
    config = read_count_config(settings, environment={})
    watcher = Watcher(progress=lambda _: None, losses=lambda _: None)
    with Stop() as stop:
        report = count_local(config, state=None, watcher=watcher, stop=stop)
    return UsersDemo(report=report, claims=check(report.totals))


def _write_frames() -> None:
    lines = simulate.frames(count=FRAMES, rate_per_s=RATE_PER_S, users=USERS, late=LATE, flip=FLIP, seed=SEED)
    with INPUT.open("wb") as file:
        for number, line in enumerate(lines, 1):
            file.write(line if number % TORN_EVERY else line[: len(line) // 2] + b"\n")


def check(totals: "Totals") -> tuple[tuple[str, bool], ...]:
    """What the output proves, counted independently of it."""
    copies = [json.loads(line) for line in COPIES.read_bytes().splitlines()]
    left_out = {copy["line"] for copy in copies}
    users, frames = _plain_sets(left_out)
    expected = {minute: (len(users[minute]), frames[minute]) for minute in frames}
    results = [json.loads(line) for line in OUTPUT.read_bytes().splitlines()]
    found = {each["start"]: (each["users"], each["frames"]) for each in results if each["by"] == "minute"}
    counted = sum(number for _, number in found.values())
    return (
        (
            f"{counted:,} frames are in {len(found)} minutes, each with as many users as a plain set has",
            found == expected,
        ),
        (
            f"{len(left_out):,} frames that are in no minute have a copy that says why",
            counted + len(left_out) == FRAMES == totals.frames and len(left_out) == totals.lost,
        ),
    )


def _plain_sets(left_out: Container[int]) -> tuple[Mapping[int, set[str]], Mapping[int, int]]:
    """The users and the number of frames of each minute; lines that are no frames are in a minute of their own."""
    users: defaultdict[int, set[str]] = defaultdict(set)
    frames: Counter[int] = Counter()
    with INPUT.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if number in left_out:
                continue
            try:
                frame = json.loads(line)
            except ValueError:
                frame = {"ts": -1, "uid": ""}
            minute = frame["ts"] // _MINUTE_S * _MINUTE_S
            frames[minute] += 1
            users[minute].add(frame["uid"])
    return users, frames
