"""Everything there is to know about a live event: what its file holds."""

from collections import Counter
from dataclasses import dataclass, field

from millstream.tournament.contest import Format
from millstream.tournament.rounds import Played, Seating
from millstream.tournament.wishes import Player, Wish


@dataclass(slots=True, kw_only=True)
class Entry:
    """What the roster says of a player: still there or dropped out, and rounds that count as sat out.

    A late arrival gets the `credit` that those have who sat out least, so that he does not sit out before them.
    """

    active: bool = True
    credit: int = 0


@dataclass(slots=True, kw_only=True)
class Record:
    """A live event.

    The first `planned` of its `rounds` go by plan. `seated` is the round that is being played, and `ahead` are the
    rounds by plan after it, empty when they have to be planned anew.
    """

    tables: int
    seats: int
    rounds: int
    planned: int
    format: Format
    seed: int
    seconds: float
    roster: dict[Player, Entry]
    wishes: list[Wish] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)
    seated: Seating | None = None
    ahead: list[Seating] = field(default_factory=list)

    @property
    def active(self) -> list[Player]:
        """The players who are there."""
        return [player for player, entry in self.roster.items() if entry.active]

    def sat_out(self) -> Counter[Player]:
        """How many rounds count as sat out, for each player."""
        counts = Counter({player: entry.credit for player, entry in self.roster.items()})
        for turn in self.played:
            counts.update(turn.seating.sitting_out)
        return counts
