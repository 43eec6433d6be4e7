"""How a champion comes out: the three formats, and who sits where in a contest round.

Theory of operation: an event has rounds by plan, and then contest rounds, in each of which some players are *alive*.
They sit at contest tables; the winner of each stays alive, until one is left: the champion. The formats differ in
when the contest begins and with whom: `points_final` in the last round with the best who fill one table; `points`
after the last round with those who share the lead, mostly one, and then there is nothing to play; `knockout` with
everybody, in time to end in the last round. All others are seated at the other tables in every round. Only a knockout
fills the contest tables up with the best of the others, who become alive with that: its rounds would leave seats empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import assert_never

from millstream.tournament.errors import WrongValueError
from millstream.tournament.standings import Standing
from millstream.tournament.wishes import Player


class Format(StrEnum):
    """How the champion is found."""

    POINTS_FINAL = "points_final"
    POINTS = "points"
    KNOCKOUT = "knockout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Who sits at `contest_tables` tables of the contest and who at `other_tables`, the best of each first.

    Those with `byes` stay alive without playing for it; they are among the others.
    """

    contestants: tuple[Player, ...]
    contest_tables: int
    others: tuple[Player, ...]
    other_tables: int
    byes: tuple[Player, ...]


def planned_rounds(style: Format, *, players: int, tables: int, seats: int, rounds: int) -> int:
    """How many rounds go by plan before the contest; raises WrongValueError when there are too few rounds."""
    match style:
        case Format.POINTS:
            contest, fewest = 0, 1
        case Format.POINTS_FINAL:
            contest, fewest = 1, 2
        case Format.KNOCKOUT:
            contest = fewest = _knockout_rounds(players, tables=tables, seats=seats)
        case _:
            assert_never(style)
    if rounds < fewest:
        raise WrongValueError("rounds", expected=f"at least {fewest} for {style}", found=rounds)
    return rounds - contest


def first_alive(style: Format, *, ranking: Sequence[Standing], tables: int, seats: int) -> list[Player]:
    """Who enters the contest, the best first; `ranking` holds the active players in order."""
    players = [line.player for line in ranking]
    match style:
        case Format.POINTS:
            return [line.player for line in ranking if line.score == ranking[0].score]
        case Format.POINTS_FINAL:
            others = 2 * (usable_tables(len(players), tables=tables) - 1)
            return players[: min(seats, len(players) - others)]
        case Format.KNOCKOUT:
            return players
        case _:
            assert_never(style)


def split(
    alive: Sequence[Player],
    *,
    style: Format,
    ranking: Sequence[Player],
    due: Sequence[Player],
    tables: int,
    seats: int,
) -> Split:
    """Who plays for the championship in the next round.

    `ranking` holds all active players, the best first, and `due` the same, who should sit out next first.
    """
    usable = usable_tables(len(ranking), tables=tables)
    count = _contest_tables(len(alive), style=style, active=len(ranking), usable=usable, seats=seats)
    room = min(count * seats, len(ranking) - 2 * (usable - count))
    crowd = len(alive) - count * seats
    byes = [player for player in due if player in alive][: max(crowd, 0)]
    contestants = [player for player in alive if player not in byes]
    if style is Format.KNOCKOUT:
        filling = [player for player in ranking if player not in alive]
        contestants += filling[: max(room - len(contestants), 0)]
    others = tuple(player for player in ranking if player not in contestants)
    return Split(
        contestants=tuple(contestants),
        contest_tables=count,
        others=others,
        other_tables=min(usable - count, len(others) // 2),
        byes=tuple(byes),
    )


def usable_tables(players: int, *, tables: int) -> int:
    """How many tables so many players can use, two at each."""
    return min(tables, players // 2)


def _knockout_rounds(players: int, *, tables: int, seats: int) -> int:
    """How many rounds it takes until one is left."""
    usable = usable_tables(players, tables=tables)
    rounds, alive = 0, players
    while alive > 1:
        count = _contest_tables(alive, style=Format.KNOCKOUT, active=players, usable=usable, seats=seats)
        alive = count + max(alive - count * seats, 0)
        rounds += 1
    return rounds


def _contest_tables(alive: int, *, style: Format, active: int, usable: int, seats: int) -> int:
    """As few as hold those alive; more when too few others are left for the other tables.

    Always fewer than there are players alive, so that the contest comes to its end.
    """
    most = min(usable, alive - 1 if style is Format.KNOCKOUT else alive // 2)
    count = min(ceil(alive / seats), most)
    while count < most and active - alive < 2 * (usable - count):
        count += 1
    return count
