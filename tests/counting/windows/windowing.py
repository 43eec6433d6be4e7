"""Random histories of a count, and brute force for what has to come out of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import strategies as st

from millstream.counting.model import ALL_SIZES, SIZES, Delta, Result, Size, Status, Window
from millstream.counting.windows import agenda
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.distinct import Estimate, UserSet
from millstream.counting.windows.windows import Emit, Windows

MINUTE_LIMIT, WINDOW_LIMIT = 14, 10
GRACE_S = 120
BORDER = 1_609_459_200
"""The start of 2021 in UTC, where a minute, an hour, a day, a month and a year end together."""
START = BORDER - 900


@dataclass(frozen=True)
class Add:
    delta: Delta


@dataclass(frozen=True)
class Advance:
    by_s: int


@dataclass(frozen=True)
class Silence:
    pass


@dataclass(frozen=True)
class Early:
    after_s: float


Step = Add | Advance | Silence | Early


@contextmanager
def small_limits() -> Iterator[None]:
    """Sets become sketches when they are still small enough to look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agenda, "MINUTE_LIMIT", MINUTE_LIMIT)
        patch.setattr(agenda, "WINDOW_LIMIT", WINDOW_LIMIT)
        yield


def windows(emit: Emit, *, zone: str = "UTC", exact: bool = False, sizes: int = ALL_SIZES) -> Windows:
    return Windows(calendar=Calendar(zone), grace_s=GRACE_S, emit=emit, exact=exact, sizes=sizes)


def again(state: dict[str, bytes], emit: Emit, **settings: object) -> Windows:
    return Windows.restore(state, calendar=Calendar(), grace_s=GRACE_S, emit=emit, **settings)


def write(state: dict[str, bytes], counted: Windows) -> None:
    """What a log that keeps the last value of each key would do."""
    for key, value in counted.changes():
        if value is None:
            del state[key]
        else:
            state[key] = value


def users(*numbers: int) -> np.ndarray:
    """Hashes; spread, as those of real users are."""
    return np.array([number * 0x9E3779B97F4A7C15 % 2**64 for number in numbers], dtype=np.uint64)


def delta(minute: int, *numbers: int, frames: int | None = None, counted: int = ALL_SIZES, late: int = 0) -> Delta:
    frames = len(numbers) if frames is None else frames
    return Delta(minute=minute, users=users(*numbers), frames=frames, counted=counted, late=late)


_MINUTES = st.one_of(st.integers(-2, 1), st.integers(-5, 15), st.sampled_from([-1440, -70, -60, 30, 60, 1440, 44640]))
_DELTAS = st.builds(
    lambda minute, numbers, again, counted, late: delta(
        60 * minute, *numbers, frames=len(numbers) + again, counted=counted, late=late & counted
    ),
    _MINUTES,
    st.lists(st.integers(0, 40), min_size=1, max_size=12),
    st.integers(0, 3),
    st.sampled_from([ALL_SIZES] * 6 + [ALL_SIZES & ~1, ALL_SIZES & ~3, ALL_SIZES & ~7]),
    st.sampled_from([0, 0, 1, 3, ALL_SIZES]),
)
_ADDS = st.builds(Add, _DELTAS)
_ADVANCES = st.builds(Advance, st.sampled_from([0, 1, 30, 60, 60, 61, 90, 120, 180, 600, 3600, 90_000]))
_EARLY = st.builds(Early, st.sampled_from([0.0, 0.5, 1.0, 5.0, 30.0, 61.0]))


