"""What a person is told about a window."""

from datetime import UTC, datetime

import pytest

from millstream.counting.live.explain import explain_window
from millstream.counting.live.frontier import Frontier, Known
from millstream.counting.live.status import Control, CountStatus
from millstream.counting.model import Result, Size, Status, Totals, Window
from millstream.counting.windows.openwindow import Standing

MINUTE = 1_468_244_340  # 2016-07-11 13:39:00
NOW_S = datetime(2024, 5, 1, 12, 4, 18, tzinfo=UTC).timestamp()
KEY = f"minute:{MINUTE}"
SPAN = "2016-07-11 13:39:00 to 2016-07-11 13:40:00"


def known(watermark: int | None = 30, **fields) -> Known:
    """A partition that is caught up and live, unless `fields` say otherwise; `watermark` counts from MINUTE."""
    common = {
        "position": 100,
        "end": 100,
        "watermark": None if watermark is None else MINUTE + watermark,
        "caught_up": True,
        "idle_until_s": None,
        "silent_since_s": NOW_S - 0.5,
        "at_s": NOW_S - 0.5,
        "totals": (0, 0, 0, 0, 0),
    }
    return Known(**(common | fields))


def standing(*, status: Status | None = None, revision: int = 0, changed: bool = True) -> Standing:
    return Standing(
        window=Window(by=Size.MINUTE, start=MINUTE, end=MINUTE + 60),
        status=status,
        revision=revision,
        frames=59_872,
        late=3,
        changed=changed,
    )


def status(
    *partitions: Known | None, watermark: int | None = 30, window: Standing | None = None, **closed: Result
) -> CountStatus:
    """A count with these partitions (None: never reported) and one open window."""
    control = Control(
        group="g",
        input="in",
        identity="rules",
        at_s=NOW_S,
        grace_s=60,
        partitions=len(partitions),
        known={number: one for number, one in enumerate(partitions) if one is not None},
        read={},
        needed={},
        watermark=None if watermark is None else MINUTE + watermark,
        closed=len(closed),
        refused=0,
    )
    results = {result.key: result for result in closed.values()}
    open_windows = () if results else (window or standing(),)
    return CountStatus(control=control, held_by=None, totals=Totals(), open=open_windows, closed=results)


def explained(count: CountStatus, key: str = KEY) -> list[str]:
    return explain_window(count, key, now_s=NOW_S)


def test_an_open_window_tells_its_span_its_counts_and_the_watermark():
    """With the end that it waits for."""
    lines = explained(status(known(30)))

    assert lines == [
        f"{KEY} ({SPAN}) is open: it ends when the watermark reaches 2016-07-11 13:40:00",
        "59,872 frames, 3 of them late so far; nothing was put out yet",
        "the watermark is 2016-07-11 13:39:30, 30 s before",
        "partition 0 is live, its watermark is 2016-07-11 13:39:30",
    ]


@pytest.mark.parametrize(
    ("partition", "line"),
    [
        (
            known(silent_since_s=NOW_S - 8),
            "partition 1 is silent since 12:04:10 and not yet idle, its watermark is 2016-07-11 13:39:30",
        ),
        (
            known(position=500, end=12_500, caught_up=False),
            "partition 1 is 12,000 records behind, its watermark is 2016-07-11 13:39:30",
        ),
        (
            known(at_s=NOW_S - 48),
            "partition 1 was last reported at 12:03:30, its watermark is 2016-07-11 13:39:30: is a worker reading it?",
        ),
        (None, "partition 1 has not been reported yet: no worker has read it"),
        (known(None), "partition 1 is live, it has too few frames for a clock"),
    ],
)
def test_what_holds_a_window_is_named(partition: Known | None, line: str):
    """The partition, and why it holds the watermark."""
    lines = explained(status(known(90), partition))

    assert lines[3:] == [line]


def test_the_partition_that_holds_most_comes_first():
    """Unreported ones, then by watermark; those that are idle or far enough hold nothing."""
    partitions = [known(40), known(10), known(60), known(0, idle_until_s=NOW_S + 5), None]

    lines = explained(status(*partitions))

    assert [line.split(" ")[1] for line in lines[3:]] == ["4", "1", "0"]


