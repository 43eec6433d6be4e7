"""Runs an input through an admission and notes what became of each frame."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from millstream.counting.admission.admission import Admission, Admitted
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.model import ALL_SIZES, MINUTE_S, Size
from millstream.counting.windows.calendar import Calendar

UPPER_S = 4_000_000_000
CALENDAR = Calendar("UTC")
SETTINGS = ClockSettings()


def an_admission(settings: ClockSettings = SETTINGS, *, grace_s: int = 60, note: str | None = None) -> Admission:
    return Admission(settings, grace_s=grace_s, calendar=CALENDAR, note=note)


@dataclass
class Fates:
    """What became of frames, which are called by their number in the input (that is their user and position)."""

    verdicts: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Of each frame in a delta: the minute, the sizes in which it counts, those for which it is late."""
    quarantined: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    late: int = 0

    def note(self, admitted: Admitted) -> None:
        for delta in admitted.deltas:
            assert delta.frames == len(delta.users) > 0
            assert delta.counted
            assert delta.late & delta.counted == delta.late
            for user in delta.users.tolist():
                assert user not in self.verdicts
                self.verdicts[user] = (delta.minute, delta.counted, delta.late)
        self.quarantined += admitted.quarantined.tolist()
        self.dropped += admitted.dropped.tolist()
        self.late += admitted.late

    @property
    def counted(self) -> set[int]:
        """The frames that are in their minute."""
        return {frame for frame, (_, counted, _) in self.verdicts.items() if counted & Size.MINUTE.bit}

    @property
    def in_time(self) -> set[int]:
        """The frames that are in all their windows, late for none."""
        return {frame for frame, (_, counted, late) in self.verdicts.items() if (counted, late) == (ALL_SIZES, 0)}

    def minutes(self) -> Counter[int]:
        """How many frames each minute has."""
        return Counter(minute for minute, counted, _ in self.verdicts.values() if counted & Size.MINUTE.bit)


def by_brute_force(times: Iterable[int]) -> Counter[int]:
    return Counter(time // MINUTE_S * MINUTE_S for time in times)


def give(admission: Admission, times: Sequence[int], *, first: int, ends_block: bool, use: int = 63) -> Admitted:
    """Admit frames which are numbered from `first`."""
    numbers = np.arange(first, first + len(times))
    return admission.admit(
        np.array(times, np.int64),
        numbers.astype(np.uint64),
        numbers.astype(np.int64),
        upper_s=UPPER_S,
        ends_block=ends_block,
        use=use,
    )


def in_blocks(times: Sequence[int], *, block: int, admission: Admission | None = None, settle: bool = True) -> Fates:
    """Whole blocks, as a file or a replay gives them."""
    admission, fates = admission or an_admission(), Fates()
    for start in range(0, len(times), block):
        fates.note(give(admission, times[start : start + block], first=start, ends_block=True))
    if settle:
        fates.note(admission.settle())
    return fates


def in_portions(times: Sequence[int], *, block: int, seed: int, most: int = 20) -> Fates:
    """The same blocks in random portions, read with random use, as live input comes; a new process now and then."""
    random, admission, fates, start = Random(seed), an_admission(), Fates(), 0
    while start < len(times):
        border = start - start % block + block
        end = min(start + random.randint(1, most), border, len(times))
        last = end in (border, len(times))
        portion = times[start:end]
        fates.note(give(admission, portion, first=start, ends_block=last, use=random.randint(9, 63)))
        if random.random() < 0.1:
            admission = an_admission(note=admission.note())
        start = end
    fates.note(admission.settle())
    return fates
