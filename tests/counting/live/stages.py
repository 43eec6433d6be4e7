"""What the tests of the two stages share: a clock that is moved by hand, frames, and what was committed."""

from collections.abc import Iterable

from millstream.counting.frames.scanner import PythonScanner
from millstream.counting.live.partial import Partial, unpack
from millstream.counting.live.worker import StageOne, StageOneSettings
from millstream.counting.windows.calendar import Calendar
from millstream.testing.framelog_broker import MemoryBroker
from millstream.testing.framelog_memory import MemoryFrameLog

MINUTE = 1_468_244_340
NOW_S = 1_600_000_000.0
CALENDAR = Calendar("UTC")


class Now:
    """Wall-clock time."""

    def __init__(self) -> None:
        self.s = NOW_S

    def __call__(self) -> float:
        return self.s


def frames(times: Iterable[int], *, user: str = "u") -> list[bytes | None]:
    """Frames of one user each, by their times."""
    return [b'{"uid":"%s","ts":%d}' % (user.encode(), time_s) for time_s in times]


def people(*users: str, time_s: int = MINUTE) -> list[bytes | None]:
    """Frames of these users at one time."""
    return [frame for user in users for frame in frames([time_s], user=user)]


class Worker:
    """A stage 1 on a log in memory."""

    def __init__(self, broker: MemoryBroker, *, slot: str = "0", now: Now | None = None, **settings) -> None:
        self.broker, self.now = broker, now or Now()
        self.log = MemoryFrameLog(broker, slot=slot)
        self.stage = StageOne(
            self.log,
            PythonScanner(),
            settings=StageOneSettings(**settings),
            calendar=CALENDAR,
            now=self.now,
        )

    def step(self, seconds: float = 1.0) -> None:
        """Let time pass, then take a step."""
        self.now.s += seconds
        self.stage.step(0)


def committed(broker: MemoryBroker, partition: int = 0) -> list[Partial]:
    """The delta records of a partition that a merger would read."""
    return [
        unpack(entry.value or b"", partition=partition, offset=entry.offset)
        for entry in broker.deltas[partition].committed()
    ]


def users_told(records: Iterable[Partial]) -> list[int]:
    """How many users each record brings."""
    return [sum(len(delta.users) for delta in record.deltas) for record in records]