def test_many_partitions_are_counted_and_not_listed():
    """A topic may have hundreds."""
    lines = explained(status(*[known(10)] * 50))

    assert len(lines) == 3 + 8 + 1
    assert lines[-1] == "and 42 more partitions hold it"


def test_silence_is_named():
    """When all partitions are idle nothing closes."""
    lines = explained(status(known(30, idle_until_s=NOW_S + 5)))

    assert lines[-1] == "all partitions are idle: nothing moves event time until newer frames come"


def test_a_window_that_ended_waits_for_its_grace():
    """With what was put out, and whether it changed since."""
    window = standing(status=Status.ONTIME, revision=2, changed=True)

    lines = explained(status(known(70), watermark=70, window=window))

    assert lines[0].endswith(
        "has ended and takes late frames: it is final when the watermark reaches 2016-07-11 13:41:00"
    )
    assert (
        lines[1] == "59,872 frames, 3 of them late so far; revision 2 (ontime) was put out last, and it changed since"
    )
    assert lines[2] == "the watermark is 2016-07-11 13:40:10, 50 s before"


def test_a_window_that_nothing_holds_waits_for_the_merger():
    """Its partitions have all passed it."""
    lines = explained(status(known(90), watermark=30))

    assert lines[-1] == "no partition holds it any more: it is put out with the merger's next commit; is one running?"


def test_a_final_window_tells_its_value():
    """With bounds when it is an estimate."""
    value = {
        "by": Size.MINUTE,
        "start": MINUTE,
        "end": MINUTE + 60,
        "status": Status.FINAL,
        "revision": 2,
        "frames": 1,
        "late": 0,
        "watermark": MINUTE + 126,
    }
    exact = Result(users=19_034, low=19_034, high=19_034, exact=True, **value)
    estimate = Result(users=19_034, low=18_900, high=19_100, exact=False, **value)

    assert explained(status(known(126), watermark=126, it=exact)) == [
        f"{KEY} ({SPAN}) is closed: final, and never revised",
        "19,034 users in 1 frame, 0 of them late; revision 2",
        "it became final when the watermark had reached 2016-07-11 13:41:06",
    ]
    assert explained(status(known(126), watermark=126, it=estimate))[1].startswith(
        "about 19,034 users (18,900 to 19,100) in"
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("minute", "minute is no window: expected a size (minute, hour, day, week, month, year) and a start"),
        ("fortnight:0", "fortnight:0 is no window"),
        ("minute:yesterday", "minute:yesterday is no window"),
        (f"minute:{MINUTE + 5}", f"no minute starts at {MINUTE + 5}: the one that holds it is {KEY}"),
        (f"hour:{MINUTE}", f"no hour starts at {MINUTE}: the one that holds it is hour:1468242000"),
        (f"minute:{MINUTE + 600}", "is not open: no frame of it has been counted yet"),
        (f"minute:{MINUTE - 600}", "is not open: it became final earlier than the last 0 windows that did"),
    ],
)
def test_a_window_that_is_not_there_gets_a_clear_answer(key: str, said: str):
    """What is wrong with the name, or why it cannot be found."""
    assert said in explained(status(known(30)), key)[0]


def test_nothing_is_known_of_time_before_the_first_clock():
    """The watermark is said to be unknown."""
    lines = explained(status(known(None), watermark=None))

    assert lines[2] == "the watermark is not known yet"


def test_the_lowest_partition_is_the_one_that_holds():
    """One that has not reported before all others, and none when all are idle."""
    frontier = Frontier({0: known(40), 1: known(10), 2: known(0, idle_until_s=NOW_S + 5)})

    assert frontier.holder(partitions=3, now_s=NOW_S) == 1
    assert frontier.holder(partitions=4, now_s=NOW_S) == 3
    assert Frontier({0: known(idle_until_s=NOW_S + 5)}).holder(partitions=1, now_s=NOW_S) is None
