"""Panels on a page, as SVG or PNG; the same records give the same bytes."""

import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from matplotlib import dates, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from millstream.counting.model import Size
from millstream.plotting.panels import INK, LABELS, draw
from millstream.plotting.reading import Windows

if TYPE_CHECKING:
    from matplotlib.artist import Artist

FORMATS = ("svg", "png")
TITLE = "Unique users"

_WIDTH_INCHES, _PANEL_INCHES, _REST_INCHES = 10.0, 1.75, 1.0
_PNG_DPI = 150
_ZEROS = ["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"]
"""How a tick is written at which a new year, month, day, hour or minute begins."""
_LOOK: dict[str, object] = {
    "svg.hashsalt": "millstream",  # names within the file must not be drawn by lot
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#dddddd",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}


def render(panels: Sequence[Windows], *, kind: str, title: str = TITLE, zone: ZoneInfo) -> bytes:
    """The bytes of a picture of these windows, one panel for each size, at least one.

    `kind` is one of FORMATS. Times are shown in `zone`. A title is text as it stands, on one line.
    """
    with style.context(["default", _LOOK]), warnings.catch_warnings():
        # A sign of the title for which there is no glyph is drawn as a box, which says it all.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = compose(panels, title=title, zone=zone)
        output = BytesIO()
        plain = {"Date": None, "Creator": None, "Title": title} if kind == "svg" else {"Software": None, "Title": title}
        figure.savefig(output, format=kind, dpi=_PNG_DPI, metadata=plain)
    return output.getvalue()


def compose(panels: Sequence[Windows], *, title: str, zone: ZoneInfo) -> Figure:
    """The figure itself, before it becomes bytes; the caller sets the look."""
    height = _REST_INCHES + _PANEL_INCHES * len(panels)
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    for axes, windows in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        draw(axes, windows)
        axes.set_title(f"{windows.size}: {_stretch(windows, zone=zone)}", loc="left", fontsize=9, fontweight="bold")
        axes.set_title(_facts(windows), loc="right", fontsize=8.5)
        _set_axes(axes, zone=zone)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    _add_legend(figure, zone=zone)
    return figure


def _set_axes(axes: Axes, *, zone: ZoneInfo) -> None:
    locator = dates.AutoDateLocator(tz=zone, minticks=3, maxticks=8)  # type: ignore[no-untyped-call] # it has no types
    axes.xaxis.set_major_locator(locator)
    short = ["%Y", "%b", "%d", "%H:%M", "%H:%M", "%H:%M:%S"]
    # Which year or day it is stands above the panel, for the whole of it.
    concise = dates.ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator, tz=zone, formats=short, zero_formats=_ZEROS, show_offset=False
    )
    axes.xaxis.set_major_formatter(concise)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _stretch(windows: Windows, *, zone: ZoneInfo) -> str:
    """From when to when, in whole days where windows are as long as that."""
    first, end = (datetime.fromtimestamp(int(at), tz=zone) for at in (windows.starts[0], windows.ends[-1]))
    if windows.size in (Size.MINUTE, Size.HOUR):
        last = f"{end:%H:%M}" if first.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
        return f"{first:%Y-%m-%d %H:%M} to {last}"
    last_day = (end - timedelta(seconds=1)).date()
    return f"{first:%Y-%m-%d}" if first.date() == last_day else f"{first:%Y-%m-%d} to {last_day}"


def _facts(windows: Windows) -> str:
    """How many windows, and how many of them are not what most are."""
    parts = [f"{len(windows):,} window{'s' if len(windows) > 1 else ''}"]
    for number, what in (
        (int((~windows.exact).sum()), "estimated"),
        (int(windows.revised.sum()), "with late frames"),
        (int(windows.early.sum()), "still open"),
    ):
        if number:
            parts.append(f"{number:,} {what}")
    return ", ".join(parts)


def _add_legend(figure: Figure, *, zone: ZoneInfo) -> None:
    """One legend for all panels, each label once; its title says in which zone times are shown."""
    shown: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    in_order = [label for label in LABELS if label in shown]
    figure.legend(
        [shown[label] for label in in_order],
        in_order,
        loc="outside lower left",
        alignment="left",
        ncols=4,
        frameon=False,
        fontsize=8.5,
        title=f"times in {zone.key}",
        title_fontsize=8.5,
    )
