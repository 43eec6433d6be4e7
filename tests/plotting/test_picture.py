"""Pictures: the same bytes for the same records, everything legible, and quickly."""

from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from millstream.counting.model import SIZES, Result, Size, Status
from millstream.plotting import picture
from millstream.plotting.panels import (
    BARS,
    SHOWS_BOUNDS,
    SHOWS_MEDIAN,
    SHOWS_ONTIME,
    SHOWS_OPEN,
    SHOWS_RANGE,
    SHOWS_REVISED,
    SHOWS_USERS,
    STEPS,
)
from millstream.plotting.reading import Reading, Windows
from plotting.records import NOON_S, minutes, result

UTC = ZoneInfo("UTC")
HOURS = [
    result(NOON_S, 9_000, by=Size.HOUR, status=Status.ONTIME),
    result(NOON_S, 9_100, by=Size.HOUR, revision=2, late=3),
    result(NOON_S + 3_600, 8_000, by=Size.HOUR, off=40),
    result(NOON_S + 7_200, 500, by=Size.HOUR, status=Status.EARLY),
]
FAR_APART = [result(NOON_S), result(NOON_S + 3650 * 86_400)]
INPUTS = {
    "one window": [result()],
    "hours": HOURS,
    "far apart": FAR_APART,
    "bars": minutes(BARS, off=20, late=1),
    "steps": minutes(BARS + 1, off=20, late=1),
    "most steps": minutes(STEPS, late=1),
    "columns": minutes(STEPS + 1, off=20, late=1),
    "all": [*minutes(3_000), *minutes(60, by=Size.HOUR, late=2), *minutes(3, by=Size.DAY, off=9), result(by=Size.WEEK)],
    "nobody": [result(users=0)],
    "millions": [*minutes(8, by=Size.DAY), result(NOON_S + 8 * 86_400, 123_456_789, by=Size.DAY, off=5_000_000)],
}

inputs = pytest.mark.parametrize("records", INPUTS.values(), ids=INPUTS)


def panels(records: list[Result]) -> tuple[Windows, ...]:
    found = Reading()
    found.add((record.encode() for record in records), name="here")
    return found.windows(SIZES)


def drawn(records: list[Result], *, zone: ZoneInfo = UTC) -> Figure:
    """A figure with everything at its place."""
    figure = picture.compose(panels(records), title="Unique users", zone=zone)
    FigureCanvasAgg(figure).draw()
    return figure


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@inputs
@pytest.mark.parametrize("kind", picture.FORMATS)
def test_the_same_records_give_the_same_bytes(records, kind):
    """Nothing in a picture depends on when it was made, or on chance."""
    once, again = (picture.render(panels(records), kind=kind, zone=UTC) for _ in range(2))

    assert once == again
    assert (b"<dc:date>" in once, b"tEXtSoftware" in once) == (False, False)


@inputs
def test_no_labels_overlap(records):
    """Neither those of an axis, nor values above bars, nor the titles of a panel, nor what is below."""
    figure = drawn(records)
    canvas = figure.canvas
    renderer = canvas.get_renderer()
    below = figure.legends[0].get_window_extent(renderer)

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [
                tick.label1.get_window_extent(renderer) for tick in axis.get_major_ticks() if tick.label1.get_text()
            ]
            assert not any(one.overlaps(other) for one, other in pairwise(boxes))
        assert not any(box.overlaps(below) for box in boxes)
        values = [text for text in axes.texts if isinstance(text, Annotation)]
        boxes = [value.get_window_extent(renderer) for value in values]
        assert not any(one.overlaps(other) for one, other in pairwise(boxes))
        left, right = (text.get_window_extent(renderer) for text in (axes._left_title, axes._right_title))
        assert not left.overlaps(right)
        assert left.x0 >= 0
        assert right.x1 <= figure.bbox.x1 + 1


@inputs
def test_every_axis_has_dates_and_begins_at_nobody(records):
    """Three labels or more on the axis of time, and heights that compare."""
    for axes in drawn(records).axes:
        labels = [label.get_text() for label in axes.get_xticklabels()]

        assert len([label for label in labels if label]) >= 3
        assert axes.get_ylim()[0] == 0


def test_what_is_special_is_marked():
    """Bounds, late updates with the value before, and what is still open, each with a word in the legend."""
    figure = drawn(HOURS)

    assert legend(figure) == [SHOWS_USERS, SHOWS_OPEN, SHOWS_BOUNDS, SHOWS_REVISED, SHOWS_ONTIME]
    assert figure.axes[0].get_title(loc="left") == "hour: 2016-07-11 12:00 to 15:00"
    assert figure.axes[0].get_title(loc="right") == "3 windows, 1 estimated, 1 with late frames, 1 still open"
    assert [text.get_text() for text in figure.axes[0].texts] == ["9,100", "about 8,000", "500"]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (minutes(5), [SHOWS_USERS]),
        (minutes(BARS + 1, off=3, late=1), [SHOWS_USERS, SHOWS_BOUNDS, SHOWS_REVISED]),
        (minutes(STEPS + 1, late=1), [SHOWS_MEDIAN, SHOWS_RANGE, SHOWS_REVISED]),
    ],
    ids=["bars", "steps", "columns"],
)
def test_a_legend_says_what_there_is_and_nothing_else(records, words):
    """However many windows there are."""
    assert legend(drawn(records)) == words


def test_a_gap_is_not_bridged():
    """Where no window is, no line is."""
    missing = [record for record in minutes(200) if not 80 <= (record.start - NOON_S) // 60 < 120]
    (axes,) = drawn(missing).axes
    times, users = axes.lines[0].get_data()

    hours = (times - times[0]) * 24
    assert not ((hours > 80 / 60 + 0.001) & (hours < 2 - 0.001)).any()
    assert np.isnan(users).tolist() == np.isnan(times).tolist()
    assert np.flatnonzero(np.isnan(times)).tolist() == [2 * 80, 2 * 160 + 1]


def test_columns_hold_every_value_between_their_borders():
    """The range that is drawn reaches from the lowest to the highest of all windows."""
    records = minutes(5_000)
    (axes,) = drawn(records).axes
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]

    assert heights.max() == max(record.users for record in records)
    assert heights[heights > 0].min() == min(record.users for record in records)


def test_times_are_those_of_the_zone():
    """Labels, titles and the legend, on a day that has 25 hours."""
    start = 1_477_778_400  # 2016-10-30 00:00 in Zurich
    day = result(start, by=Size.DAY)
    figure = drawn(
        [Result(**{name: getattr(day, name) for name in day.__struct_fields__} | {"end": start + 90_000})],
        zone=ZoneInfo("Europe/Zurich"),
    )

    assert figure.axes[0].get_title(loc="left") == "day: 2016-10-30"
    assert figure.axes[0].get_xticklabels()[0].get_text() == "30 Oct"
    assert figure.legends[0].get_title().get_text() == "times in Europe/Zurich"


def test_a_title_is_text_as_it_stands():
    """Neither a formula nor a mark-up, and a sign without a glyph is no error."""
    drawing = picture.render(panels([result()]), kind="svg", title="$\\frac{1}$ <b> & 水車", zone=UTC)

    assert "<title>$\\frac{1}$ &lt;b&gt; &amp; 水車</title>" in drawing.decode()


def test_fifty_thousand_minutes_are_a_small_picture():
    """They are drawn as ranges over columns, so the file stays small."""
    drawing = picture.render(panels(minutes(50_000, off=5, late=1)), kind="svg", zone=UTC)

    assert len(drawing) < 500_000
