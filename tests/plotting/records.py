"""Result records for pictures, shorter than by hand."""

from millstream.counting.model import Result, Size, Status

NOON_S = 1_468_238_400
"""2016-07-11 12:00:00 UTC, a Monday."""
LENGTHS_S = {Size.MINUTE: 60, Size.HOUR: 3_600, Size.DAY: 86_400, Size.WEEK: 604_800}


def result(
    start: int = NOON_S,
    users: int = 100,
    *,
    by: Size = Size.MINUTE,
    off: int = 0,
    status: Status = Status.FINAL,
    revision: int = 1,
    late: int = 0,
) -> Result:
    """A record; `off` is how far its bounds are from `users`, 0 for an exact one."""
    return Result(
        by=by,
        start=start,
        end=start + LENGTHS_S[by],
        users=users,
        low=users - off,
        high=users + off,
        exact=off == 0,
        status=status,
        revision=revision,
        frames=3 * users,
        late=late,
        watermark=None,
    )


def minutes(count: int, *, by: Size = Size.MINUTE, off: int = 0, late: int = 0) -> list[Result]:
    """So many windows, one after the other, with users that go up and down."""
    length = LENGTHS_S[by]
    return [
        result(NOON_S + length * at, 1000 + 37 * at % 211, by=by, off=off, late=late if at % 7 == 3 else 0)
        for at in range(count)
    ]
