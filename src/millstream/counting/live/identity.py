"""By which rules frames were counted: deltas of different rules must never be joined."""

from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.distinct import HASH_ID

FIELDS = "uid uid, ts ts"
"""Which keys of a frame are read, unless others are asked for."""


def frames_identity(*, fields: str = FIELDS, calendar: Calendar, lateness_s: int, grace_s: int) -> str:
    """The rules by which frames become deltas, in words to be compared; `fields` names the keys that are read."""
    return f"{fields}, hash {HASH_ID}, zone {calendar.identity}, lateness {lateness_s} s, grace {grace_s} s"
