"""Units: what people write is read exactly, and what cannot be read is refused in one clear line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.units import (
    format_duration,
    format_size,
    parse_count,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
    parse_time_of_day,
)
from millstream.errors import InvalidValueError

PARSERS = [parse_duration, parse_size, parse_rate, parse_share, parse_count, parse_time_of_day]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("50ms", 0.05),
        ("1m5ms", 60.005),
        ("0.1s", 0.1),
        ("1.5h", 5400.0),
        ("2w1d", 1_296_000.0),
        ("0", 0.0),
        (" 90 ", 90.0),
        (90, 90.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read_as_seconds(text: str | float, seconds: float) -> None:
    """Units add up to seconds, and a plain number is seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "-5m", "5M", "5 minutes", "30m1h", "1m1m", "1m30", "m", ".5s", "1e3", "٣s", "5m!", -1, True, math.inf],
)
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    """Nothing that could mean two things, or less than nothing, is taken for a duration."""
    with pytest.raises(InvalidValueError, match=r"^window: expected a duration such as 5m, .* found "):
        parse_duration(text, name="window")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("10MB", 10_000_000),
        ("10mb", 10_000_000),
        ("64KiB", 65_536),
        ("64 kib", 65_536),
        ("1.5MB", 1_500_000),
        ("0.1kB", 100),
        ("3GB", 3_000_000_000),
        ("1TiB", 2**40),
        ("17B", 17),
        ("17", 17),
        ("0", 0),
        (10_000_000, 10_000_000),
        (1e7, 10_000_000),
    ],
)
def test_a_size_is_read_as_bytes(text: str | float, size_bytes: int) -> None:
    """Decimal and binary units are both known, and the result is exact."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "10M", "10K", "1.5B", "1.0001kB", "-1", "ten", "10 MB MB", "10/s", 0.5, math.nan])
def test_what_is_no_whole_number_of_bytes_is_refused(text: str | float) -> None:
    """`10M` could be either kind of mega, and there is no half byte."""
    with pytest.raises(InvalidValueError, match=r"^capacity: expected a whole number of bytes such as 10MB"):
        parse_size(text, name="capacity")


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("10/min", 10 / 60),
        ("10/m", 10 / 60),
        ("2000/s", 2000.0),
        ("2000 / sec", 2000.0),
        ("0.5/s", 0.5),
        ("36/h", 0.01),
        ("36/hour", 0.01),
        ("1000", 1000.0),
        (1000, 1000.0),
    ],
)
def test_a_rate_is_read_per_second(text: str | float, per_second: float) -> None:
    """A rate has a unit of time below the line, a second when it has none."""
    assert parse_rate(text) == per_second


@pytest.mark.parametrize("text", ["0", "0/s", "10/", "10/week", "10min", "/s", "-1/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """A rate of nothing would never end, so it is refused like one that cannot be read."""
    with pytest.raises(InvalidValueError, match=r"^rate: expected a rate above 0 such as 10/min"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.1 %", 0.001), ("100%", 1.0), ("0.25", 0.25), (1, 1.0)])
def test_a_share_is_read_as_a_fraction(text: str | float, share: float) -> None:
    """A share is written in percent or as a fraction."""
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["101%", "1.01", "-1%", "%", "half"])
def test_what_is_no_share_is_refused(text: str) -> None:
    """Nothing above the whole is a share of it."""
    with pytest.raises(InvalidValueError, match=r"^late: expected a share from 0 to 1 such as 1%"):
        parse_share(text, name="late")


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("100000", 100_000), (7, 7), (7.0, 7)])
def test_a_count_is_read_as_a_whole_number(text: str | float, count: int) -> None:
    """A count is a plain whole number."""
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "1e6", "", "ten", True])
def test_what_is_no_count_is_refused(text: str | float) -> None:
    """A count below the least that makes sense is refused, and the message names the least."""
    with pytest.raises(InvalidValueError, match=r"^workers: expected a whole number of at least 1, found "):
        parse_count(text, name="workers")


def test_the_least_count_can_be_nothing() -> None:
    """Where none is a fair answer, zero is read."""
    assert parse_count("0", minimum=0) == 0


@pytest.mark.parametrize(
    ("text", "time_of_day"),
    [("02:00", (2, 0, 0)), ("2:05", (2, 5, 0)), ("23:59:30", (23, 59, 30)), ("00:00", (0, 0, 0))],
)
def test_a_time_of_day_is_read(text: str, time_of_day: tuple[int, int, int]) -> None:
    """A time of day has hours and minutes, and seconds if somebody cares."""
    assert parse_time_of_day(text) == time_of_day


@pytest.mark.parametrize("text", ["24:00", "2", "2:5", "02:60", "02:00:60", "2am", "-1:00", ""])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    """A time that no clock shows is refused."""
    with pytest.raises(InvalidValueError, match=r"^at: expected a time of day such as 02:00"):
        parse_time_of_day(text, name="at")


@given(st.sampled_from(PARSERS), st.text(max_size=12) | st.from_regex(r"\d+(\.\d+)? ?[a-zA-Z%/:]{0,3}"))
def test_any_text_is_read_or_refused(parse: object, text: str) -> None:
    """Whatever is typed gives a value that is not negative, or the one error for it."""
    try:
        value = parse(text)  # type: ignore[operator]  # the list of parsers has no common type
    except InvalidValueError:
        return

    assert min(value if isinstance(value, tuple) else (value,)) >= 0


@given(st.integers(min_value=0, max_value=10**11))
def test_a_shown_duration_is_read_back(milliseconds: int) -> None:
    """Whole milliseconds survive being shown and read again."""
    seconds = milliseconds / 1_000

    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=1, max_value=999_999))
def test_a_shown_instant_is_read_back(microseconds: int) -> None:
    """Below one second, whole microseconds survive being shown and read again."""
    seconds = microseconds / 1_000_000

    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=1, max_value=999), st.integers(min_value=0, max_value=4))
def test_a_shown_size_is_read_back(number: int, thousands: int) -> None:
    """Sizes of three digits survive being shown and read again."""
    size_bytes = number * 1_000**thousands

    assert parse_size(format_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (0.05, "50ms"),
        (0.0004, "0.4ms"),
        (5.25, "5.25s"),
        (60, "1m"),
        (5400, "1h30m"),
        (604_800, "7d"),
        (90_061, "1d1h1m1s"),
        (59.9996, "1m"),
        (-2.5, "-2.5s"),
    ],
)
def test_a_duration_is_shown_as_people_write_it(seconds: float, shown: str) -> None:
    """Parts that are nothing are left out."""
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (10_000_000, "10 MB"),
        (1_234_567, "1.23 MB"),
        (999_999, "1000 kB"),
        (12_345 * 10**12, "12300 TB"),
    ],
)
def test_a_size_is_shown_with_three_digits(size_bytes: int, shown: str) -> None:
    """The unit is the largest that leaves a digit before the point."""
    assert format_size(size_bytes) == shown
