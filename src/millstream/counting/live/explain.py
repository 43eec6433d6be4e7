"""Why a window is open or closed, in plain words.

Theory of operation: a window ends when the watermark passes its end, and the watermark is the lowest of the partitions
that are not idle. So what a window waits for is always one of a few things about one of a few partitions, and each has
its sentence.
"""

from datetime import UTC, datetime

from millstream.counting.live.frontier import Known
from millstream.counting.live.status import CountStatus
from millstream.counting.model import SIZES, Result, Size, Status, Window
from millstream.counting.windows.openwindow import Standing

STALE_S = 30.0
"""A partition that was not reported on for so long may have nobody who reads it."""
NAMED = 8
"""Partitions that are named one by one."""

_LENGTHS = {Size.MINUTE: 60, Size.HOUR: 3600}


def explain_window(status: CountStatus, key: str, *, now_s: float) -> list[str]:
    """Lines about the window called `key` (`minute:1468244340`): open or closed, counts, and what it waits for.

    `now_s` is wall-clock time. Times are told in UTC. Never raises for what `key` is.
    """
    wrong = wrong_key(key)
    if wrong:
        return [wrong]
    result = status.closed.get(key)
    if result is not None and result.status is Status.FINAL:
        return closed_lines(result)
    standing = next((one for one in status.open if one.window.key == key), None)
    if standing is None:
        return _unknown(status, key)
    control = status.control
    headline = open_headline(standing.window, watermark=control.watermark, grace_s=control.grace_s)
    return [headline, *standing_counts(standing), *_waits(status, standing, now_s=now_s)]


def wrong_key(key: str) -> str | None:
    """What is wrong with the name of a window; None when it is one."""
    name, _, start = key.partition(":")
    if name not in SIZES or not start.isdecimal():
        return f"{key} is no window: expected a size ({', '.join(SIZES)}) and a start, like minute:1468244340"
    length_s = _LENGTHS.get(Size(name))
    if length_s is not None and int(start) % length_s:
        return f"no {name} starts at {start}: the one that holds it is {name}:{int(start) // length_s * length_s}"
    return None


def closed_lines(result: Result) -> list[str]:
    """About a window that is final."""
    users = (
        f"{result.users:,} users"
        if result.exact
        else f"about {result.users:,} users ({result.low:,} to {result.high:,})"
    )
    return [
        f"{result.key} ({_span(result.start, result.end)}) is closed: final, and never revised",
        f"{users} in {_frames(result.frames, result.late)}; revision {result.revision}",
        f"it became final when the watermark had reached {moment(result.watermark)}",
    ]


def _unknown(status: CountStatus, key: str) -> list[str]:
    start, watermark = int(key.partition(":")[2]), status.control.watermark
    if watermark is None or start >= watermark:
        return [
            f"{key} is not open: no frame of it has been counted yet",
            f"the watermark is {moment(watermark)}",
        ]
    return [
        (
            f"{key} is not open: it became final earlier than the last {len(status.closed):,} windows that did, "
            "or no frame of it was ever counted, or windows of this size are not put out"
        ),
        f"the watermark is {moment(watermark)}; what was final stays in the results",
    ]


def open_headline(window: Window, *, watermark: int | None, grace_s: int) -> str:
    """What an open window waits for."""
    span = _span(window.start, window.end)
    if watermark is None or watermark < window.end:
        return f"{window.key} ({span}) is open: it ends when the watermark reaches {moment(window.end)}"
    final = moment(window.end + grace_s)
    return f"{window.key} ({span}) has ended and takes late frames: it is final when the watermark reaches {final}"


def standing_counts(standing: Standing) -> list[str]:
    """What is in an open window, and what was said of it."""
    counted = f"{_frames(standing.frames, standing.late)} so far"
    if standing.status is None:
        return [f"{counted}; nothing was put out yet"]
    changed = ", and it changed since" if standing.changed else ""
    return [f"{counted}; revision {standing.revision} ({standing.status}) was put out last{changed}"]


def _waits(status: CountStatus, standing: Standing, *, now_s: float) -> list[str]:
    """What keeps the watermark from closing the window."""
    control, frontier = status.control, status.frontier
    ended = control.watermark is not None and control.watermark >= standing.window.end
    target = standing.window.end + (control.grace_s if ended else 0)
    lines = [f"the watermark is {moment(control.watermark)}{_distance(control.watermark, target)}"]
    if frontier.silent(partitions=control.partitions, now_s=now_s):
        return [*lines, "all partitions are idle: nothing moves event time until newer frames come"]
    holding = [
        (number, known)
        for number, known in ((number, frontier.known.get(number)) for number in range(control.partitions))
        if known is None or (not known.is_idle(now_s) and (known.watermark is None or known.watermark < target))
    ]
    holding.sort(key=lambda pair: (-1 if pair[1] is None or pair[1].watermark is None else pair[1].watermark, pair[0]))
    lines += [_reason(number, known, now_s=now_s) for number, known in holding[:NAMED]]
    if len(holding) > NAMED:
        lines.append(f"and {len(holding) - NAMED} more partitions hold it")
    if not holding:
        lines.append("no partition holds it any more: it is put out with the merger's next commit; is one running?")
    return lines


def _reason(number: int, known: Known | None, *, now_s: float) -> str:
    """Why a partition holds the watermark."""
    name = f"partition {number}"
    if known is None:
        return f"{name} has not been reported yet: no worker has read it"
    at = (
        f"its watermark is {moment(known.watermark)}"
        if known.watermark is not None
        else "it has too few frames for a clock"
    )
    behind = known.end - known.position
    if now_s - known.at_s > STALE_S:
        return f"{name} was last reported at {_clock(known.at_s)}, {at}: is a worker reading it?"
    if behind > 0 and not known.caught_up:
        return f"{name} is {behind:,} records behind, {at}"
    if now_s - known.silent_since_s >= 1:
        return f"{name} is silent since {_clock(known.silent_since_s)} and not yet idle, {at}"
    return f"{name} is live, {at}"


def _frames(frames: int, late: int) -> str:
    return f"{frames:,} {'frame' if frames == 1 else 'frames'}, {late:,} of them late"


def _distance(watermark: int | None, target: int) -> str:
    if watermark is None or watermark >= target:
        return ""
    return f", {target - watermark:,} s before"


def _span(start: int, end: int) -> str:
    return f"{moment(start)} to {moment(end)}"


def moment(time_s: int | None) -> str:
    """A moment of event time, in UTC."""
    return "not known yet" if time_s is None else f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M:%S}"


def _clock(time_s: float) -> str:
    """A moment of wall-clock time, of today or nearly so."""
    return f"{datetime.fromtimestamp(time_s, UTC):%H:%M:%S}"
