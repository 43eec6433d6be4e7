"""Windows tile time in every zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.counting.model import SIZES, Size, Window
from millstream.counting.windows.calendar import Calendar
from millstream.errors import InvalidValueError

HOUR = 3600
ZONES = (
    "UTC",
    "Europe/Zurich",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Chatham",
)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def show(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


def day(zone: str, text: str) -> tuple[str, str, float]:
    """The day that holds a moment: start and end in UTC, and its hours."""
    window = Calendar(zone).window(Size.DAY, at_s=at(text))
    return show(window.start), show(window.end), (window.end - window.start) / HOUR


@pytest.mark.parametrize(
    ("zone", "moment", "start", "end", "hours"),
    [
        ("UTC", "2024-02-29T12:00", "2024-02-29 00:00", "2024-03-01 00:00", 24),
        ("Europe/Zurich", "2024-03-31T12:00", "2024-03-30 23:00", "2024-03-31 22:00", 23),
        ("Europe/Zurich", "2024-10-27T12:00", "2024-10-26 22:00", "2024-10-27 23:00", 25),
        ("Asia/Kolkata", "2024-07-01T18:29", "2024-06-30 18:30", "2024-07-01 18:30", 24),
        ("Asia/Kathmandu", "2024-07-01T18:14", "2024-06-30 18:15", "2024-07-01 18:15", 24),
        ("America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04 03:00", "2018-11-05 02:00", 23),
        ("Africa/Cairo", "2024-04-26T12:00", "2024-04-25 22:00", "2024-04-26 21:00", 23),
        ("Asia/Beirut", "2024-03-31T12:00", "2024-03-30 22:00", "2024-03-31 21:00", 23),
        ("America/Havana", "2023-11-05T04:30", "2023-11-05 04:00", "2023-11-06 05:00", 25),
        ("America/Havana", "2024-03-10T12:00", "2024-03-10 05:00", "2024-03-11 04:00", 23),
        ("Australia/Lord_Howe", "2024-04-07T00:00", "2024-04-06 13:00", "2024-04-07 13:30", 24.5),
        ("Australia/Lord_Howe", "2024-10-06T00:00", "2024-10-05 13:30", "2024-10-06 13:00", 23.5),
        ("Pacific/Apia", "2011-12-30T09:59", "2011-12-29 10:00", "2011-12-30 10:00", 24),
        ("Pacific/Apia", "2011-12-30T10:00", "2011-12-30 10:00", "2011-12-31 10:00", 24),
    ],
)
def test_a_day_is_that_of_the_zone(zone, moment, start, end, hours):
    """Days have 23, 24, 25 or 23.5 hours, start mid-hour, at a skipped midnight, or at the first of two."""
    assert day(zone, moment) == (start, end, hours)


def test_clocks_that_are_set_back_over_midnight_do_not_reopen_the_day_before():
    """In St John's the clocks went from 00:01 back to 23:01 of the day before: the new day had begun, and went on."""
    calendar = Calendar("America/St_Johns")
    first_midnight = at("2010-11-07T02:30")

    again_2301 = calendar.window(Size.DAY, at_s=at("2010-11-07T02:31"))

    assert again_2301.start == first_midnight
    assert calendar.window(Size.DAY, at_s=first_midnight - 60).end == first_midnight
    assert again_2301.end == at("2010-11-08T03:30")


@pytest.mark.parametrize(
    ("moment", "monday", "week"),
    [
        ("2015-12-31", "2015-12-28", 53),
        ("2016-01-01", "2015-12-28", 53),
        ("2016-01-03", "2015-12-28", 53),
        ("2016-01-04", "2016-01-04", 1),
        ("2020-12-31", "2020-12-28", 53),
        ("2021-01-03", "2020-12-28", 53),
        ("2021-01-04", "2021-01-04", 1),
        ("2018-12-31", "2018-12-31", 1),
    ],
)
def test_a_week_is_that_of_iso_8601(moment, monday, week):
    """A week starts on Monday and may lie in two years."""
    window = Calendar().window(Size.WEEK, at_s=at(moment) + 1)

    assert (window.start, window.end) == (at(monday), at(monday) + 7 * 24 * HOUR)
    assert date.fromisoformat(moment).isocalendar().week == week


@pytest.mark.parametrize(("year", "days"), [(2015, 365), (2016, 366), (2000, 366), (2100, 365)])
def test_leap_years_and_their_february(year, days):
    """A year has 365 or 366 days, and February follows it."""
    calendar = Calendar()
    of_year = calendar.window(Size.YEAR, at_s=at(f"{year}-06-01"))
    february = calendar.window(Size.MONTH, at_s=at(f"{year}-02-10"))

    assert of_year == Window(by=Size.YEAR, start=at(f"{year}-01-01"), end=at(f"{year + 1}-01-01"))
    assert (of_year.end - of_year.start) / (24 * HOUR) == days
    assert (february.end - february.start) / (24 * HOUR) == days - 337


