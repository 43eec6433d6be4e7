"""When people are told that a server does not answer, and that it does again.

Theory of operation: a broker that changes its leader is not away, so a silence is worth a word only when it lasts; then
again now and then, so that whoever looks at a terminal sees that it goes on; and its end only if it was told of.
"""

SOON_S, REMIND_S = 3.0, 10.0


class Silence:
    """Of one server. `at` is in seconds of a clock that does not go back.

    It is told after `soon_s`, and again every `remind_s`.
    """

    def __init__(self, *, soon_s: float = SOON_S, remind_s: float = REMIND_S) -> None:
        self._soon_s = soon_s
        self._remind_s = remind_s
        self._since: float | None = None
        self._told_at: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether an answer is missed."""
        return self._since is not None

    def lasts(self, *, at: float) -> float | None:
        """It begins or goes on: for how many seconds by now, if that is to be told, else None."""
        if self._since is None:
            self._since = at
        lasted_s = at - self._since
        if lasted_s < self._soon_s or (self._told_at is not None and at - self._told_at < self._remind_s):
            return None
        self._told_at = at
        return lasted_s

    def ends(self, *, at: float) -> float | None:
        """There is an answer: after how many seconds of a silence that was told, else None."""
        since, told_at = self._since, self._told_at
        self._since = self._told_at = None
        return None if since is None or told_at is None else at - since
