"""A saved state is looked at, continued by the same rules, or refused in one line."""

from collections.abc import Iterator

import msgspec
import pytest

from counting.windows.windowing import BORDER, GRACE_S, again, delta, small_limits, windows, write
from millstream.counting.model import ALL_SIZES, Size
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.state import HEAD_KEY, standings_in
from millstream.counting.windows.windows import Emit, Windows
from millstream.errors import CountStateError, IdentityError


@pytest.fixture(autouse=True, scope="module")
def _limits() -> Iterator[None]:
    with small_limits():
        yield


def saved() -> dict[str, bytes]:
    counted, state = windows(Emit.ONTIME), {}
    counted.add(delta(BORDER, 1, 2, 3, late=1))
    counted.add(delta(BORDER + 240, *range(30)))
    counted.advance(BORDER + 60 + GRACE_S)
    write(state, counted)
    return state


def test_keys_of_others_are_left_alone():
    """The same log may hold the merger's own records."""
    state = saved() | {"control": b"{}", "closed:3": b"minute", "minutes": b"?", "partition:1": b"{}"}

    assert again(state, Emit.ONTIME).open() == again(saved(), Emit.ONTIME).open()


def test_what_is_saved_can_be_looked_at_without_counting():
    """By size and start, as `open` says it."""
    standings = standings_in(saved())

    assert [(standing.window.by, standing.status, standing.frames, standing.late) for standing in standings] == [
        (Size.MINUTE, None, 30, 0),
        (Size.HOUR, None, 33, 0),
        (Size.DAY, None, 33, 0),
        (Size.WEEK, None, 33, 0),
        (Size.MONTH, None, 33, 0),
        (Size.YEAR, None, 33, 0),
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"grace_s": 60}, "grace was 120s, is 60s"),
        ({"calendar": Calendar("Europe/Zurich")}, "zone was calendar-1:UTC, is calendar-1:Europe/Zurich"),
        ({"exact": True}, "exact was no, is yes"),
        ({"sizes": ALL_SIZES & ~Size.YEAR.bit}, "is minute,hour,day,week,month"),
    ],
)
def test_a_state_of_other_rules_is_refused(changed, said):
    """With what it was and what it is now, in one line."""
    settings = {"calendar": Calendar(), "grace_s": GRACE_S, "emit": Emit.ONTIME} | changed

    with pytest.raises(IdentityError, match=said):
        Windows.restore(saved(), **settings)


def test_a_state_of_another_hash_is_refused():
    """Sets of different hashes have nothing in common."""
    state = saved()
    head = msgspec.json.decode(state[HEAD_KEY])
    state[HEAD_KEY] = msgspec.json.encode(head | {"rules": head["rules"] | {"hash": "md5"}})

    with pytest.raises(IdentityError, match="hash was md5, is xxh3-64"):
        again(state, Emit.ONTIME)


def test_a_window_that_the_zone_no_longer_has_is_refused():
    """A new version of a zone's rules moved the end of an open day."""
    state = saved()
    key = f"day:{BORDER}"
    state[key] = msgspec.json.encode(msgspec.json.decode(state[key]) | {"end": BORDER + 82_800})

    with pytest.raises(IdentityError, match=f"{key} does not end at {BORDER + 82_800} any more, as UTC changed"):
        again(state, Emit.ONTIME)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (HEAD_KEY, b"{", "windows: expected the head of a count"),
        (f"hour:{BORDER}", b"[]", f"hour:{BORDER}: expected the numbers of a count"),
        (f"hour:{BORDER}#0", None, f"hour:{BORDER}#0: expected users, found nothing"),
        (f"hour:{BORDER}#0", b"1234567", "expected hashes of 8 bytes, found 7 bytes"),
        ("hour:soon", None, "expected a window like hour:1468242000, found hour:soon"),
    ],
)
def test_a_damaged_state_is_refused(key, value, said):
    """With the key, what was expected there and what was found."""
    state = saved()
    if value is None and key in state:
        del state[key]
    else:
        state[key] = value or state[f"hour:{BORDER}"]

    with pytest.raises(CountStateError, match=said):
        again(state, Emit.ONTIME)


def test_a_damaged_sketch_is_refused():
    """A cut-off sketch is named by its key."""
    counted, state = windows(Emit.FINAL), {}
    counted.add(delta(BORDER, *range(30)))
    counted.advance(BORDER + 60 + GRACE_S)
    write(state, counted)
    state[f"day:{BORDER}#sketch"] = state[f"day:{BORDER}#sketch"][:-5]

    with pytest.raises(CountStateError, match=f"day:{BORDER}#sketch: expected a sketch"):
        again(state, Emit.FINAL)


def test_a_damaged_dump_is_refused():
    """It is no traceback."""
    with pytest.raises(CountStateError, match="expected keys and values"):
        Windows.load(b"\xff\x00", calendar=Calendar(), grace_s=GRACE_S, emit=Emit.FINAL)
