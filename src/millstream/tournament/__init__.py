"""Seat people at tables, round after round, so that all meet many others and one wins; stands alone.

`plan` makes a seating plan; `Tournament` runs a live event, and `load`, `save` and `editing` keep it in a file.
"""

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
from millstream.tournament.standings import Standing

__all__ = [
    "EventFileError",
    "Format",
    "Mixing",
    "Quality",
    "Schedule",
    "Seating",
    "Standing",
    "StepError",
    "Tournament",
    "TournamentError",
    "WishError",
    "WrongValueError",
    "plan",
]
