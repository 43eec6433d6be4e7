"""The fan-out of events."""

import logging

import pytest

from millstream.runtime.events import Draining, Event, Events

EVENT = Draining(drain="keep", limit_s=30.0)


def test_every_listener_gets_every_event_in_order() -> None:
    """Also one that came later, from then on."""
    heard: list[tuple[str, Event]] = []
    events = Events(lambda event: heard.append(("first", event)))

    events.emit(EVENT)
    events.add(lambda event: heard.append(("second", event)))
    events.emit(EVENT)

    assert heard == [("first", EVENT), ("first", EVENT), ("second", EVENT)]


def test_a_failing_listener_stops_neither_the_engine_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged, each time, and goes no further."""
    heard: list[Event] = []

    def fail(event: Event) -> None:
        raise ValueError("a bad day")

    events = Events(fail, heard.append)
    with caplog.at_level(logging.ERROR):
        events.emit(EVENT)
        events.emit(EVENT)

    assert heard == [EVENT, EVENT]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert "a listener failed on Draining(" in caplog.text
    assert "ValueError: a bad day" in caplog.text


def test_nobody_has_to_listen() -> None:
    """An event without listeners is no error."""
    Events().emit(EVENT)
