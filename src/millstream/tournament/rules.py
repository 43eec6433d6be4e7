"""Whether the wishes of an event can hold, and which of them clash."""

from collections.abc import Iterable, Sequence

from millstream.tournament.dice import dice
from millstream.tournament.errors import WrongValueError
from millstream.tournament.frames import seats_for
from millstream.tournament.record import Record
from millstream.tournament.wishes import Kind, Wish, bound_tables, check_wishes, seat_by_wishes, wishes_of

_MOST_PLAYERS = 400
"""Beyond this many the search for a seating would go too deep; wishes are for a few."""


def add_wishes(record: Record, wishes: Iterable[Wish]) -> None:
    """Add wishes to the event, or none of them: raises WrongValueError, or WishError which names those that clash.

    Wishes that cannot hold any more since people left do not stand in the way of new ones.
    """
    added = list(wishes)
    for wish in added:
        _check(wish, record=record)
    wanted = [*record.wishes, *added]
    concerned = {player for wish in wanted for player in wish.players}
    if len(concerned) > _MOST_PLAYERS:
        raise WrongValueError("wishes", expected=f"wishes for at most {_MOST_PLAYERS} players", found=len(concerned))
    if _possible(record.wishes, record=record):
        check_wishes(wanted, possible=lambda some: _possible(some, record=record))
    record.wishes = wanted


def _check(wish: Wish, *, record: Record) -> None:
    active = record.active
    for player in wish.players:
        if player not in active:
            raise WrongValueError("wishes", expected="players who are there", found=f"'{wish}' without {player}")
    if wish.kind is not Kind.TABLE and len(set(wish.players)) < 2:  # noqa: PLR2004 - a pair
        raise WrongValueError("wishes", expected=f"two players or more to be {wish.kind}", found=f"'{wish}'")
    if wish.table is not None and not 1 <= wish.table <= record.tables:
        raise WrongValueError("wishes", expected=f"tables 1 to {record.tables}", found=f"'{wish}'")


def _possible(some: Sequence[Wish], *, record: Record) -> bool:
    """Whether a seating of a round by plan fulfils these wishes."""
    for number in {None, *(wish.round_number for wish in some)}:
        wishes = wishes_of(some, round_number=number or 0)
        bound = bound_tables(wishes)
        sizes = seats_for(len(record.active), record=record, wishes=wishes, turn=number or 0)
        players = sorted(record.active, key=lambda player: player not in bound)[: sum(sizes.values())]
        if seat_by_wishes(players, sizes=sizes, wishes=wishes, rng=dice(record.seed, "wishes")) is None:
            return False
    return True
