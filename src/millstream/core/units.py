"""How people write durations, sizes, rates, shares and times of day, and how they are shown to them.

Theory of operation: what was written is read as an exact fraction and rounded once, at the end, so `0.1s` is the
float 0.1 and `1.5MB` is exactly 1,500,000 bytes. What cannot be read is an `InvalidValueError` under the `name`
of the setting. A number that was never text (from TOML or Python) counts as one without a unit.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction

from millstream.errors import InvalidValueError

_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"

_DURATION_UNITS_S = {
    "w": Fraction(604_800),
    "d": Fraction(86_400),
    "h": Fraction(3_600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1_000),
}
_DURATION = re.compile(r"\s*".join(rf"(?:({_NUMBER}){unit}(?![a-z]))?" for unit in _DURATION_UNITS_S), flags=re.ASCII)

_SIZE_UNITS = {
    "": Fraction(1),
    "b": Fraction(1),
    "kb": Fraction(10**3),
    "mb": Fraction(10**6),
    "gb": Fraction(10**9),
    "tb": Fraction(10**12),
    "kib": Fraction(2**10),
    "mib": Fraction(2**20),
    "gib": Fraction(2**30),
    "tib": Fraction(2**40),
}
_RATE_UNITS = {
    "": Fraction(1),
    "s": Fraction(1),
    "sec": Fraction(1),
    "m": Fraction(1, 60),
    "min": Fraction(1, 60),
    "h": Fraction(1, 3_600),
    "hour": Fraction(1, 3_600),
}
_SHARE_UNITS = {"": Fraction(1), "%": Fraction(1, 100)}

_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", flags=re.ASCII)

_SHOWN_SIZES = ("B", "kB", "MB", "GB", "TB")


def parse_duration(value: str | float, *, name: str = "duration") -> float:
    """Read a duration such as `1h30m` as seconds.

    Units are w, d, h, m, s and ms, each at most once and the largest first; a plain number is seconds.
    """
    seconds = _compound(value) if isinstance(value, str) else None
    if seconds is None:
        seconds = _measure(value, units={"": Fraction(1)})
    if seconds is None:
        raise InvalidValueError(
            name=name,
            expected="a duration such as 5m, 1h30m or 250ms (units w, d, h, m, s, ms; plain: seconds)",
            found=value,
        )
    return float(seconds)


def parse_size(value: str | float, *, name: str = "size") -> int:
    """Read a size such as `10MB` or `64KiB` as a whole number of bytes.

    kB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024, in upper or lower case; a plain number is
    bytes. `10M` is refused: it means either, depending on whom one asks.
    """
    size = _measure(value, units=_SIZE_UNITS)
    if size is None or size.denominator != 1:
        raise InvalidValueError(
            name=name,
            expected="a whole number of bytes such as 10MB or 64KiB (units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)",
            found=value,
        )
    return int(size)


def parse_rate(value: str | float, *, name: str = "rate") -> float:
    """Read a rate such as `10/min` as a number per second above 0; a plain number is per second."""
    rate = _measure(value, units=_RATE_UNITS, separator="/")
    if not rate:
        raise InvalidValueError(
            name=name,
            expected="a rate above 0 such as 10/min or 2000/s (per s, min or h; plain: per second)",
            found=value,
        )
    return float(rate)


def parse_share(value: str | float, *, name: str = "share") -> float:
    """Read a share such as `1%` or `0.01` as a fraction between 0 and 1."""
    share = _measure(value, units=_SHARE_UNITS)
    if share is None or share > 1:
        raise InvalidValueError(name=name, expected="a share from 0 to 1 such as 1% or 0.01", found=value)
    return float(share)


def parse_count(value: str | float, *, name: str = "count", minimum: int = 1) -> int:
    """Read a whole number of at least `minimum`."""
    count = _measure(value, units={"": Fraction(1)})
    if count is None or count.denominator != 1 or count < minimum:
        raise InvalidValueError(name=name, expected=f"a whole number of at least {minimum}", found=value)
    return int(count)


def parse_time_of_day(text: str, *, name: str = "time of day") -> tuple[int, int, int]:
    """Read a time of day such as `02:00` or `23:59:30` as (hour, minute, second)."""
    match = _TIME_OF_DAY.fullmatch(text.strip())
    if match is None:
        raise InvalidValueError(name=name, expected="a time of day such as 02:00, from 00:00 to 23:59:59", found=text)
    hour, minute, second = match.groups(default="0")
    return int(hour), int(minute), int(second)


def format_duration(seconds: float) -> str:
    """Show a duration, such as `1h30m`, `2m3.5s` or `50ms`.

    Rounded to milliseconds, below one second to microseconds; `parse_duration` reads it back.
    """
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if 0 < seconds < 1:
        return f"{sign}{round(seconds * 1_000, 3):g}ms"
    minutes, milliseconds = divmod(round(seconds * 1_000), 60_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{number}{unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if number]
    if milliseconds or not parts:
        parts.append(f"{milliseconds / 1_000:g}s")
    return sign + "".join(parts)


def format_size(size_bytes: int) -> str:
    """Show a size with three digits, such as `10 MB` or `1.23 GB`."""
    thousands = min((len(str(size_bytes)) - 1) // 3, len(_SHOWN_SIZES) - 1)
    digits = f"{size_bytes / 1_000**thousands:.3g}"
    return f"{float(digits):g} {_SHOWN_SIZES[thousands]}"  # through float, because .3g shows 1000 as 1e+03


def _compound(text: str) -> Fraction | None:
    """The seconds of a duration with units, or None when it is not one."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        return None
    return sum(
        (
            Fraction(number) * unit_s
            for number, unit_s in zip(match.groups(), _DURATION_UNITS_S.values(), strict=True)
            if number
        ),
        start=Fraction(0),
    )


def _measure(value: str | float, *, units: Mapping[str, Fraction], separator: str = "") -> Fraction | None:
    """A number with one unit (or none) in terms of that unit, or None when it is not that or negative."""
    if isinstance(value, str):
        pattern = rf"({_NUMBER})(?:\s*{separator}\s*([a-z%]+))?"
        match = re.fullmatch(pattern, value.strip(), flags=re.ASCII | re.IGNORECASE)
        unit = units.get((match[2] or "").lower()) if match else None
        return Fraction(match[1]) * unit if match and unit else None
    if isinstance(value, bool) or not math.isfinite(value) or value < 0:
        return None
    return Fraction(value) * units[""]
