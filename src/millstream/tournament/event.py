"""A live tournament: seats round after round, takes the results, and crowns one champion.

Theory of operation: a `Record` holds what happened, and everything else is computed from it: the standings, who is
alive in the contest, the champion. The rounds by plan are seated ahead. Whatever changes the field (a late arrival, a
drop-out, a lock) has what is ahead planned anew, after what was played and near to how it was.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from millstream.tournament.ahead import seat_by_plan, seat_contest
from millstream.tournament.checks import check_frame, check_seconds
from millstream.tournament.contest import Format, first_alive, planned_rounds
from millstream.tournament.errors import StepError, WrongValueError
from millstream.tournament.quality import Quality, quality_of
from millstream.tournament.record import Entry, Record
from millstream.tournament.rounds import Played, Seating
from millstream.tournament.rules import add_wishes
from millstream.tournament.standings import Standing, meetings, standings
from millstream.tournament.wishes import Kind, Player, Wish, without


class Tournament:
    """An event from the first round to the champion; not for use by several threads.

    `record` is all of its state; `millstream.tournament.state` keeps it in a file.
    """

    def __init__(
        self,
        players: int | Iterable[Player],
        *,
        tables: int,
        seats: int,
        rounds: int,
        format: str = Format.POINTS_FINAL,  # noqa: A002 - the word of the command line
        apart: Iterable[Sequence[Player]] = (),
        together: Iterable[Sequence[Player]] = (),
        fixed: Mapping[Player, int] | None = None,
        seed: int = 0,
        seconds: float = 2,
    ) -> None:
        """Set up an event.

        `players` are names or, when it is a number, 0 to one less. `apart` and `together` hold groups that are to be
        kept so, and `fixed` the table, from 1, of those who need a certain one; these wishes hold in every round by
        plan, and as far as they can where the contest decides who meets. `seconds` bounds each planning, as for
        `plan`. Raises WrongValueError, or WishError when wishes clash.
        """
        names = list(range(players) if isinstance(players, int) else players)
        check_frame(players=len(names), tables=tables, seats=seats, rounds=rounds)
        check_seconds(seconds)
        style = _style(format)
        planned = planned_rounds(style, players=len(names), tables=tables, seats=seats, rounds=rounds)
        self.record = Record(
            tables=tables,
            seats=seats,
            rounds=rounds,
            planned=planned,
            format=style,
            seed=seed,
            seconds=seconds,
            roster={_new(name, among=names[:place]): Entry() for place, name in enumerate(names)},
        )
        wishes = [
            *(Wish(kind=Kind.APART, players=tuple(group)) for group in apart),
            *(Wish(kind=Kind.TOGETHER, players=tuple(group)) for group in together),
            *(Wish(kind=Kind.TABLE, players=(player,), table=table) for player, table in (fixed or {}).items()),
        ]
        add_wishes(self.record, wishes)

    @classmethod
    def of(cls, record: Record) -> "Tournament":
        """The event of a record."""
        tournament = cls.__new__(cls)
        tournament.record = record
        return tournament

    def next_round(self) -> Seating:
        """Seat the next round; the same again until it is reported. Raises StepError when the event is over."""
        record = self.record
        if record.seated is None:
            self._check_running()
            if len(record.played) < record.planned:
                record.seated, *record.ahead = self.ahead()
            else:
                alive = self._alive() or []
                ranking = [line.player for line in self._ranking()]
                record.seated = seat_contest(record, alive=alive, ranking=ranking)
        return record.seated

    def ahead(self) -> list[Seating]:
        """The rounds by plan after the one that is being played."""
        record = self.record
        if not record.ahead:
            record.ahead = seat_by_plan(record)
        return record.ahead

    def report(self, winners: Mapping[int, Player]) -> None:
        """Take the winner of each table of the round that is being played, all of them or none.

        Raises StepError when no round is being played (a second report of a round too), and WrongValueError when a
        table is missing or unknown, or a winner did not sit at the table.
        """
        seated = self.record.seated
        if seated is None:
            self._check_running()
            done = len(self.record.played)
            already = f"round {done} is reported already" if done else "no round is seated yet"
            raise StepError(f"report: {already}; seat round {done + 1} first")
        for table, winner in winners.items():
            if table not in seated.tables:
                expected = f"tables {', '.join(map(str, seated.tables))} in round {seated.number}"
                raise WrongValueError("report", expected=expected, found=f"table {table}")
            if winner not in seated.tables[table]:
                expected = f"a winner from table {table} ({', '.join(map(str, seated.tables[table]))})"
                raise WrongValueError("report", expected=expected, found=winner)
        missing = [str(table) for table in seated.tables if table not in winners]
        if missing:
            expected = f"a winner for every table of round {seated.number}"
            raise WrongValueError("report", expected=expected, found=f"none for {', '.join(missing)}")
        self.record.played.append(Played(seating=seated, winners=dict(winners)))
        self.record.seated = None

    def standings(self) -> list[Standing]:
        """All players from first to last place, those who dropped out too."""
        return self._standings(champion=self.champion)

    @property
    def champion(self) -> Player | None:
        """The winner of the event, once there is one."""
        alive = self._alive()
        return alive[0] if alive is not None and len(alive) == 1 else None

    def opponents(self, player: Player) -> list[Player]:
        """Whom a player met so far, in the order of their first meeting; raises WrongValueError."""
        self._check_known(player)
        return list(meetings(self.record.played).get(player, Counter()))

    def quality(self) -> Quality:
        """How well the rounds that were played mixed people."""
        return quality_of(self.record)

    def add(self, player: Player) -> None:
        """Let a late arrival, or somebody who had dropped out, play from the next round that is seated.

        Raises StepError when the event is over, WrongValueError when he plays already.
        """
        self._check_running()
        if player in self.record.active:
            raise WrongValueError("players", expected="somebody who does not play yet", found=player)
        record = self.record
        if player not in record.roster:
            players = len(record.roster) + 1
            check_frame(players=players, tables=record.tables, seats=record.seats, rounds=record.rounds)
        entry = record.roster.get(player) or Entry(active=False)
        counts = record.sat_out()
        entry.credit += max(0, min(counts[other] for other in record.active) - counts[player])
        entry.active = True
        record.roster.setdefault(_new(player, among=record.roster.keys() - {player}), entry)
        self._replan(self._begun())

    def drop(self, player: Player) -> None:
        """Let a player leave. A round that is seated and not reported is seated anew, so report it before.

        Raises StepError when the event is over or too few would be left, WrongValueError when he does not play.
        """
        self._check_running()
        self._check_known(player)
        if not self.record.roster[player].active:
            raise WrongValueError("players", expected="somebody who is there", found=f"{player}, who dropped out")
        if len(self.record.active) <= 2:  # noqa: PLR2004 - a game needs two
            raise StepError(f"drop: without {player} nobody is left to play with; the last two have to stay")
        self.record.roster[player].active = False
        self.record.wishes = without(self.record.wishes, player=player)
        withdrawn = [self.record.seated] if self.record.seated else []
        self.record.seated = None
        self._replan([*withdrawn, *self.record.ahead])

    def lock(self, round_number: int, *, table: int, players: Iterable[Player]) -> None:
        """Have players sit at a table in a coming round by plan, whatever else is planned.

        Raises StepError when that round is not to come or not by plan, WrongValueError, or WishError when that
        clashes with other locks and wishes.
        """
        record = self.record
        coming = range(len(record.played) + (record.seated is not None) + 1, record.planned + 1)
        if round_number not in coming:
            rest = f"{coming.start} to {record.planned}" if coming else "none any more"
            raise StepError(f"lock: expected a round by plan that is not seated ({rest}), found {round_number}")
        wish = Wish(kind=Kind.TABLE, players=tuple(players), table=table, round_number=round_number)
        add_wishes(record, [wish])
        self._replan(self._begun())

    def _begun(self) -> list[Seating]:
        """What is ahead, once people know it; before the first round is seated it can as well be dealt anew."""
        return self.record.ahead if self.record.played or self.record.seated else []

    def _replan(self, before: Sequence[Seating]) -> None:
        """Plan anew what was planned `before`, now that the field has changed."""
        self.record.ahead = seat_by_plan(self.record, before=before) if before else []

    def _check_running(self) -> None:
        if (champion := self.champion) is not None:
            raise StepError(f"the event is over: {champion} is champion")

    def _check_known(self, player: Player) -> None:
        if player not in self.record.roster:
            raise WrongValueError("players", expected="a player of the event", found=player)

    def _standings(self, *, champion: Player | None) -> list[Standing]:
        record = self.record
        active = {player: entry.active for player, entry in record.roster.items()}
        return standings(active, played=record.played, champion=champion, seed=record.seed)

    def _ranking(self) -> list[Standing]:
        """The active players, the best first."""
        return [line for line in self._standings(champion=None) if line.active]

    def _alive(self) -> list[Player] | None:
        """Who can still become champion, the best first; None before the contest."""
        record = self.record
        if len(record.played) < record.planned:
            return None
        survivors = record.played[-1].survivors if len(record.played) > record.planned else ()
        if len(survivors) == 1:
            return list(survivors)
        ranking = self._ranking()
        if left := [line.player for line in ranking if line.player in survivors]:
            return left
        return first_alive(record.format, ranking=ranking, tables=record.tables, seats=record.seats)


def _style(word: str) -> Format:
    try:
        return Format(word)
    except ValueError:
        raise WrongValueError("format", expected=" or ".join(Format), found=word) from None


def _new(player: Player, *, among: Iterable[Player]) -> Player:
    """The player, when the name is one and nobody else has it."""
    if not str(player).strip() or str(player) != str(player).strip():
        raise WrongValueError("players", expected="names without spaces around them", found=repr(player))
    if str(player) in map(str, among):
        raise WrongValueError("players", expected="names that differ", found=f"{player} twice")
    return player
