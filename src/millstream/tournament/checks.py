"""What an event must look like, checked once at every door."""

from math import isfinite

from millstream.tournament.errors import WrongValueError

_MOST_PLAYERS = 1_000
_MOST_ROUNDS = 1_000
_MOST_SECONDS = 600


def check_frame(*, players: int, tables: int, seats: int, rounds: int) -> None:
    """Refuse what cannot be played; raises WrongValueError."""
    if tables < 2:  # noqa: PLR2004 - fewer is no tournament
        raise WrongValueError("tables", expected="at least 2", found=tables)
    if seats < 2:  # noqa: PLR2004 - a game needs two
        raise WrongValueError("seats", expected="at least 2", found=seats)
    if not 1 <= rounds <= _MOST_ROUNDS:
        raise WrongValueError("rounds", expected=f"1 to {_MOST_ROUNDS}", found=rounds)
    if players < 2 * tables:
        expected = f"at least {2 * tables}, two for each of {tables} tables"
        raise WrongValueError("players", expected=expected, found=players)
    if players > _MOST_PLAYERS:
        raise WrongValueError("players", expected=f"at most {_MOST_PLAYERS}", found=players)


def check_seconds(seconds: float) -> None:
    """Refuse a budget that is none; raises WrongValueError."""
    if not (isfinite(seconds) and 0 <= seconds <= _MOST_SECONDS):
        raise WrongValueError("seconds", expected=f"0 to {_MOST_SECONDS}", found=seconds)
