"""Seat people at tables, round after round, so that all meet many others and one wins; stands alone.

`plan` makes a seating plan; `Tournament` runs a live event, and `create`, `load` and `editing` keep it in a file.
"""

from millstream.tournament.cards import to_csv, to_html
from millstream.tournament.contest import Format
from millstream.tournament.errors import (
    EventFileError,
    StepError,
    TournamentError,
    WishError,
    WrongValueError,
)
from millstream.tournament.event import Tournament
from millstream.tournament.measure import Mixing
from millstream.tournament.planning import Schedule, plan
from millstream.tournament.quality import Quality
from millstream.tournament.rounds import Seating
from millstream.tournament.simulate import Outcome, simulate
from millstream.tournament.standings import Standing
from millstream.tournament.state import create, editing, load, save

__all__ = [
    "EventFileError",
    "Format",
    "Mixing",
    "Outcome",
    "Quality",
    "Schedule",
    "Seating",
    "Standing",
    "StepError",
    "Tournament",
    "TournamentError",
    "WishError",
    "WrongValueError",
    "create",
    "editing",
    "load",
    "plan",
    "save",
    "simulate",
    "to_csv",
    "to_html",
]
