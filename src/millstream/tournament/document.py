"""The record of an event as a JSON document, and back.

Theory of operation: the document says its version and holds what the record holds, players by name, tables and rounds
by number. Reading checks whatever the rest of the package relies on, so that a file that somebody edited is refused in
one line and never half believed.
"""

import json
from typing import Any

from millstream.tournament.checks import check_frame, check_seconds
from millstream.tournament.contest import Format
from millstream.tournament.errors import TournamentError
from millstream.tournament.record import Entry, Record
from millstream.tournament.rounds import Played, Seating
from millstream.tournament.wishes import Kind, Player, Wish

_VERSION = 1
_Json = Any
"""What `json` returns: not known to be anything before it was looked at."""


class DocumentError(TournamentError):
    """A document is no record of an event."""


def to_json(record: Record) -> str:
    """The record as JSON text that ends with a newline."""
    document = {
        "millstream_tournament": _VERSION,
        "tables": record.tables,
        "seats": record.seats,
        "rounds": record.rounds,
        "planned": record.planned,
        "format": record.format,
        "seed": record.seed,
        "seconds": record.seconds,
        "players": [
            {"name": player, "active": entry.active, "credit": entry.credit} for player, entry in record.roster.items()
        ],
        "wishes": [
            {"kind": w.kind, "players": w.players, "table": w.table, "round": w.round_number} for w in record.wishes
        ],
        "played": [{**_seating(turn.seating), "winners": turn.winners} for turn in record.played],
        "seated": _seating(record.seated) if record.seated else None,
        "ahead": [_seating(seating) for seating in record.ahead],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def from_json(text: str) -> Record:
    """The record of a document; raises DocumentError."""
    try:
        document = json.loads(text)
        version = document["millstream_tournament"]
    except (ValueError, KeyError, TypeError):
        raise DocumentError("it holds no event of `millstream tournament`") from None
    if version != _VERSION:
        raise DocumentError(
            f"it has version {version}, this Millstream knows {_VERSION}: install the one that wrote it"
        )
    try:
        record = _record(document)
        _check(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DocumentError(f"it is damaged ({error}): restore it from a copy") from None
    return record


def _seating(seating: Seating) -> dict[str, object]:
    return {
        "round": seating.number,
        "tables": seating.tables,
        "sitting_out": seating.sitting_out,
        "contest": seating.contest,
        "byes": seating.byes,
    }


def _record(document: _Json) -> Record:
    record = Record(
        tables=int(document["tables"]),
        seats=int(document["seats"]),
        rounds=int(document["rounds"]),
        planned=int(document["planned"]),
        format=Format(document["format"]),
        seed=int(document["seed"]),
        seconds=float(document["seconds"]),
        roster={
            _player(entry["name"]): Entry(active=bool(entry["active"]), credit=int(entry["credit"]))
            for entry in document["players"]
        },
        wishes=[
            Wish(
                kind=Kind(wish["kind"]),
                players=_players(wish["players"]),
                table=wish["table"] and int(wish["table"]),
                round_number=wish["round"] and int(wish["round"]),
            )
            for wish in document["wishes"]
        ],
        ahead=[_read_seating(entry) for entry in document["ahead"]],
        seated=document["seated"] and _read_seating(document["seated"]),
    )
    for entry in document["played"]:
        winners = {int(table): _player(winner) for table, winner in entry["winners"].items()}
        record.played.append(Played(seating=_read_seating(entry), winners=winners))
    return record


def _read_seating(entry: _Json) -> Seating:
    return Seating(
        number=int(entry["round"]),
        tables={int(number): _players(table) for number, table in entry["tables"].items()},
        sitting_out=_players(entry["sitting_out"]),
        contest=tuple(int(number) for number in entry["contest"]),
        byes=_players(entry["byes"]),
    )


def _players(entry: _Json) -> tuple[Player, ...]:
    return tuple(_player(player) for player in entry)


def _player(entry: _Json) -> Player:
    if isinstance(entry, int | str) and not isinstance(entry, bool):
        return entry
    raise TypeError(f"{entry!r} is no player")


def _check(record: Record) -> None:
    """Refuse what could not have come from `to_json`; raises ValueError."""
    check_frame(players=len(record.roster), tables=record.tables, seats=record.seats, rounds=record.rounds)
    check_seconds(record.seconds)
    seatings = [turn.seating for turn in record.played]
    seatings += [record.seated] if record.seated else []
    for number, seating in enumerate([*seatings, *record.ahead], start=1):
        players = [*seating.sitting_out, *(player for table in seating.tables.values() for player in table)]
        if seating.number != number or len(set(players)) < len(players) or not record.roster.keys() >= set(players):
            raise ValueError(f"round {number} does not fit")
    for turn in record.played:
        tables = turn.seating.tables
        if turn.winners.keys() != tables.keys() or any(turn.winners[n] not in tables[n] for n in tables):
            raise ValueError(f"the winners of round {turn.seating.number} do not fit")
