"""Schedules: one run for each local day that exists, whatever the zone does to its clocks."""

import math
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.core.schedule import Daily, Every, find_zone
from millstream.errors import InvalidValueError

CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/Sao_Paulo", date(2018, 11, 4)),  # midnight itself was jumped over
    ("America/Sao_Paulo", date(2018, 2, 17)),  # the last hour of the day came twice
    ("America/Nuuk", date(2024, 3, 30)),  # the last hour of the day was jumped over
    ("Australia/Lord_Howe", date(2026, 4, 5)),  # half an hour
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Pacific/Apia", date(2011, 12, 30)),  # a day that never was
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("Asia/Kathmandu", date(1986, 1, 1)),  # fifteen minutes
    ("UTC", date(2026, 1, 1)),
]


def at(text: str, *, zone: str = "UTC") -> float:
    """Unix seconds of an ISO time that exists once in the zone (or the first of two)."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def nightly(hour: int, minute: int, *, zone: str) -> Daily:
    """A daily schedule in the zone of that key."""
    return Daily(hour=hour, minute=minute, zone=ZoneInfo(zone))


def runs_between(schedule: Daily, *, start_s: float, end_s: float) -> list[float]:
    """The runs after the start and up to the end, one by one."""
    runs = []
    now_s = start_s
    while (now_s := schedule.next_after(now_s, anchor_s=0.0)) <= end_s:
        runs.append(now_s)
    return runs


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CHANGES), st.times(), st.booleans())
def test_the_runs_are_those_of_brute_force(change: tuple[str, date], of_day: time, whole_hour: bool) -> None:
    """Watching the clock on the wall minute by minute finds the same runs."""
    key, day = change
    zone = ZoneInfo(key)
    minute = 0 if whole_hour else of_day.minute
    middle = datetime.combine(day, time(12), tzinfo=UTC).timestamp()
    start_s, end_s = middle - 4 * 86_400, middle + 4 * 86_400
    walls = {
        moment: datetime.fromtimestamp(moment, tz=zone).replace(tzinfo=None)
        for moment in range(int(start_s), int(end_s) + 1, 60)
    }
    expected = []
    for shown in sorted({wall.date() for wall in walls.values()}):
        wanted = datetime.combine(shown, time(of_day.hour, minute))
        reached = [moment for moment, wall in walls.items() if wall >= wanted]
        if reached and min(reached) > start_s:
            expected.append(min(reached))

    found = runs_between(nightly(of_day.hour, minute, zone=key), start_s=start_s, end_s=end_s)

    assert found == expected


def test_a_time_that_is_jumped_over_runs_when_the_jump_ends() -> None:
    """In Berlin 02:30 did not come on the last Sunday of March, so it ran at 03:00."""
    schedule = nightly(2, 30, zone="Europe/Berlin")

    run_s = schedule.next_after(at("2026-03-29T01:00", zone="Europe/Berlin"), anchor_s=0.0)

    assert run_s == at("2026-03-29T03:00", zone="Europe/Berlin")


def test_a_time_that_comes_twice_runs_the_first_time_only() -> None:
    """In Berlin 02:30 came twice on the last Sunday of October; the second one is no run."""
    schedule = nightly(2, 30, zone="Europe/Berlin")
    first_s = at("2026-10-25T00:30")

    assert schedule.next_after(first_s - 1, anchor_s=0.0) == first_s
    assert schedule.next_after(first_s, anchor_s=0.0) == at("2026-10-26T01:30")


def test_a_day_that_never_was_has_no_run() -> None:
    """In Samoa the 29th of December 2011 was followed by the 31st."""
    schedule = nightly(2, 0, zone="Pacific/Apia")

    runs = runs_between(schedule, start_s=at("2011-12-29T00:00", zone="Pacific/Apia"), end_s=at("2011-12-31T00:00"))

    assert runs == [at("2011-12-29T02:00", zone="Pacific/Apia"), at("2011-12-31T02:00", zone="Pacific/Apia")]


def test_seconds_count() -> None:
    """A time of day may have seconds."""
    schedule = Daily(hour=23, minute=59, second=30, zone=UTC)

    assert schedule.next_after(at("2026-01-01T12:00"), anchor_s=0.0) == at("2026-01-01T23:59:30")


@given(
    st.floats(min_value=0.001, max_value=1e7),
    st.floats(min_value=0.0, max_value=4e9),
    st.floats(min_value=0.0, max_value=4e9),
)
def test_the_next_of_a_fixed_rate_is_the_next_multiple(period_s: float, anchor_s: float, now_s: float) -> None:
    """It is ahead, by one period at most, and a whole number of periods from the anchor."""
    due_s = Every(period_s=period_s).next_after(now_s, anchor_s=anchor_s)

    rounding_s = math.ulp(4e9)
    assert now_s < due_s <= now_s + period_s + 2 * rounding_s
    assert abs(math.remainder(due_s - anchor_s, period_s)) <= 4 * rounding_s


def test_missed_runs_are_not_caught_up() -> None:
    """After a run that took three periods and a half, the next is at the fourth."""
    assert Every(period_s=600.0).next_after(3_100.0, anchor_s=1_000.0) == 3_400.0


@pytest.mark.parametrize("period_s", [0.0, -1.0, math.nan])
def test_a_period_of_nothing_is_refused(period_s: float) -> None:
    """Without a period there is no next run."""
    with pytest.raises(InvalidValueError, match="every: expected a period above 0 such as 10m"):
        Every(period_s=period_s)


def test_a_zone_is_found_by_its_key() -> None:
    """A key of the IANA data base is a zone."""
    assert find_zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("key", ["Mars/Olympus", "Europe", "", "../zone", "/etc/localtime"])
def test_an_unknown_zone_is_refused(key: str) -> None:
    """Anything else is not."""
    with pytest.raises(InvalidValueError, match="timezone: expected a time zone such as Europe/Berlin or UTC"):
        find_zone(key, name="timezone")
