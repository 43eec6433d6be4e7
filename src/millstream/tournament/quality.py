"""How well a live event mixes people, from the rounds that were played."""

from dataclasses import dataclass

from millstream.tournament.bounds import upper_bound
from millstream.tournament.labels import revisits
from millstream.tournament.measure import Mixing, mixing
from millstream.tournament.record import Record
from millstream.tournament.rounds import Seating
from millstream.tournament.wishes import Kind, pairs, wishes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Who met whom so far, and how much more could have been.

    `upper_bound` is the most different pairs that tables of these sizes could have brought together;
    `table_revisits` counts how often somebody came back to a table, and `broken_wishes` how often a wish about
    two people, or about a table, did not hold for those who played.
    """

    mixing: Mixing
    upper_bound: int
    table_revisits: int
    fewest_sat_out: int
    most_sat_out: int
    broken_wishes: int


def quality_of(record: Record) -> Quality:
    """Measure the rounds that were played, over all players who ever were in the event."""
    index = {player: i for i, player in enumerate(record.roster)}
    numbers = range(1, record.tables + 1)
    seatings = [turn.seating for turn in record.played]
    plan = [[[index[p] for p in seating.tables.get(number, ())] for number in numbers] for seating in seatings]
    sizes = [[len(table) for table in seating.tables.values()] for seating in seatings]
    sat_out = [record.sat_out()[player] for player in record.active]
    return Quality(
        mixing=mixing(plan, players=len(index)),
        upper_bound=upper_bound(len(index), sizes=sizes) if sizes else 0,
        table_revisits=revisits(plan),
        fewest_sat_out=min(sat_out),
        most_sat_out=max(sat_out),
        broken_wishes=sum(_broken(seating, record=record) for seating in seatings),
    )


def _broken(seating: Seating, *, record: Record) -> int:
    wishes = wishes_of(record.wishes, round_number=seating.number)
    places = {player: number for number, table in seating.tables.items() for player in table}
    count = 0
    for kind, together in ((Kind.APART, False), (Kind.TOGETHER, True)):
        for p, q in pairs(wishes, kind=kind):
            count += p in places and q in places and (places[p] == places[q]) is not together
    for wish in wishes:
        if wish.kind is Kind.TABLE:
            count += sum(player in places and places[player] != wish.table for player in wish.players)
    return count
