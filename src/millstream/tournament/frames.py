"""The rounds to come before anybody is seated: who plays at which tables, and who sits out.

Theory of operation: who sat out least is next, by lot among equals; so counts never differ by more than one, but for
rounds of a contest, whose players never sit out. The larger tables, where sizes differ, are those that somebody is
bound to, and otherwise they move on from round to round.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from millstream.tournament.contest import Split, usable_tables
from millstream.tournament.dice import dice
from millstream.tournament.record import Record
from millstream.tournament.reseat import Frame, Group
from millstream.tournament.rounds import Seating
from millstream.tournament.shape import table_sizes
from millstream.tournament.wishes import Player, Wish, bound_tables, wishes_of


def due(record: Record, *, counts: Mapping[Player, int], number: int, first: Collection[Player] = ()) -> list[Player]:
    """The active players in the order in which they are to sit out in round `number`; among equals those `first`."""
    lot = {player: dice(record.seed, "rota", number, player).random() for player in record.active}
    return sorted(lot, key=lambda player: (counts[player], player not in first, lot[player]))


def frames_by_plan(record: Record, *, first: int, before: Sequence[Seating] = ()) -> list[Frame]:
    """The rounds from `first` on that go by plan; who was to sit out `before` still is, as far as that is fair."""
    counts = record.sat_out()
    if record.seated:
        counts.update(record.seated.sitting_out)
    planned = {seating.number: seating.sitting_out for seating in before}
    active = record.active
    frames = []
    for number in range(first, record.planned + 1):
        wishes = wishes_of(record.wishes, round_number=number)
        sizes = seats_for(len(active), record=record, wishes=wishes, turn=number)
        locked = {player for wish in wishes if wish.round_number for player in wish.players}
        rota = due(record, counts=counts, number=number, first=planned.get(number, ()))
        waiting = [player for player in rota if player not in locked]
        out = waiting[: len(active) - sum(sizes.values())]
        counts.update(out)
        players = tuple(player for player in active if player not in out)
        frames.append(Frame(number=number, groups=(Group(players=players, sizes=sizes),), wishes=wishes))
    return frames


def contest_frame(record: Record, *, split: Split, number: int) -> tuple[Frame, list[int]]:
    """The round of a contest that is split like this, and the numbers of the contest tables."""
    wishes = wishes_of(record.wishes, round_number=number)
    bound = bound_tables(wishes)
    numbers = _numbers(split.contest_tables + split.other_tables, record=record, wishes=wishes)
    claims = Counter(dict.fromkeys(numbers, 0))
    for player, table in bound.items():
        claims[table] += 1 if player in split.contestants else -1
    numbers.sort(key=lambda table: (-claims[table], table))
    contest, rest = sorted(numbers[: split.contest_tables]), sorted(numbers[split.contest_tables :])
    crowd = len(split.others) - len(rest) * record.seats
    out = [p for p in due(record, counts=record.sat_out(), number=number) if p in split.others][: max(0, crowd)]
    others = tuple(player for player in split.others if player not in out)
    groups = [
        Group(players=players, sizes=_sizes(tables, players=len(players), wishes=wishes, turn=number))
        for players, tables in ((split.contestants, contest), (others, rest))
        if tables
    ]
    settled = contest if rest else ()
    return Frame(number=number, groups=tuple(groups), wishes=wishes, settled=settled), contest


def seats_for(players: int, *, record: Record, wishes: Collection[Wish], turn: int) -> dict[int, int]:
    """How many of so many players sit at each table that is in use; those who are missing sit out."""
    numbers = _numbers(usable_tables(players, tables=record.tables), record=record, wishes=wishes)
    seated = min(players, len(numbers) * record.seats)
    return _sizes(numbers, players=seated, wishes=wishes, turn=turn)


def _numbers(count: int, *, record: Record, wishes: Collection[Wish]) -> list[int]:
    """So many tables, those that somebody is bound to before others."""
    bound = Counter(bound_tables(wishes).values())
    return sorted(sorted(range(1, record.tables + 1), key=lambda table: -bound[table])[:count])


def _sizes(numbers: Sequence[int], *, players: int, wishes: Collection[Wish], turn: int) -> dict[int, int]:
    """Seats for all of so many players at the numbered tables."""
    bound = Counter(bound_tables(wishes).values())
    even = dict(zip(numbers, table_sizes(players, tables=len(numbers), turn=turn), strict=True))
    larger_first = sorted(numbers, key=lambda table: (-bound[table], -even[table]))
    sizes = dict(zip(larger_first, sorted(even.values(), reverse=True), strict=True))
    return {table: sizes[table] for table in numbers}
