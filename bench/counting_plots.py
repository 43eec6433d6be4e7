"""The pictures of docs/unique-users.md, drawn from the tables of the studies; the same figures give the same bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from millstream.plotting.panels import BAND, INK, LATE, USERS

Row = Mapping[str, str | int | float]

LOOK: dict[str, object] = {
    "svg.hashsalt": "millstream",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "text.color": INK,
    "font.size": 9,
}


def lateness_plot(rows: Sequence[Row], path: Path) -> None:
    """Above, frames that come after the result and that are dropped; below, how long the result takes."""
    allowed = [f"{row['lateness, s']}" for row in rows]
    with style.context(["default", LOOK]):
        figure = Figure(figsize=(7.5, 5.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        _line(above, allowed, rows, "after the result, %", colour=USERS, mark="o", label="after the result: revise it")
        _line(above, allowed, rows, "dropped, %", colour=LATE, mark="s", label="dropped: past a grace of 60 s")
        above.set_yscale("log")
        above.set_ylim(0.01)
        above.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        above.set_ylabel("frames")
        above.legend(frameon=False)
        bars = below.bar(allowed, [float(row["result after end, s"]) for row in rows], color=USERS, width=0.5)
        below.bar_label(bars, fmt="%.1f", padding=2)
        below.margins(y=0.15)
        below.grid(axis="x", visible=False)
        below.set_ylabel("result after the end of the\nminute, seconds (median)")
        below.set_xlabel("lateness that the watermark allows, seconds")
        _save(figure, path, title="Waiting against correctness")


def sketch_plot(errors: Mapping[int, Sequence[float]], width: float, path: Path) -> None:
    """The error of every trial, by the number of users, within the bounds."""
    with style.context(["default", LOOK]):
        figure = Figure(figsize=(7.5, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.axhspan(-width, width, color=BAND, alpha=0.35, linewidth=0, label="bounds, two standard deviations")
        for number, found in enumerate(errors.values()):
            spots = number + np.linspace(-0.3, 0.3, len(found))
            label = "a window" if number == 0 else None
            axes.plot(spots, found, linestyle="none", marker="o", markersize=4, color=USERS, label=label)
            axes.annotate(f"{len(found)} windows", (number, -1.7 * width), ha="center", fontsize=8)
        axes.set_xticks(range(len(errors)), [f"{users:,}" for users in errors])
        axes.set_ylim(-1.9 * width, 1.9 * width)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        axes.set_ylabel("estimate against the truth")
        axes.set_xlabel("users in the window")
        axes.legend(frameon=False, loc="upper right", ncols=2)
        _save(figure, path, title="Sketches against the truth")


def stage_plot(rows: Sequence[Row], path: Path) -> None:
    """A bar for each stage and scanner."""
    scanners = [name.split()[0] for name in rows[0] if name.endswith("ns per frame")]
    with style.context(["default", LOOK]):
        figure = Figure(figsize=(7.5, 0.8 + 0.24 * len(rows) * len(scanners)), layout="constrained")
        axes = figure.subplots()
        height = 0.8 / len(scanners)
        for number, (scanner, colour) in enumerate(zip(scanners, (USERS, LATE), strict=False)):
            times = [float(row[f"{scanner} scanner, ns per frame"]) for row in rows]
            places = [place + (number - (len(scanners) - 1) / 2) * height for place in range(len(rows))]
            bars = axes.barh(places, times, height=height, color=colour, label=f"{scanner} scanner")
            axes.bar_label(bars, [f"{time:,.0f}" for time in times], padding=3)
        axes.set_yticks(range(len(rows)), [str(row["stage"]) for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("processor time, nanoseconds per frame")
        axes.margins(x=0.1)
        axes.legend(loc="lower right")
        _save(figure, path, title="Where the time goes")


def _line(axes: Axes, at: Sequence[str], rows: Sequence[Row], name: str, *, colour: str, mark: str, label: str) -> None:
    axes.plot(at, [float(row[name]) for row in rows], color=colour, marker=mark, markersize=5, label=label)


def _save(figure: Figure, path: Path, *, title: str) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None, "Title": title})
