"""One window that is not final yet: its users, its counters, and what was said about it so far.

Theory of operation: three numbers tell what has to be done about a window. `touched` goes up with every change of its
value; `told` is what it was when the value was put out last, `saved` when it was saved last. Comparing them needs no
lists of changed windows to be kept up to date.
"""

from dataclasses import dataclass

from millstream.counting.model import Result, Status, Window
from millstream.counting.windows.distinct import UserSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an open window stands: what was put out last (None: nothing yet), and whether it changed since."""

    window: Window
    status: Status | None
    revision: int
    frames: int
    late: int
    changed: bool


class OpenWindow:
    """A window between its first frame and its last word.

    `above` are the larger windows that hold a minute, empty for those themselves. `ended` is true once the watermark
    passed its end and it was dealt with.
    """

    __slots__ = (
        "above", "bit", "chunks", "ended", "frames", "late", "revision", "saved", "sketched", "status", "told",
        "told_early_s", "touched", "users", "window",
    )  # fmt: skip

    def __init__(self, window: Window, *, users: UserSet, above: tuple["OpenWindow", ...] = ()) -> None:
        self.window = window
        self.bit = window.by.bit
        self.users = users
        self.above = above
        self.frames = self.late = 0
        self.revision = 0
        self.status: Status | None = None
        self.ended = False
        self.touched, self.told = 1, 0
        self.told_early_s: float | None = None
        self.saved: tuple[int, int] | None = None
        self.chunks = 0
        self.sketched = False

    @property
    def key(self) -> tuple[int, int]:
        """Its place in the order of results: by size, then by start."""
        return self.bit, self.window.start

    @property
    def changed(self) -> bool:
        """Whether its value is another than what was put out last."""
        return self.touched != self.told

    @property
    def provisional(self) -> bool:
        """Whether nothing was put out, or early values only."""
        return self.status is None or self.status is Status.EARLY

    @property
    def unsaved(self) -> bool:
        """Whether something about it is not saved."""
        return self.saved != (self.touched, self.revision)

    def take(self, frames: int, *, late: int) -> None:
        """Count frames; `late` is the set of sizes for which they were late."""
        self.frames += frames
        self.touched += 1
        if late & self.bit:
            self.late += frames

    def refill(self, frames: int, *, late: int) -> None:
        """Count frames again that it had when it was saved."""
        self.take(frames, late=late)
        self.touched -= 1

    def next_status(self) -> Status | None:
        """What to say now that its end has passed or nothing more comes: ontime once, then updates of changes."""
        if self.provisional:
            return Status.ONTIME
        return Status.UPDATE if self.changed else None

    def tell(self, status: Status, *, watermark: int | None) -> Result:
        """The next revision of its value."""
        self.revision += 1
        self.status = status
        self.told = self.touched
        estimate = self.users.estimate()
        return Result(
            by=self.window.by,
            start=self.window.start,
            end=self.window.end,
            users=estimate.users,
            low=estimate.low,
            high=estimate.high,
            exact=estimate.exact,
            status=status,
            revision=self.revision,
            frames=self.frames,
            late=self.late,
            watermark=watermark,
        )

    def resume(self, standing: Standing, *, chunks: int, sketched: bool, replayed: bool) -> None:
        """Go on from what was saved; when frames are `replayed`, they are counted again."""
        self.status, self.revision = standing.status, standing.revision
        if not replayed:
            self.frames, self.late = standing.frames, standing.late
        self.told = self.touched - standing.changed
        self.chunks, self.sketched = chunks, sketched
        self.saved = (self.touched, self.revision)

    def standing(self) -> Standing:
        """How it stands."""
        return Standing(
            window=self.window,
            status=self.status,
            revision=self.revision,
            frames=self.frames,
            late=self.late,
            changed=self.changed,
        )
