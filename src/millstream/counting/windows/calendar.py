"""Which windows a minute belongs to: minutes and hours of UTC, days and longer of a time zone.

Theory of operation: minutes and hours tile Unix time. A day starts at the first moment at which the zone's clocks show
its date *or a later one*; it ends where the next day starts. Said so, days tile time in every zone: a midnight that is
skipped moves the start to the moment of the jump, one that comes twice counts the first time, clocks that are set back
across midnight do not reopen the day before, and a date that a zone leaves out altogether is an empty day that holds
no minute. Weeks (ISO 8601, from Monday), months and years start where their first day starts, so they tile time, too.

Some zones start their days in the middle of an hour, so an hour may belong to two days. Within an hour the answer
changes at most a few times: the calendar keeps, for each hour it was asked about, the stretches with one answer.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from millstream.counting.model import MINUTE_S, SIZES, Size, Window
from millstream.errors import InvalidValueError

HOUR_S = 3600
RULES = 1
"""The version of the rules above; state that was written by other rules must not be continued."""

_KEPT_HOURS = 20_000
_ONE_DAY = timedelta(days=1)


class Calendar:
    """The windows of one time zone; `zone` is a name of the IANA database. Not for several threads.

    Raises InvalidValueError for a zone that is not known.
    """

    def __init__(self, zone: str = "UTC") -> None:
        self.zone = zone
        self._rules = _rules_of(zone)
        self._hours: dict[int, tuple[tuple[int, tuple[Window, ...]], ...]] = {}
        self._starts: dict[date, int] = {}

    @property
    def identity(self) -> str:
        """Names the zone and the version of the rules, for state that must not be continued with others."""
        return f"calendar-{RULES}:{self.zone}"

    def windows(self, minute: int) -> tuple[Window, ...]:
        """The hour, day, week, month and year that hold the minute which starts at `minute` (Unix seconds).

        Minutes with one answer get one and the same tuple, as long as it is kept.
        """
        hour = minute // HOUR_S
        stretches = self._hours.get(hour)
        if stretches is None:
            stretches = self._ask(hour * HOUR_S)
        for end, windows in stretches:
            if minute < end:
                return windows
        raise AssertionError("the stretches of an hour cover it")

    def window(self, size: Size, *, at_s: int) -> Window:
        """The window of that size that holds the second `at_s`."""
        if size is Size.MINUTE:
            start = at_s - at_s % MINUTE_S
            return Window(by=size, start=start, end=start + MINUTE_S)
        return self.windows(at_s - at_s % MINUTE_S)[SIZES.index(size) - 1]

    def _ask(self, hour_s: int) -> tuple[tuple[int, tuple[Window, ...]], ...]:
        if len(self._hours) >= _KEPT_HOURS:
            self._hours.clear()
            self._starts.clear()
        stretches = []
        minute = hour_s
        while minute < hour_s + HOUR_S:
            windows = self._find(minute)
            minute = min(window.end for window in windows)
            stretches.append((minute, windows))
        found = self._hours[hour_s // HOUR_S] = tuple(stretches)
        return found

    def _find(self, minute: int) -> tuple[Window, ...]:
        hour_s = minute - minute % HOUR_S
        day = self._day_of(minute)
        return (
            Window(by=Size.HOUR, start=hour_s, end=hour_s + HOUR_S),
            *(
                Window(by=size, start=self._start(first(day)), end=self._start(following(first(day))))
                for size, (first, following) in _SPANS.items()
            ),
        )

    def _day_of(self, minute: int) -> date:
        """The date on the clocks, or the latest they have shown already when they were set back over midnight."""
        day = datetime.fromtimestamp(minute, self._rules).date()
        while self._start(day + _ONE_DAY) <= minute:
            day += _ONE_DAY
        return day

    def _start(self, day: date) -> int:
        start = self._starts.get(day)
        if start is None:
            start = self._starts[day] = -(-_first_moment(day, self._rules) // MINUTE_S) * MINUTE_S
        return start


def _first_moment(day: date, rules: ZoneInfo) -> int:
    """The first second at which clocks show `day` or later.

    PEP 495: of a time that comes twice, fold 0 is the first; of one that is skipped, fold 0 and 1 lie after and before
    the jump, because each takes the offset of the other side.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=rules)
    before, after = int(midnight.replace(fold=1).timestamp()), int(midnight.timestamp())
    if before >= after:
        return after
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, rules).date() >= day:
            after = middle
        else:
            before = middle
    return after


def _rules_of(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "a time zone like Europe/Zurich, America/New_York or UTC"
        raise InvalidValueError(name="zone", expected=expected, found=zone) from None


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _next_month(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


_SPANS: Mapping[Size, tuple[Callable[[date], date], Callable[[date], date]]] = MappingProxyType(
    {
        Size.DAY: (lambda day: day, lambda first: first + _ONE_DAY),
        Size.WEEK: (_monday, lambda first: first + timedelta(days=7)),
        Size.MONTH: (lambda day: day.replace(day=1), _next_month),
        Size.YEAR: (lambda day: day.replace(month=1, day=1), lambda first: first.replace(year=first.year + 1)),
    }
)
"""For each size from the day up: the first day of the one that holds a day, and of the one that follows."""
