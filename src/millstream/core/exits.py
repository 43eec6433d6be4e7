"""How commands end."""

from enum import IntEnum


class Exit(IntEnum):
    """How a run ended, as the exit code of the process."""

    DONE = 0
    DEAD = 1
    USAGE = 2
    LOSSES = 4
    """A count lost too many frames."""
    KEPT = 75
    FORCED = 130
