"""Frames for live counts, and what must come of them, counted by hand.

Partitions go on in step: in each second of event time each of them has a few frames, out of order by less than the
lateness. A last batch lies a year ahead, so every window of interest becomes final.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

START_S = 1_468_244_340
AHEAD_S = 400 * 86_400
DISORDER_S = 4

Parts = dict[int, list[bytes]]
"""Values by partition."""


def frame(user: str, ts: int) -> bytes:
    """One frame; its keys come again further down."""
    return json.dumps({"uid": user, "n": {"ts": 1, "uid": "x"}, "ts": ts}).encode()


def minutes(
    first: int, last: int, *, partitions: int = 2, per_minute: int = 60, users: int = 300, seed: int = 7
) -> Parts:
    """The frames of the minutes from `first` up to, not including, `last`, as every partition gets them."""
    parts: Parts = {}
    for partition in range(partitions):
        draw = random.Random(f"{seed}:{first}:{partition}")
        times = sorted(draw.uniform(60 * first, 60 * last) for _ in range(per_minute * (last - first)))
        in_order = sorted(times, key=lambda at: at + draw.uniform(0, DISORDER_S))
        parts[partition] = [frame(f"u{draw.randrange(users)}", START_S + int(at)) for at in in_order]
    return parts


def year_ahead(partitions: int = 2) -> Parts:
    """Frames after which everything else is over, enough of them to be believed."""
    return {each: [frame("late", START_S + AHEAD_S)] * 100 for each in range(partitions)}


def joined(*several: Mapping[int, list[bytes]]) -> Parts:
    """One after the other, partition by partition."""
    parts: Parts = defaultdict(list)
    for each in several:
        for partition, values in each.items():
            parts[partition] += values
    return dict(parts)


def expected(values: Iterable[bytes]) -> dict[str, tuple[int, int]]:
    """Users and frames of each window, by its key."""
    users: dict[str, set[str]] = defaultdict(set)
    frames: dict[str, int] = defaultdict(int)
    for value in values:
        content = json.loads(value)
        for key in _windows(content["ts"]):
            users[key].add(content["uid"])
            frames[key] += 1
    return {key: (len(users[key]), frames[key]) for key in users}


def _windows(ts: int) -> list[str]:
    """The windows of a time, by the standard library's calendar."""
    at = datetime.fromtimestamp(ts, UTC)
    day = at.replace(hour=0, minute=0, second=0)
    starts = {
        "minute": at.replace(second=0),
        "hour": at.replace(minute=0, second=0),
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(month=1, day=1),
    }
    return [f"{by}:{int(start.timestamp())}" for by, start in starts.items()]
