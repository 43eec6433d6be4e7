"""The pictures of docs/tournament.md, drawn from the tables of bench/tournament.py as plain SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

Row = Mapping[str, str | int | float]

PAIRS = "Different pairs that meet: random seating, round by round, plan"
FORMATS = "Formats by simulation"

COLOURS = {
    "random": "#b8c2cf",
    "round by round": "#6f9bd1",
    "plan": "#1f5fa8",
    "points_final": "#1f5fa8",
    "points": "#2c8a57",
    "knockout": "#c2571a",
}
MARKS = (
    "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0",
    "M-6,-6h12v12h-12z",
    "M0,-8l8,8l-8,8l-8,-8z",
)
"""A circle, a square, a diamond."""

INK, FAINT = "#1c2430", "#d5dbe3"


def write_plots(tables: Mapping[str, Sequence[Row]], *, folder: Path) -> None:
    """Write tournament-pairs.svg and tournament-formats.svg."""
    (folder / "tournament-pairs.svg").write_text(pairs_plot(tables[PAIRS]), encoding="utf-8")
    (folder / "tournament-formats.svg").write_text(formats_plot(tables[FORMATS]), encoding="utf-8")


def pairs_plot(rows: Sequence[Row]) -> str:
    """Bars: the share of the upper bound that random seating, a greedy method and the plan reach, from 70 % up."""
    left, top, step, wide = 170, 60, 62, 460
    parts = _legend(("random", "round by round", "plan"), x=left, y=26)
    for percent in range(70, 101, 10):
        x = left + (percent - 70) / 30 * wide
        parts.append(_line(x, top - 6, x, top + step * len(rows)))
        parts.append(_text(x, top + step * len(rows) + 18, f"{percent} %", anchor="middle"))
    for number, row in enumerate(rows):
        y = top + step * number
        parts.append(_text(left - 10, y + 28, str(row["event"]), anchor="end"))
        for place, method in enumerate(("random", "round by round", "plan")):
            share = 100 * float(row[method]) / float(row["bound"])
            width = max((share - 70) / 30 * wide, 1)
            parts.append(_bar(left, y + 4 + 16 * place, width, 13, colour=COLOURS[method]))
            parts.append(_text(left + width + 5, y + 15 + 16 * place, f"{share:.1f}", size=11))
    label = "different pairs that meet, of the upper bound (the axis begins at 70 %)"
    parts.append(_text(left + wide / 2, top + step * len(rows) + 40, label, anchor="middle"))
    return _picture(parts, width=left + wide + 60, height=top + step * len(rows) + 56, title="Pairs that meet")


def formats_plot(rows: Sequence[Row]) -> str:
    """Marks: how often the best player wins over how many of the possible opponents everybody else meets."""
    left, top, wide, high = 80, 84, 520, 320
    low_x, low_y, high_y = 92, 25, 45
    marks = dict(zip(dict.fromkeys(str(row["event"]) for row in rows), MARKS, strict=False))
    parts = _legend(("points_final", "points", "knockout"), x=left, y=26)
    for number, (event, mark) in enumerate(marks.items()):
        parts.append(_mark(mark, left + 6 + 150 * number, 46, colour="#8793a3"))
        parts.append(_text(left + 18 + 150 * number, 50, event))
    for percent in range(low_x, 101, 2):
        x = left + (percent - low_x) / (100 - low_x) * wide
        parts += [_line(x, top, x, top + high), _text(x, top + high + 18, f"{percent} %", anchor="middle")]
    for wins in range(low_y, high_y + 1, 5):
        y = top + high - (wins - low_y) / (high_y - low_y) * high
        parts += [_line(left, y, left + wide, y), _text(left - 8, y + 4, f"{wins} %", anchor="end")]
    for row in rows:
        share = 100 * float(row["opponents"]) / float(row["at most"])
        x = left + (share - low_x) / (100 - low_x) * wide
        y = top + high - (100 * float(row["best player wins"]) - low_y) / (high_y - low_y) * high
        parts.append(_mark(marks[str(row["event"])], x, y, colour=COLOURS[str(row["format"])]))
    label = "opponents of everybody but the champion, of those possible in the rounds announced"
    parts.append(_text(left + wide / 2, top + high + 42, label, anchor="middle"))
    middle = top + high / 2
    parts.append(_text(24, middle, "the best player wins", anchor="middle", turn=f"rotate(-90 24 {middle})"))
    return _picture(parts, width=left + wide + 40, height=top + high + 58, title="Formats compared")


def _mark(path: str, x: float, y: float, *, colour: str) -> str:
    return f'<path d="{path}" transform="translate({x:.1f} {y:.1f})" fill="{colour}" stroke="#fff"/>'


def _legend(names: Sequence[str], *, x: float, y: float) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        parts.append(_bar(x + 150 * number, y - 10, 12, 12, colour=COLOURS[name]))
        parts.append(_text(x + 150 * number + 18, y, name))
    return parts


def _bar(x: float, y: float, width: float, height: float, *, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{FAINT}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13, turn: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    turned = f' transform="{turn}"' if turn else ""
    return f"<text {place}{turned}>{escape(text)}</text>"


def _picture(parts: Sequence[str], *, width: float, height: float, title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
    font = f'font-family="system-ui, sans-serif" fill="{INK}"'
    lines = [f"{head} {font}>", f"<title>{escape(title)}</title>", '<rect width="100%" height="100%" fill="#fff"/>']
    return "\n".join([*lines, *parts, "</svg>", ""])
