"""Sets of users that can be joined in any order: exact, and sketches once they are large.

Theory of operation: an exact set is a sorted array of 64-bit hashes and a waiting list of arrays that were added since.
Adding only appends; the list is settled (sorted in, without repetitions) when somebody asks, or when it has outgrown
the array, so that n additions cost O(n log n) together. Two different users share a hash with a probability of
n^2 / 2^65: 3e-8 users are missing of a million, so the count is called exact.

When the *set* has grown beyond a limit it becomes a CPC sketch (K. J. Lang, "Back to the Future: an Even More Nearly
Optimal Cardinality Estimation Algorithm", arXiv 1708.06839, in the implementation of Apache DataSketches). A sketch is
a matrix of bits, and a user sets one of them; so joining sketches, or adding users one by one, in any order and any
number of times, ends with the same matrix. Estimates are taken from the result of a union only, which looks at the
matrix alone; the sketch that is fed by users has a sharper estimator, but one that depends on their order. As the
moment of promotion depends on the set and not on how it was put together, everything that can be asked of a `UserSet`
is a function of the set of its users.

One standard deviation of the estimate is 0.27 % (0.6931 / sqrt(2^16)).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil, floor
from typing import Protocol, cast

import numpy as np

from millstream.counting.model import Users

HASH_ID = "xxh3-64"
"""How a user becomes 64 bits; state with other hashes cannot be joined."""
LG_K = 16
SKETCH_ID = f"cpc-{LG_K}"
"""The sketch and its size; others cannot be joined."""

MINUTE_LIMIT = 1_048_576
WINDOW_LIMIT = 65_536

if find_spec("datasketches") is None:  # known before anything is counted, but loaded for the first large set only
    raise ModuleNotFoundError("No module named 'datasketches'", name="datasketches")

_WAITING_LIMIT = 65_536
"""So many users may wait in every set before they are sorted in."""
_WAITING_SHARE = 8
"""Or this share of what the set may hold, if that is more. The fewer times a set is sorted, the better: the users of a
whole count take 7 ns a frame so instead of 11 (50,000 users)."""
_DEVIATIONS = 2
_NOBODY: Users = np.empty(0, dtype=np.uint64)


class Sketch(Protocol):
    """What is used of a CPC sketch."""

    @property
    def lg_k(self) -> int:
        """The logarithm of its number of rows."""

    def update(self, datum: int) -> None:
        """Add an item."""

    def get_estimate(self) -> float:
        """How many different items there are."""

    def get_lower_bound(self, kappa: int) -> float:
        """The lower bound of so many standard deviations."""

    def get_upper_bound(self, kappa: int) -> float:
        """The upper bound."""

    def serialize(self) -> bytes:
        """The sketch as bytes."""


class Union(Protocol):
    """What is used of a union of CPC sketches."""

    def update(self, sketch: Sketch) -> None:
        """Join a sketch."""

    def get_result(self) -> Sketch:
        """The sketch of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How many users there are, with bounds of two standard deviations; `exact` means that all three are equal."""

    users: int
    low: int
    high: int
    exact: bool


class Portion:
    """Some users that are joined to several sets: sorted different hashes, or the sketch of more than an array holds.

    The sketch of hashes is built once, when the first set needs it. Never changed.
    """

    __slots__ = ("_sketch", "users")

    def __init__(self, users: Users | None, *, sketch: Sketch | None = None) -> None:
        self.users = users
        self._sketch = sketch

    @classmethod
    def of(cls, arrays: Iterable[Users]) -> "Portion":
        """The users of some arrays of hashes, with or without repetitions."""
        return cls(union_of(arrays))

    @classmethod
    def from_bytes(cls, dump: bytes) -> "Portion":
        """What `dump` made of a sketch. Raises ValueError for bytes that are none."""
        import datasketches  # noqa: PLC0415 - see above

        try:
            sketch = cast("Sketch", datasketches.cpc_sketch.deserialize(dump))
        except (RuntimeError, IndexError, MemoryError) as error:
            raise ValueError(str(error)) from None
        if sketch.lg_k != LG_K:
            raise ValueError(f"expected a sketch with lg_k {LG_K}, found {sketch.lg_k}")
        return cls(None, sketch=sketch)

    @property
    def sketch(self) -> Sketch:
        """Its users as a sketch."""
        if self._sketch is None:
            self._sketch = _sketch_of(_NOBODY if self.users is None else self.users)
        return self._sketch


class UserSet:
    """A set of users, by their hashes; at most `limit` of them are kept exactly (None: always all).

    Keeps the arrays it is given until it settles: they must not change. Not for several threads.
    """

    __slots__ = ("_changed", "_fresh", "_limit", "_settled", "_union", "_waiting", "_waiting_count", "_waiting_limit")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._waiting_limit = max(_WAITING_LIMIT, (limit or 0) // _WAITING_SHARE)
        self._settled = _NOBODY
        self._waiting: list[Users] = []
        self._waiting_count = 0
        self._union: Union | None = None
        self._fresh: list[Users] | None = None
        self._changed = False

    def add(self, users: Users) -> None:
        """Add users, with or without repetitions. Appends only, most of the time."""
        if len(users):
            self._waiting.append(users)
            self._waiting_count += len(users)
            if self._waiting_count > self._waiting_limit and self._waiting_count > len(self._settled):
                self._settle()

    def join(self, portion: Portion) -> None:
        """Add a portion, by its sketch when this set is one. Raises ValueError for a sketch when all are kept."""
        if self._union is None and portion.users is not None and not self._is_beyond(len(portion.users)):
            self.add(portion.users)
            return
        self._settle()
        if self._union is None:
            self._promote()
        self._join(portion)

    def merge(self, other: "UserSet") -> None:
        """Add all users of another set."""
        content = other.content()
        if content is not None:
            self.join(content)

    def estimate(self) -> Estimate:
        """How many users there are."""
        self._settle()
        if self._union is None:
            count = len(self._settled)
            return Estimate(users=count, low=count, high=count, exact=True)
        sketch = self._union.get_result()
        return Estimate(
            users=round(sketch.get_estimate()),
            low=floor(sketch.get_lower_bound(_DEVIATIONS)),
            high=ceil(sketch.get_upper_bound(_DEVIATIONS)),
            exact=False,
        )

    @property
    def promoted(self) -> bool:
        """Whether the set is a sketch by now."""
        self._settle()
        return self._union is not None

    def content(self) -> Portion | None:
        """All users; None when there are none."""
        self._settle()
        if self._union is not None:
            return Portion(None, sketch=self._union.get_result())
        return Portion(self._settled) if len(self._settled) else None

    def fresh(self) -> Portion | None:
        """The users that an earlier call did not give, None when there are none; all of them once it is a sketch."""
        self._settle()
        if self._union is not None:
            changed, self._changed = self._changed, False
            return self.content() if changed else None
        arrays = [self._settled] if self._fresh is None else self._fresh
        self._fresh = []
        users = arrays[0] if len(arrays) == 1 else union_of(arrays)
        return Portion(users) if len(users) else None

    def _settle(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting, self._waiting_count = self._waiting, [], 0
        if self._union is not None:
            self._join(Portion.of(waiting))
            return
        if self._fresh is None:
            self._settled = union_of([self._settled, *waiting])
        else:
            users = _without(union_of(waiting), self._settled)
            if len(users):
                self._fresh.append(users)
                self._settled = _merged(self._settled, users)
        if self._is_beyond(len(self._settled)):
            self._promote()

    def _is_beyond(self, count: int) -> bool:
        return self._limit is not None and count > self._limit

    def _promote(self) -> None:
        if self._limit is None:
            raise ValueError("expected the users themselves, found a sketch")
        import datasketches  # noqa: PLC0415 - see above

        users, self._settled, self._fresh = self._settled, _NOBODY, None
        self._union = cast("Union", datasketches.cpc_union(LG_K))
        self._join(Portion(users))

    def _join(self, portion: Portion) -> None:
        if self._union is None:
            raise AssertionError("only a sketch joins sketches")
        self._union.update(portion.sketch)
        self._changed = True


def union_of(arrays: Iterable[Users]) -> Users:
    """The different hashes of some arrays, sorted.

    Sorted by hand, as `numpy.unique` is fifty times slower for a million of these (it goes by a hash table).
    """
    held = [array for array in arrays if len(array)]
    if not held:
        return _NOBODY
    users = np.concatenate(held) if len(held) > 1 else held[0].copy()
    users.sort()
    different = np.empty(len(users), dtype=np.bool_)
    different[0] = True
    np.not_equal(users[1:], users[:-1], out=different[1:])
    return users if different.all() else users[different]


def _without(users: Users, others: Users) -> Users:
    """Those of `users` that are not in `others`, which is sorted."""
    if not len(others):
        return users
    places = np.searchsorted(others, users)
    places[places == len(others)] = 0
    missing: Users = users[others[places] != users]
    return missing


def _merged(users: Users, others: Users) -> Users:
    """All of two sorted arrays that share nothing, sorted."""
    merged: Users = np.insert(users, np.searchsorted(users, others), others)
    return merged


def _sketch_of(users: Users) -> Sketch:
    """A sketch fed with hashes; it hashes them again, as unsigned integers. There is no call for a whole array."""
    import datasketches  # noqa: PLC0415 - see above

    sketch = cast("Sketch", datasketches.cpc_sketch(LG_K))
    deque(map(sketch.update, users.tolist()), maxlen=0)
    return sketch
