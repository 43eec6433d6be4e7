"""Seat the rounds to come of a live event.

Theory of operation: before the first round the best plan for its shape is dealt out by lot. When people know a plan,
or when no lot fulfils the wishes, rounds are annealed after the history. A contest round is always seated when it is
due, since only then is known who plays for the championship.
"""

from collections.abc import Sequence

from millstream.tournament.anneal import moves_in
from millstream.tournament.contest import split, usable_tables
from millstream.tournament.dice import dice
from millstream.tournament.draw import draw_lots
from millstream.tournament.frames import contest_frame, due, frames_by_plan
from millstream.tournament.planning import plan
from millstream.tournament.record import Record
from millstream.tournament.reseat import Frame, NamedTables, reseat
from millstream.tournament.rounds import Seating
from millstream.tournament.wishes import Player


def seat_by_plan(record: Record, *, before: Sequence[Seating] = ()) -> list[Seating]:
    """All rounds by plan that are not seated yet, near to how they were planned `before`."""
    first = len(record.played) + (record.seated is not None) + 1
    frames = frames_by_plan(record, first=first, before=before)
    if not frames:
        return []
    tables = _dealt(record, frames) if first == 1 and not before else None
    return [
        Seating(number=frame.number, tables=seated, sitting_out=_absent(record, seated))
        for frame, seated in zip(frames, tables or _annealed(record, frames, before=before), strict=True)
    ]


def seat_contest(record: Record, *, alive: Sequence[Player], ranking: Sequence[Player]) -> Seating:
    """The next round, in which those `alive` play for the championship; both lists hold the best first."""
    number = len(record.played) + 1
    rota = due(record, counts=record.sat_out(), number=number)
    divided = split(alive, style=record.format, ranking=ranking, due=rota, tables=record.tables, seats=record.seats)
    frame, contest = contest_frame(record, split=divided, number=number)
    [tables] = _annealed(record, [frame])
    return Seating(
        number=number,
        tables=tables,
        sitting_out=_absent(record, tables),
        contest=tuple(contest),
        byes=divided.byes,
    )


def _dealt(record: Record, frames: Sequence[Frame]) -> list[NamedTables] | None:
    """A plan from scratch, dealt out so that the wishes hold; None when that does not come out."""
    active = record.active
    numbers = sorted(frames[0].groups[0].sizes)
    if usable_tables(len(active), tables=record.tables) < 2:  # noqa: PLR2004 - one table has no plan
        return None
    scheme = plan(len(active), len(numbers), record.seats, len(frames), seed=record.seed, seconds=record.seconds)
    rng = dice(record.seed, "deal", *active)
    return draw_lots(scheme.rounds, players=active, numbers=numbers, wishes=record.wishes, rng=rng)


def _annealed(record: Record, frames: Sequence[Frame], *, before: Sequence[Seating] = ()) -> list[NamedTables]:
    played = [turn.seating for turn in record.played] + ([record.seated] if record.seated else [])
    rng = dice(record.seed, "seat", frames[0].number, *record.active)
    moves = moves_in(record.seconds, seats=record.seats)
    return reseat(frames, played=played, before=before, moves=moves, rng=rng)


def _absent(record: Record, tables: NamedTables) -> tuple[Player, ...]:
    seated = {player for table in tables.values() for player in table}
    return tuple(player for player in record.active if player not in seated)
