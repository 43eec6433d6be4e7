"""Where the two stages can be made to fail, by name: a test kills the process there, and nothing may come out wrong.

Each point lies between two things that a crash must not tear apart. The points inside a commit belong to the log that
does it: `after_produce`, `after_offsets` and `after_commit_sent`.
"""

from collections.abc import Callable

Faults = Callable[[str], None]
"""Called with the name of a point when it is reached; may never return."""

AFTER_POLL = "after_poll"
"""Frames were read, and nothing of them is written."""
BEFORE_COMMIT = "before_commit"
"""Everything of a commit is made up, and nothing of it is sent."""
AFTER_COMMIT_BEFORE_CACHE = "after_commit_before_cache"
"""A commit took place, and the worker has not learnt from it."""
ON_REVOKE = "on_revoke"
"""Partitions are about to go, and what was read of them is not committed."""
ON_LOST = "on_lost"
"""Partitions went, and are not forgotten."""
WORKER = (AFTER_POLL, BEFORE_COMMIT, AFTER_COMMIT_BEFORE_CACHE, ON_REVOKE, ON_LOST)

MERGER_AFTER_POLL = "merger.after_poll"
"""Deltas were read and joined, and nothing of them is written."""
MERGER_BEFORE_COMMIT = "merger.before_commit"
"""Windows were closed and results made up, and nothing of them is written."""
MERGER_AFTER_COMMIT = "merger.after_commit"
"""A commit took place, and the merger has not noted it."""
MERGER_AFTER_RESTORE = "merger.after_restore"
"""State and positions are read, and no delta is."""
MERGER_DURING_REPLAY = "merger.during_replay"
"""Some deltas of open windows are read again, others are not."""
MERGER = (
    MERGER_AFTER_POLL,
    MERGER_BEFORE_COMMIT,
    MERGER_AFTER_COMMIT,
    MERGER_AFTER_RESTORE,
    MERGER_DURING_REPLAY,
)


def no_faults(point: str) -> None:
    """Nothing fails."""
