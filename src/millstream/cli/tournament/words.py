"""What people write for players, tables and winners; each raises MillstreamError for what it cannot read."""

from collections.abc import Sequence
from pathlib import Path

from millstream.cli.output import printable
from millstream.errors import MillstreamError

_MOST_DIGITS = 6


def names_of(text: str) -> list[str]:
    """Names from a file, or 1 to N when the text is a number."""
    if text.isdecimal():
        return [str(number) for number in range(1, number_of(text) + 1)]
    try:
        lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        reason = f"cannot read {text}: {error.strerror}"
        raise MillstreamError(f"players: expected how many, or a file with a name on each line; {reason}") from error
    except UnicodeDecodeError as error:
        raise MillstreamError(f"players: expected names in UTF-8 in {text}, found {error.reason}") from error
    return [line.strip() for line in lines if line.strip()]


def winners_of(words: Sequence[str]) -> dict[int, str]:
    """What `1=Ada 2=Grace` says."""
    winners: dict[int, str] = {}
    for word in words:
        table, player = pair_of(word)
        number = number_of(table)
        if number in winners:
            raise MillstreamError(
                f"report: expected one winner for table {number}, found {winners[number]} and {player}"
            )
        winners[number] = player
    return winners


def split_names(text: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def pair_of(text: str) -> tuple[str, str]:
    """What stands before and after the first `=`."""
    left, sign, right = text.partition("=")
    if not sign or not left.strip() or not right.strip():
        raise MillstreamError(
            f"tournament: expected two words with = between them, such as 1=Ada, found {printable(text)!r}"
        )
    return left.strip(), right.strip()


def number_of(word: str) -> int:
    """A whole number below a million."""
    if not word.isdecimal() or len(word) > _MOST_DIGITS:
        raise MillstreamError(f"tournament: expected a number below a million, found {printable(word)!r}")
    return int(word)
