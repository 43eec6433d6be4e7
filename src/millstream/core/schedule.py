"""When a recurring job runs next.

Theory of operation: a local time of day is turned into "the first moment at which clocks on the wall show that
time or a later one". On most days that is the time itself; on a day on which it comes twice, the first of the
two; on a day that jumps over it, the end of the jump. A local day that a zone never had (Samoa, 2011-12-30) has
no run. So every local day that exists gets exactly one run, and the runs are in the order of their days.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from millstream.errors import InvalidValueError

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """Once on every local day of `zone`, at that time of day."""

    hour: int
    minute: int
    second: int = 0
    zone: tzinfo

    def next_after(self, now_s: float, *, anchor_s: float) -> float:  # noqa: ARG002 - asked like `Every`
        """The first run after `now_s`, never at it, in Unix seconds; `anchor_s` does not matter."""
        at = time(self.hour, self.minute, self.second)
        # The run of yesterday may still be ahead: it waits for the end of a jump over midnight.
        day = datetime.fromtimestamp(now_s, tz=self.zone).date() - _DAY
        while True:
            due_s = _first_moment(datetime.combine(day, at), zone=self.zone)
            if due_s > now_s and _exists(day, zone=self.zone):
                return due_s
            day += _DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """At a fixed rate: at an anchor plus every multiple of `period_s`, however long a run takes."""

    period_s: float

    def __post_init__(self) -> None:
        if not self.period_s > 0:
            raise InvalidValueError(name="every", expected="a period above 0 such as 10m", found=self.period_s)

    def next_after(self, now_s: float, *, anchor_s: float) -> float:
        """The first run after `now_s`, never at it, in the seconds of both; missed runs are not caught up."""
        periods = math.floor((now_s - anchor_s) / self.period_s) + 1
        due_s = anchor_s + periods * self.period_s
        return due_s if due_s > now_s else due_s + self.period_s  # rounding may have hit `now_s` itself


Schedule = Daily | Every


def find_zone(key: str, *, name: str = "zone") -> ZoneInfo:
    """The time zone of that IANA key, such as `Europe/Berlin`; raises InvalidValueError when there is none."""
    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError) as error:  # unknown, not a key at all, a folder of zones
        raise InvalidValueError(name=name, expected="a time zone such as Europe/Berlin or UTC", found=key) from error


def _exists(day: date, *, zone: tzinfo) -> bool:
    """Whether clocks in the zone ever showed that day."""
    midnight = datetime.combine(day, time())
    return _first_moment(midnight, zone=zone) < _first_moment(midnight + _DAY, zone=zone)


def _first_moment(wall: datetime, *, zone: tzinfo) -> float:
    """The first Unix second at which clocks in the zone show `wall` or later.

    By PEP 495 a missing time read with fold 0 lies after the jump, with fold 1 before it; so the jump is between.
    """
    upper, lower = (int(wall.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if upper <= lower:
        return upper
    moments = range(lower, upper + 1)
    return moments[bisect_left(moments, wall, key=lambda moment: _wall(moment, zone=zone))]


def _wall(moment_s: int, *, zone: tzinfo) -> datetime:
    """What clocks in the zone show at a moment."""
    return datetime.fromtimestamp(moment_s, tz=UTC).astimezone(zone).replace(tzinfo=None)
