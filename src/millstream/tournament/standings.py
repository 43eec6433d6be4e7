"""Who is ahead.

Theory of operation: a win is a point. A round that a player had to sit out counts as much as he won on average, so
nobody loses or gains by it; rounds before a late arrival count nothing. Players with the same score are parted by the
strength of their opponents (the mean score over all meetings), then by fewer rounds sat out, then by a draw that the
seed fixes. Above all that counts how far somebody came in the contest for the championship.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from millstream.tournament.dice import dice
from millstream.tournament.rounds import Played
from millstream.tournament.wishes import Player

Number: TypeAlias = int | Fraction
"""Exact, so that a tie is a tie; whole numbers stay such, since they are faster by far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One line of the table: `stage` counts the contest rounds reached, with one more for the champion.

    `score` is points and what sitting out is worth; `strength` is the mean score of the opponents.
    """

    place: int
    player: Player
    active: bool
    stage: int
    points: int
    score: Number
    strength: Number
    games: int
    sat_out: int
    opponents: int


def standings(
    active: Mapping[Player, bool], *, played: Sequence[Played], champion: Player | None, seed: int
) -> list[Standing]:
    """All players from first to last place; `active` says who has not dropped out."""
    tally = _Tally(played)
    if champion is not None:
        tally.stage[champion] += 1
    by_lot = sorted(active, key=lambda player: dice(seed, "draw", player).random())

    strength = {player: tally.strength(player) for player in active}

    def order(player: Player) -> tuple[Number, ...]:
        return -tally.stage[player], -tally.score[player], -strength[player], tally.sat_out[player]

    return [
        Standing(
            place=place,
            player=player,
            active=active[player],
            stage=tally.stage[player],
            points=tally.points[player],
            score=tally.score[player],
            strength=strength[player],
            games=tally.games[player],
            sat_out=tally.sat_out[player],
            opponents=len(tally.met.get(player, ())),
        )
        for place, player in enumerate(sorted(by_lot, key=order), start=1)
    ]


def meetings(played: Iterable[Played]) -> dict[Player, Counter[Player]]:
    """How often each player met each other one, in the order of their first meeting."""
    met: dict[Player, Counter[Player]] = {}
    for turn in played:
        for table in turn.seating.tables.values():
            for player in table:
                met.setdefault(player, Counter()).update(other for other in table if other != player)
    return met


class _Tally:
    """What each player did in the rounds that were played."""

    def __init__(self, played: Sequence[Played]) -> None:
        self.games: Counter[Player] = Counter()
        self.points: Counter[Player] = Counter()
        self.sat_out: Counter[Player] = Counter()
        self.stage: Counter[Player] = Counter()
        self.met = meetings(played)
        for turn in played:
            self.points.update(turn.winners.values())
            self.sat_out.update(turn.seating.sitting_out)
            self.stage.update(turn.seating.byes)
            for number, table in turn.seating.tables.items():
                self.games.update(table)
                if number in turn.seating.contest:
                    self.stage.update(table)

        self.score: dict[Player, Number] = defaultdict(int)
        for player, games in self.games.items():
            points, sat_out = self.points[player], self.sat_out[player]
            self.score[player] = points + Fraction(points * sat_out, games) if sat_out else points

    def strength(self, player: Player) -> Number:
        others = self.met.get(player, Counter())
        total = sum(self.score[other] * count for other, count in others.items())
        return Fraction(total) / others.total() if others else 0
