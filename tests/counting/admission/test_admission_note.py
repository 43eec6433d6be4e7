"""Notes: they always fit, and an admission that goes on from one does as if nothing had happened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting.admission.admitting import CALENDAR, SETTINGS, Fates, an_admission, give
from millstream.counting.admission.admission import Admission
from millstream.counting.admission.clock import LATEST_S, PENDING_LIMIT, RING_LIMIT, ClockSettings
from millstream.counting.admission.note import State, Terms, read, write
from millstream.counting.admission.pending import Waiting
from millstream.counting.windows.calendar import Calendar
from millstream.errors import NoteRefusedError
from millstream.ports.framelog import NOTE_LIMIT

START = 1_468_244_340
TERMS = Terms(settings=SETTINGS, grace_s=60, calendar=CALENDAR)

hands = st.none() | st.integers(0, LATEST_S)
waiting_frames = st.builds(
    lambda ages, frames: [
        Waiting(-age, *frame) for age, frame in zip(sorted(ages, reverse=True), frames, strict=False)
    ],
    st.lists(st.integers(0, 10**6), min_size=PENDING_LIMIT, max_size=PENDING_LIMIT),
    st.lists(
        st.tuples(st.integers(0, LATEST_S), st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)),
        max_size=PENDING_LIMIT,
    ),
)
states = st.builds(
    State,
    ring=st.lists(st.integers(0, LATEST_S), max_size=RING_LIMIT),
    live=hands,
    judging=hands,
    arrived=st.integers(0, 10**6),
    waiting=waiting_frames,
)


@given(states)
def test_a_note_fits_and_is_read_as_it_was_written(state):
    """Whatever is in it: printable ASCII, and nothing lost."""
    note = write(state, terms=TERMS)

    assert len(note) <= NOTE_LIMIT
    assert note.isascii()
    assert note.isprintable()
    assert read(note, terms=TERMS) == state


def test_the_largest_note_fits():
    """As many frames and times as there can be, each as far from the one before as it can be."""
    extremes = [0, LATEST_S]
    state = State(
        ring=[extremes[number % 2] for number in range(RING_LIMIT)],
        live=LATEST_S,
        judging=LATEST_S,
        arrived=10**9,
        waiting=[
            Waiting(
                10**9 - 10**6 * (PENDING_LIMIT - number), extremes[number % 2], 2**64 - 1, (-1) ** number * (2**63 - 1)
            )
            for number in range(PENDING_LIMIT)
        ],
    )
    terms = Terms(
        settings=ClockSettings(lateness_s=LATEST_S),
        grace_s=10**10,
        calendar=Calendar("America/Argentina/ComodRivadavia"),
    )

    note = write(state, terms=terms)

    assert len(note) <= NOTE_LIMIT
    assert read(note, terms=terms) == state


portions = st.lists(
    st.tuples(
        st.lists(
            st.integers(START, START + 400) | st.integers(START, START + 10**7) | st.integers(0, 2**31), max_size=40
        ),
        st.booleans(),
        st.integers(9, 63),
    ),
    max_size=12,
)


@given(portions, st.sets(st.integers(0, 11)), st.booleans())
def test_an_admission_goes_on_from_its_note_as_if_undisturbed(portions, restarts, idle):
    """At the end of a block, in the middle of one, with and without a clock, with frames that wait."""
    settings = ClockSettings(pending_limit=20, pending_frames=100)
    undisturbed, disturbed = an_admission(settings), an_admission(settings)
    expected, found, first = Fates(), Fates(), 0
    for number, (times, ends_block, use) in enumerate(portions):
        if number in restarts:
            disturbed = an_admission(settings, note=disturbed.note())
        for admission, fates in ((undisturbed, expected), (disturbed, found)):
            fates.note(give(admission, times, first=first, ends_block=ends_block, use=use))
            if idle:
                fates.note(admission.settle(ended=False))
        first += len(times)
        assert disturbed.note() == undisturbed.note()
        assert disturbed.watermark == undisturbed.watermark
    expected.note(undisturbed.settle())
    found.note(disturbed.settle())

    assert found == expected


@pytest.mark.parametrize(
    ("settings", "grace_s", "zone"),
    [
        (ClockSettings(lateness_s=6), 60, "UTC"),
        (ClockSettings(kth=3), 60, "UTC"),
        (SETTINGS, 61, "UTC"),
        (SETTINGS, 60, "Europe/Zurich"),
    ],
)
def test_a_note_under_other_settings_is_refused(settings, grace_s, zone):
    """State of one clock is not continued by another."""
    note = an_admission().note()

    with pytest.raises(NoteRefusedError, match=r"expected a note of lateness .*, found lateness 5 s, grace 60 s"):
        Admission(settings, grace_s=grace_s, calendar=Calendar(zone), note=note)


def test_a_note_of_another_version_is_refused():
    """With both versions named."""
    note = an_admission().note()

    with pytest.raises(NoteRefusedError, match="expected a note of version 1, found '2:5:60"):
        an_admission(note=note.replace("1:", "2:", 1))


@pytest.mark.parametrize(
    "damage", [lambda note: note[:-7], lambda note: note + "0000000", lambda note: note[:-1] + '"']
)
def test_a_damaged_note_is_refused(damage):
    """In one line, without a traceback of the decoder."""
    admission = an_admission()
    give(admission, [START, START + 1, START + 5000], first=0, ends_block=False)

    with pytest.raises(NoteRefusedError, match="damaged note"):
        an_admission(note=damage(admission.note()))


@pytest.mark.parametrize("note", ["x", "1", "1:2", "1:::", "offset 5", ":"])
def test_what_is_no_note_is_refused(note):
    """Text of anybody else."""
    with pytest.raises(NoteRefusedError):
        an_admission(note=note)


def test_an_empty_note_is_a_fresh_start():
    """A bookmark without a note was set by hand."""
    assert an_admission(note="").note() == an_admission().note()