def placed(steps: list[Step]) -> list[Step]:
    """The steps with the minutes of deltas counted from where the watermark is at that moment."""
    at_s, result = START, []
    for step in steps:
        match step:
            case Advance(by_s):
                at_s += by_s
            case Add(relative):
                step = Add(replace(relative, minute=at_s // 60 * 60 + relative.minute))  # noqa: PLW2901
        result.append(step)
    return result


STEPS = st.lists(st.one_of(_ADDS, _ADDS, _ADVANCES, st.builds(Silence)), min_size=3, max_size=30).map(placed)
STEPS_WITH_EARLY = st.lists(
    st.one_of(_ADDS, _ADDS, _ADVANCES, st.builds(Silence), _EARLY), min_size=3, max_size=30
).map(placed)


@dataclass
class Driver:
    """Takes steps with windows; time starts a quarter of an hour before the border."""

    windows: Windows
    at_s: int = START
    now_s: float = 0.0

    def take(self, step: Step) -> list[Result]:
        match step:
            case Add(delta):
                self.windows.add(delta)
                return []
            case Advance(by_s):
                self.at_s += by_s
                return self.windows.advance(self.at_s)
            case Silence():
                return self.windows.silence()
            case Early(after_s):
                self.now_s += after_s
                return self.windows.early(self.now_s)


@dataclass
class Truth:
    """Counts every frame in every window by itself."""

    calendar: Calendar
    exact: bool = False
    at_s: int = START
    watermark: int | None = None
    refused: int = 0
    users: dict[Window, list[np.ndarray]] = field(default_factory=dict)
    frames: dict[Window, int] = field(default_factory=dict)
    late: dict[Window, int] = field(default_factory=dict)

    def take(self, step: Step) -> None:
        if isinstance(step, Advance):
            self.at_s += step.by_s
            self.watermark = self.at_s
        if isinstance(step, Add):
            self._count(step.delta)

    def is_final(self, window: Window) -> bool:
        return self.watermark is not None and window.end + GRACE_S <= self.watermark

    def _count(self, delta: Delta) -> None:
        for size in SIZES:
            window = self.calendar.window(size, at_s=delta.minute)
            if not delta.counted & size.bit:
                continue
            if self.is_final(window):
                self.refused += delta.frames if size is Size.MINUTE else 0
                continue
            self.users.setdefault(window, []).append(delta.users)
            self.frames[window] = self.frames.get(window, 0) + delta.frames
            self.late[window] = self.late.get(window, 0) + (delta.frames if delta.late & size.bit else 0)

    def estimate(self, window: Window) -> Estimate:
        limit = MINUTE_LIMIT if window.by is Size.MINUTE else WINDOW_LIMIT
        every = UserSet(None if self.exact else limit)
        for array in self.users[window]:
            every.add(array)
        return every.estimate()

    def agrees(self, result: Result) -> bool:
        """Whether a result says what is true at this moment."""
        window = Window(by=result.by, start=result.start, end=result.end)
        found = Estimate(users=result.users, low=result.low, high=result.high, exact=result.exact)
        counts = (self.frames[window], self.late[window], self.watermark)
        return found == self.estimate(window) and (result.frames, result.late, result.watermark) == counts


def life_is_right(results: list[Result]) -> bool:
    """Whether one window went through early* (ontime update*)? final, with revisions without a hole."""
    letters = "".join(result.status[0] for result in results)  # e, o, u, f
    body = letters.removesuffix("f").lstrip("e")
    return (
        letters.count("f") == 1
        and letters.endswith("f")
        and (not body or (body[0] == "o" and set(body[1:]) <= {"u"}))
        and [result.revision for result in results] == list(range(1, len(results) + 1))
    )


def by_window(results: list[Result]) -> dict[str, list[Result]]:
    lives: dict[str, list[Result]] = {}
    for result in results:
        lives.setdefault(result.key, []).append(result)
    return lives


def in_order(results: list[Result]) -> bool:
    places = [(result.by.bit, result.start) for result in results]
    return places == sorted(places)


def without_revision(results: list[Result]) -> dict[str, dict[str, object]]:
    """The final values by window."""
    finals = [result for result in results if result.status is Status.FINAL]
    names = [name for name in Result.__struct_fields__ if name != "revision"]
    return {result.key: {name: getattr(result, name) for name in names} for result in finals}


def split(step: Step) -> list[Step]:
    """The same frames in one delta for each user, the last one again, as stage 1 may send them."""
    if not isinstance(step, Add) or len(step.delta.users) == 1:
        return [step]
    of = step.delta
    parts = [Add(replace(of, users=of.users[index : index + 1], frames=0)) for index in range(len(of.users))]
    return [*parts, Add(replace(of, users=of.users[-1:]))]
