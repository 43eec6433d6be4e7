"""The windows of one size, drawn in the way that suits their number.

Theory of operation: a few windows are bars with their values; some hundreds are steps; thousands would be a blot, so
they are divided over columns of a picture's width, each with its median and its range. What no window covers stays
empty. Marks differ in shape as well as in colour, and the colours are those of Okabe and Ito (Color Universal Design,
2008), which people with any kind of colour vision can tell apart.
"""

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from numpy.typing import NDArray

from millstream.plotting.reading import Flags, Whole, Windows

Numbers = NDArray[np.float64]

BARS = 48
"""Up to so many windows are bars."""
STEPS = 1_500
"""Up to so many are steps."""
COLUMNS = 600
"""So many columns has a panel of more than that."""
VALUES = 8
"""Up to so many bars say their value."""

USERS, OPEN, BAND, LATE, INK = "#0072B2", "#9CC9E3", "#56B4E9", "#D55E00", "#222222"

SHOWS_USERS = "users"
SHOWS_MEDIAN = "median of a stretch"
SHOWS_RANGE = "lowest to highest of a stretch"
SHOWS_OPEN = "users so far, still open"
SHOWS_BOUNDS = "bounds, two standard deviations"
SHOWS_REVISED = "with late frames"
SHOWS_ONTIME = "value when it was on time"
LABELS = (SHOWS_USERS, SHOWS_MEDIAN, SHOWS_RANGE, SHOWS_OPEN, SHOWS_BOUNDS, SHOWS_REVISED, SHOWS_ONTIME)
"""What a legend may say, in its order."""

_THIN = 1 / 400
_RUG = 0.05


def draw(axes: Axes, windows: Windows) -> None:
    """Draw the windows over time; artists carry the labels of a legend."""
    if len(windows) <= BARS:
        _draw_bars(axes, windows)
    elif len(windows) <= STEPS:
        _draw_steps(axes, windows)
    else:
        _draw_columns(axes, windows)
    first, last = _at(windows.starts[:1])[0], _at(windows.ends[-1:])[0]
    margin = (last - first) * (0.05 if len(windows) <= VALUES else 0.01)
    axes.set_xlim(first - margin, last + margin)
    axes.set_ylim(0, max(float(windows.high.max()), 1.0) * 1.18)


def _draw_bars(axes: Axes, windows: Windows) -> None:
    starts, ends = _at(windows.starts), _at(windows.ends)
    centres, widths = (starts + ends) / 2, ends - starts
    # White edges part neighbours; on a bar that is less than a dot wide they would be all that is left of it.
    thin = widths.min() < (ends[-1] - starts[0]) * _THIN
    for chosen, colour, label in ((~windows.early, USERS, SHOWS_USERS), (windows.early, OPEN, SHOWS_OPEN)):
        if chosen.any():
            edge = colour if thin else "white"
            axes.bar(centres[chosen], windows.users[chosen], widths[chosen], color=colour, edgecolor=edge, label=label)
    rough = ~windows.exact
    if rough.any():
        below, above = (windows.users - windows.low)[rough], (windows.high - windows.users)[rough]
        bounds = axes.errorbar(
            centres[rough], windows.users[rough], yerr=(below, above), fmt="none", ecolor=INK, capsize=4
        )
        bounds.set_label(SHOWS_BOUNDS)
    _mark_revised(axes, windows, centres=centres, halves=widths / 2)
    _write_values(axes, windows, centres=centres)


def _mark_revised(axes: Axes, windows: Windows, *, centres: Numbers, halves: Numbers) -> None:
    """A triangle at the foot of a bar that was revised, and a dash where its value stood before."""
    revised = windows.revised
    if revised.any():
        height = float(windows.high.max()) * 0.05
        axes.plot(
            centres[revised],
            np.full(int(revised.sum()), height),
            linestyle="none",
            marker="^",
            markersize=7,
            color=LATE,
            markeredgecolor="white",
            label=SHOWS_REVISED,
        )
    moved = (windows.ontime >= 0) & (windows.ontime != windows.users)
    if moved.any():
        left, right = (centres - halves)[moved], (centres + halves)[moved]
        axes.hlines(windows.ontime[moved], left, right, colors=LATE, linewidth=2, label=SHOWS_ONTIME)


