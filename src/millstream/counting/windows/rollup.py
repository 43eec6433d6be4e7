"""Users on their way from minutes to the hour, day, week, month and year above.

Theory of operation: sets are only joined, so users may go up at any time, in any portions, more than once. Minutes are
*poured* into pots, one for each combination of larger windows; a pot is emptied into its windows when one of them has
to be known. What was in the pot together is sorted once and becomes a sketch at most once for all five windows, and a
user who came in every minute of an hour costs little more than one who came once.
"""

from millstream.counting.windows.distinct import Portion
from millstream.counting.windows.openwindow import OpenWindow

_POT_LIMIT = 1 << 19
"""Hashes in all pots together, 4 MiB; then they are emptied."""


class Rollup:
    """The pots."""

    def __init__(self) -> None:
        self._pots: dict[tuple[OpenWindow, ...], list[Portion]] = {}
        self._held = 0

    def pour(self, minute: OpenWindow) -> None:
        """Take up what is new in a minute since it was poured last."""
        portion = minute.users.fresh()
        if portion is None or not minute.above:
            return
        if portion.users is None:
            for window in minute.above:
                window.users.join(portion)
            return
        self._pots.setdefault(minute.above, []).append(portion)
        self._held += len(portion.users)
        if self._held > _POT_LIMIT:
            self.empty()

    def empty(self) -> None:
        """Bring everything to where it belongs."""
        for windows, portions in self._pots.items():
            portion = Portion.of(portion.users for portion in portions if portion.users is not None)
            for window in windows:
                window.users.join(portion)
        self._pots.clear()
        self._held = 0
