"""The errors of the tournament: each is one line made for a person, and a ValueError for code that asks for that."""

from collections.abc import Sequence


class TournamentError(ValueError):
    """Root of everything this package raises on purpose."""


class WrongValueError(TournamentError):
    """A value is not what it should be."""

    def __init__(self, name: str, *, expected: str, found: object) -> None:
        self.name, self.expected, self.found = name, expected, found
        super().__init__(f"{name}: expected {expected}, found {found}")


class WishError(TournamentError):
    """Wishes about the seating that cannot hold; `wishes` names the fewest that clash."""

    def __init__(self, wishes: Sequence[str]) -> None:
        self.wishes = tuple(wishes)
        verb = {1: "this cannot hold", 2: "these two cannot both hold"}.get(len(wishes), "these cannot all hold")
        super().__init__(f"wishes: {verb}: {'; '.join(wishes)}")


class StepError(TournamentError):
    """The event is not at a point where this can be done."""


class EventFileError(TournamentError):
    """The file of an event cannot be read or written."""

    def __init__(self, path: object, *, reason: str) -> None:
        super().__init__(f"event: {path}: {reason}")