def _write_values(axes: Axes, windows: Windows, *, centres: Numbers) -> None:
    """The value above each bar, when there is room for all of them."""
    wide = _at(windows.ends[-1:])[0] - _at(windows.starts[:1])[0]
    if len(windows) > VALUES or (len(windows) > 1 and np.diff(centres).min() < wide / (VALUES + 1)):
        return
    for at, users, high, exact in zip(centres, windows.users, windows.high, windows.exact, strict=True):
        text = f"{users:,}" if exact else f"about {users:,}"
        axes.annotate(text, (at, high), (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=8)


def _draw_steps(axes: Axes, windows: Windows) -> None:
    edges = _edges(windows.starts, windows.ends)
    if not windows.exact.all():
        low, high = (_doubled(values, edges=edges) for values in (windows.low, windows.high))
        axes.fill_between(edges, low, high, color=BAND, linewidth=0, label=SHOWS_BOUNDS)
    axes.plot(edges, _doubled(windows.users, edges=edges), color=USERS, linewidth=1.2, label=SHOWS_USERS)
    if windows.early.any():
        so_far = np.where(windows.early, windows.users.astype(np.float64), np.nan)
        axes.plot(edges, _doubled(so_far, edges=edges), color=OPEN, linewidth=2.4, label=SHOWS_OPEN)
    _draw_rug(axes, (_at(windows.starts) + _at(windows.ends))[windows.revised] / 2)


def _edges(starts: Whole, ends: Whole) -> Numbers:
    """Start and end of each window in turn; NaN after one that the next does not follow, which breaks a line."""
    edges = np.stack([_at(starts), _at(ends), np.full(len(starts), np.nan)], axis=1)
    apart = np.append(starts[1:] != ends[:-1], True)
    kept = np.stack([np.ones_like(apart), np.ones_like(apart), apart], axis=1)
    joined: Numbers = edges[kept]
    return joined


def _doubled(values: Whole | Numbers, *, edges: Numbers) -> Numbers:
    """Each value at both edges of its window."""
    doubled = np.full(len(edges), np.nan)
    doubled[~np.isnan(edges)] = np.repeat(values, 2)
    return doubled


def _draw_columns(axes: Axes, windows: Windows) -> None:
    first, last = int(windows.starts[0]), int(windows.ends[-1])
    borders = np.linspace(first, last, COLUMNS + 1)
    column = np.clip(np.searchsorted(borders, windows.starts, side="right") - 1, 0, COLUMNS - 1)
    order = np.lexsort((windows.users, column))
    begins = np.flatnonzero(np.diff(column[order], prepend=-1))
    counts = np.diff(begins, append=len(order))
    medians = windows.users[order][begins + (counts - 1) // 2]
    lowest = np.minimum.reduceat(windows.low[order], begins)
    highest = np.maximum.reduceat(windows.high[order], begins)
    filled = column[order][begins]
    left, right = (borders[at].astype(np.int64) for at in (filled, filled + 1))
    edges = _edges(left, right)
    low, high, middle = (_doubled(values, edges=edges) for values in (lowest, highest, medians))
    axes.fill_between(edges, low, high, color=BAND, alpha=0.55, linewidth=0, label=SHOWS_RANGE)
    axes.plot(edges, middle, color=USERS, linewidth=1.2, label=SHOWS_MEDIAN)
    _draw_rug(axes, _at((left + right)[_any_of(windows.revised[order], begins=begins)] // 2))


def _any_of(flags: Flags, *, begins: NDArray[np.intp]) -> Flags:
    found: Flags = np.logical_or.reduceat(flags, begins)
    return found


def _draw_rug(axes: Axes, at: Numbers) -> None:
    """A stroke at the top of a panel at each of these times."""
    if len(at):
        top = axes.get_xaxis_transform()
        axes.vlines(at, 1 - _RUG, 1, transform=top, colors=LATE, linewidth=1.2, label=SHOWS_REVISED)


def _at(seconds: Whole) -> Numbers:
    """Unix seconds as matplotlib counts time."""
    days: Numbers = dates.date2num(seconds.astype("datetime64[s]"))  # type: ignore[no-untyped-call] # it has no types
    return days
