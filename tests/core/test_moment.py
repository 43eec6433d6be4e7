"""Moments: what people write is the second they mean, on any machine."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.moment import LATEST_UNIX_S, Edge, parse_moment, parse_start
from millstream.errors import InvalidValueError

NOON = datetime(2025, 7, 20, 12, tzinfo=UTC).timestamp()


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(4999, 1, 1)),  # noqa: DTZ001 - gets its zone below
    st.integers(-12 * 60, 14 * 60),
)
def test_iso_8601_is_the_moment_it_names(moment: datetime, offset_min: int) -> None:
    """A time with its offset is that moment, and one without is of UTC."""
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_min)))

    assert parse_moment(aware.isoformat()) == aware.timestamp()
    assert parse_moment(moment.isoformat()) == moment.replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-07-20T12:00:00Z", NOON),
        ("2025-07-20 12:00", NOON),
        ("2025-07-20T14:00:00+02:00", NOON),
        ("2025-07-20", NOON - 43_200),
        ("20250720", 20_250_720.0),
        (f"{NOON:.0f}", NOON),
        (" 0.5 ", 0.5),
    ],
)
def test_digits_are_unix_seconds(text: str, seconds: float) -> None:
    """Digits alone are Unix seconds, and a date is its midnight."""
    assert parse_moment(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "-1", "nan", "inf", "1e9", str(LATEST_UNIX_S), "1753012800000", "1969-12-31", "2025-13"],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Words, milliseconds and times before 1970 are refused."""
    with pytest.raises(InvalidValueError, match=r"^time: expected a time such as"):
        parse_moment(text)


def test_a_start_is_an_edge_or_a_moment() -> None:
    """The ends of a log have names, everything else is a time."""
    assert parse_start("earliest") is Edge.EARLIEST
    assert parse_start("latest") is Edge.LATEST
    assert parse_start("2025-07-20T12:00:00Z") == NOON
    with pytest.raises(InvalidValueError, match=r"^from: expected earliest, latest or a time"):
        parse_start("committed")
