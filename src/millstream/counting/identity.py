"""By which rules frames were counted: deltas of different rules must never be joined."""

from millstream.counting.calendar import Calendar
from millstream.counting.distinct import HASH_ID


def frames_identity(*, calendar: Calendar, lateness_s: int, grace_s: int) -> str:
    """The rules by which frames become deltas, in words that a person can compare."""
    return f"hash {HASH_ID}, zone {calendar.identity}, lateness {lateness_s} s, grace {grace_s} s"