def test_months_and_years_follow_daylight_saving():
    """A month of Zurich that loses an hour starts at 23:00 UTC and ends at 22:00 UTC."""
    month = Calendar("Europe/Zurich").window(Size.MONTH, at_s=at("2024-03-15"))

    assert (show(month.start), show(month.end)) == ("2024-02-29 23:00", "2024-03-31 22:00")


def test_hours_and_minutes_are_those_of_utc():
    """Where days start at :45, hours still start at :00."""
    calendar = Calendar("Asia/Kathmandu")
    moment = at("2024-07-01T18:20") + 7

    assert calendar.window(Size.HOUR, at_s=moment).start == at("2024-07-01T18:00")
    assert calendar.window(Size.MINUTE, at_s=moment).start == at("2024-07-01T18:20")
    assert calendar.window(Size.DAY, at_s=moment).start == at("2024-07-01T18:15")


def local_dates(zone: str, first: int, minutes: int) -> list[date]:
    """For each minute the latest date that the zone's clocks have shown, asked minute by minute."""
    rules, latest, dates = ZoneInfo(zone), date.min, []
    for minute in range(first - 48 * HOUR, first + minutes * 60, 60):
        latest = max(latest, datetime.fromtimestamp(minute, rules).date())
        if minute >= first:
            dates.append(latest)
    return dates


def span(size: Size, day: date) -> tuple[int, ...]:
    """What dates of one window have in common."""
    return {
        Size.DAY: (day.toordinal(),),
        Size.WEEK: day.isocalendar()[:2],
        Size.MONTH: (day.year, day.month),
        Size.YEAR: (day.year,),
    }[size]


@pytest.mark.parametrize("zone", ZONES)
@given(start=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2037, 12, 1)), near=st.booleans())  # noqa: DTZ001
@settings(max_examples=12, deadline=None)
def test_every_minute_is_in_exactly_one_window_of_each_size(zone, start, near):
    """Two minutes share a window exactly when their dates do, and windows that follow each other touch."""
    check_tiling(zone, turn_of_clocks(zone, start) if near else start)


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("America/St_Johns", datetime(2010, 11, 6, 20, 7)),  # noqa: DTZ001
        ("America/St_Johns", datetime(2011, 3, 12, 20, 7)),  # noqa: DTZ001
        ("America/Havana", datetime(2023, 11, 4, 20, 7)),  # noqa: DTZ001
        ("Pacific/Apia", datetime(2011, 12, 29, 20, 7)),  # noqa: DTZ001
        ("America/Toronto", datetime(1919, 3, 30, 20, 7)),  # noqa: DTZ001
    ],
)
def test_minutes_are_in_one_window_where_clocks_turn_around_midnight(zone, start):
    """Midnights that come twice, are skipped together with half an hour before them, or with a whole day."""
    check_tiling(zone, start)


def check_tiling(zone: str, start: datetime) -> None:
    first, minutes = int(start.replace(tzinfo=UTC).timestamp()) // 60 * 60, 1600
    calendar, dates = Calendar(zone), local_dates(zone, first, minutes)

    found = [calendar.windows(first + 60 * index) for index in range(minutes)]

    assert all(window.start <= first + 60 * index < window.end for index in range(minutes) for window in found[index])
    assert all(tuple(window.by for window in windows) == SIZES[1:] for windows in found)
    for size in SIZES[2:]:
        mine = [windows[SIZES.index(size) - 1] for windows in found]
        for index in range(1, minutes):
            same = span(size, dates[index]) == span(size, dates[index - 1])
            assert (mine[index] == mine[index - 1]) == same
            assert same or mine[index].start == mine[index - 1].end == first + 60 * index


def turn_of_clocks(zone: str, start: datetime) -> datetime:
    """Some hours before the next change of the zone's offset, if there is one within 400 days."""
    rules = ZoneInfo(zone)
    offsets = [(start + timedelta(days=days)).replace(tzinfo=rules).utcoffset() for days in range(400)]
    changes = [days for days in range(1, 400) if offsets[days] != offsets[days - 1]]
    return start + timedelta(days=changes[0] - 1) if changes else start


@pytest.mark.parametrize("zone", ["America", "Mars/Olympus", "", "../etc/passwd"])
def test_an_unknown_zone_is_refused(zone):
    """The message names what was expected and what was found."""
    with pytest.raises(InvalidValueError, match="expected a time zone like Europe/Zurich") as caught:
        Calendar(zone)

    assert repr(zone) in str(caught.value)


def test_the_identity_names_zone_and_rules():
    """Two zones have two identities."""
    assert Calendar("Europe/Zurich").identity == "calendar-1:Europe/Zurich"
    assert Calendar("Europe/Zurich").identity != Calendar("Europe/Berlin").identity


def test_the_answers_stay_right_when_the_calendar_forgets():
    """More hours than are kept do not change an answer."""
    calendar = Calendar("Asia/Kolkata")
    before = calendar.windows(at("2024-07-01T18:20"))

    for hour in range(20_001):
        calendar.windows(hour * HOUR)

    assert calendar.windows(at("2024-07-01T18:20")) == before
