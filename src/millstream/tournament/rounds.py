"""One round of a live event: who sits where, and who won."""

from collections.abc import Mapping
from dataclasses import dataclass

from millstream.tournament.wishes import Player


@dataclass(frozen=True, slots=True, kw_only=True)
class Seating:
    """Round `number`: the players of each table by its number, tables and rounds counted from 1.

    The championship is decided at the tables `contest`, if at any; their winners, and those with `byes`, stay in it.
    """

    number: int
    tables: Mapping[int, tuple[Player, ...]]
    sitting_out: tuple[Player, ...] = ()
    contest: tuple[int, ...] = ()
    byes: tuple[Player, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether the winner of one table is champion."""
        return len(self.contest) == 1 and not self.byes

    def table_of(self, player: Player) -> int | None:
        """Where a player sits; None when he sits out or is not there."""
        return next((number for number, table in self.tables.items() if player in table), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A round that was played, with the winner of each table."""

    seating: Seating
    winners: Mapping[int, Player]

    @property
    def survivors(self) -> tuple[Player, ...]:
        """Who is still in the contest afterwards."""
        return (*(self.winners[number] for number in self.seating.contest), *self.seating.byes)
