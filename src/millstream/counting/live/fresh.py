"""What a reader of one partition counted since its last commit, without what it has committed already.

Theory of operation: the same users come again and again within a minute, and telling the merger once is enough. So the
reader remembers which users of a minute it has told. The memory only saves work: losing it sends users twice, and sets
do not mind. The one thing it must never do is to hold a user that no commit holds, so it learns from a commit after it
has returned, and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from millstream.counting.model import ALL_SIZES, MINUTE_S, Delta, Users
from millstream.counting.windows.distinct import union_of

FOLD_AT = 65_536
"""Users that may wait, repeated as they came, until they are sorted in."""

_NOBODY: Users = np.empty(0, dtype=np.uint64)


@dataclass(slots=True)
class _Waiting:
    """Frames of one minute that count and are late alike."""

    frames: int = 0
    users: Users = field(default_factory=lambda: _NOBODY)
    parts: list[Users] = field(default_factory=list)


class Fresh:
    """The deltas of one partition that wait for a commit, and the users that were told.

    `grace_s` is how long after its end a minute may still get frames.
    """

    def __init__(self, *, grace_s: int) -> None:
        self._grace_s = grace_s
        self._waiting: dict[tuple[int, int, int], _Waiting] = {}
        self._told: dict[int, Users] = {}
        self._unsorted = 0

    def add(self, deltas: Sequence[Delta]) -> None:
        """Take what was admitted."""
        for delta in deltas:
            key = (delta.minute, delta.counted, delta.late)
            waiting = self._waiting.get(key)
            if waiting is None:
                waiting = self._waiting[key] = _Waiting()
            waiting.frames += delta.frames
            waiting.parts.append(delta.users)
            self._unsorted += len(delta.users)
        if self._unsorted >= FOLD_AT:
            self._fold()

    @property
    def users(self) -> int:
        """How many users wait that no commit holds; those that came lately may be counted repeatedly."""
        return self._unsorted + sum(len(waiting.users) for waiting in self._waiting.values())

    def deltas(self) -> list[Delta]:
        """What waits, by minute; it keeps waiting until `committed`."""
        self._fold()
        return [
            Delta(minute=minute, users=waiting.users, frames=waiting.frames, counted=counted, late=late)
            for (minute, counted, late), waiting in sorted(self._waiting.items(), key=lambda item: item[0])
        ]

    def committed(self, watermark: int | None) -> None:
        """A commit of what `deltas` gave has returned; forget minutes that are past their grace at `watermark`."""
        for (minute, counted, _), waiting in self._waiting.items():
            # A user that was counted in larger windows only has to be told again when it comes in time.
            if counted == ALL_SIZES:
                self._told[minute] = union_of([self._told.get(minute, _NOBODY), waiting.users])
        self._waiting.clear()
        if watermark is not None:
            past = watermark - self._grace_s - MINUTE_S
            self._told = {minute: users for minute, users in self._told.items() if minute > past}

    def _fold(self) -> None:
        if not self._unsorted:
            return
        for (minute, _, _), waiting in self._waiting.items():
            if waiting.parts:
                users = _without(union_of(waiting.parts), self._told.get(minute, _NOBODY))
                waiting.users = union_of([waiting.users, users]) if len(waiting.users) else users
                waiting.parts.clear()
        self._unsorted = 0


def _without(users: Users, told: Users) -> Users:
    """Those of `users` that are not in `told`; both are sorted."""
    if not len(told) or not len(users):
        return users
    places = np.searchsorted(told, users)
    places[places == len(told)] = 0
    new: Users = users[told[places] != users]
    return new
