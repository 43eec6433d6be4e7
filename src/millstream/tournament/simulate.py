"""Formats compared by simulation: how often the best player wins, and how well people mix.

Theory of operation: every player has a strength, drawn from a log-normal distribution with sigma 1, and wins a game
with a chance in proportion to it (Plackett and Luce). Events are played with `Tournament` itself; the plan is made
once for each format, since who is strong is drawn anew for each event, and the same for every format.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from statistics import fmean

from millstream.tournament.contest import Format
from millstream.tournament.dice import dice
from millstream.tournament.errors import WrongValueError
from millstream.tournament.event import Tournament
from millstream.tournament.standings import meetings

_SIGMA = 1.0
_RESEATING_S = 0.005
"""The budget for seating a contest round: small, since there are thousands of them, and one round needs little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came out of the events of one format.

    Shares are of 1: `best_wins` is how often the strongest player was champion, `extra_rounds` how often the rounds
    that were announced did not decide it. The opponents are those in the rounds that were announced, of all but the
    champion.
    """

    format: Format
    events: int
    best_wins: float
    extra_rounds: float
    mean_opponents: float
    fewest_opponents: float


def simulate(
    players: int,
    *,
    tables: int,
    seats: int,
    rounds: int,
    events: int = 1_000,
    styles: Iterable[Format] = tuple(Format),
    seed: int = 0,
    seconds: float = 2,
) -> list[Outcome]:
    """Play many events in each format; `seconds` is for the plan of a format. Raises WrongValueError."""
    if events < 1:
        raise WrongValueError("events", expected="at least 1", found=events)
    outcomes = []
    for style in styles:
        fresh = Tournament(players, tables=tables, seats=seats, rounds=rounds, format=style, seed=seed, seconds=seconds)
        fresh.ahead()
        fresh.record.seconds = _RESEATING_S
        played = [_play(deepcopy(fresh), rng=dice(seed, "event", number)) for number in range(events)]
        outcomes.append(_outcome(style, played))
    return outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    best_won: bool
    longer: bool
    opponents: list[int]


def _play(tournament: Tournament, *, rng: Random) -> _Event:
    """Play an event to its end with new strengths."""
    strength = {p: rng.lognormvariate(0, _SIGMA) for p in tournament.record.roster}
    while tournament.champion is None:
        seating = tournament.next_round()
        tournament.report(
            {
                number: rng.choices(table, weights=[strength[player] for player in table])[0]
                for number, table in seating.tables.items()
            }
        )
    champion = tournament.champion
    met = meetings(tournament.record.played[: tournament.record.rounds])
    return _Event(
        best_won=champion == max(strength, key=strength.__getitem__),
        longer=len(tournament.record.played) > tournament.record.rounds,
        opponents=[len(others) for player, others in met.items() if player != champion],
    )


def _outcome(style: Format, events: list[_Event]) -> Outcome:
    return Outcome(
        format=style,
        events=len(events),
        best_wins=fmean(event.best_won for event in events),
        extra_rounds=fmean(event.longer for event in events),
        mean_opponents=fmean(fmean(event.opponents) for event in events),
        fewest_opponents=fmean(min(event.opponents) for event in events),
    )
