"""Give the numbers of a plan to players by lot.

Theory of operation: a plan does not care who is who. So lots are drawn, again and again, until the wishes happen to
hold; then people meet as many others as if nobody had wished for anything. Tables are exchanged within a round for
those who must sit at certain ones.
"""

from collections.abc import Mapping, Sequence
from random import Random

from millstream.tournament.reseat import NamedTables
from millstream.tournament.shape import SeatingPlan
from millstream.tournament.wishes import Kind, Player, Wish, bound_tables, pairs, wishes_of

_DRAWS = 200


def draw_lots(
    plan: SeatingPlan, *, players: Sequence[Player], numbers: Sequence[int], wishes: Sequence[Wish], rng: Random
) -> list[NamedTables] | None:
    """The plan with names and table numbers; None when the wishes hold in none of many draws."""
    for _ in range(_DRAWS if wishes else 1):
        names = rng.sample(players, len(players))
        rounds = []
        for turn, tables in enumerate(plan, start=1):
            named = [tuple(names[player] for player in table) for table in tables]
            seated = _fulfilled(named, numbers=numbers, wishes=wishes_of(wishes, round_number=turn))
            if seated is None:
                break
            rounds.append(seated)
        else:
            return rounds
    return None


def _fulfilled(
    tables: list[tuple[Player, ...]], *, numbers: Sequence[int], wishes: Sequence[Wish]
) -> NamedTables | None:
    """The tables of one round, exchanged so that the wishes hold; None when that does not do."""
    at = {player: place for place, table in enumerate(tables) for player in table}
    for kind, together in ((Kind.APART, False), (Kind.TOGETHER, True)):
        for p, q in pairs(wishes, kind=kind):
            if p in at and q in at and (at[p] == at[q]) is not together:
                return None
    places = _places(at, numbers=numbers, wishes=wishes)
    if places is None:
        return None
    exchanged = list(range(len(tables)))
    for table, place in places.items():
        here = exchanged.index(table)
        exchanged[here], exchanged[place] = exchanged[place], exchanged[here]
    return {number: tables[table] for number, table in zip(numbers, exchanged, strict=True)}


def _places(at: Mapping[Player, int], *, numbers: Sequence[int], wishes: Sequence[Wish]) -> dict[int, int] | None:
    """Which table has to go to which place; None when two would have to share one, or one to be at two."""
    places: dict[int, int] = {}
    for player, number in bound_tables(wishes).items():
        if player not in at or number not in numbers:
            return None
        place = numbers.index(number)
        if places.setdefault(at[player], place) != place:
            return None
    return places if len(set(places.values())) == len(places) else None
