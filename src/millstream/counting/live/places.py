"""Where the merger is in the deltas: read, restored, and where it would have to start again.

Theory of operation: users of minutes that may still change are kept nowhere but in the deltas, so the position that is
committed is that of the first delta of any such minute, not the last one read. After a restart the records between
are *replayed*: they fill minutes, and nothing else, for the saved state has them. Until every partition has been
replayed up to where the state was saved nothing may close: a watermark that one partition's new records bring would
close a minute whose deltas another partition has yet to replay.
"""

from collections.abc import Iterable, Mapping

from millstream.counting.model import MINUTE_S
from millstream.errors import DeltasLostError


class Places:
    """Positions in the delta partitions.

    `starts` are where reading starts, `saved` up to where the saved state has all, `needed` the first record that was
    to be replayed when it was saved.
    """

    def __init__(
        self, *, starts: Mapping[int, int], saved: Mapping[int, int], needed: Mapping[int, int] | None = None
    ) -> None:
        self._saved = dict(saved)
        self._needed = {
            partition: offset for partition, offset in (needed or {}).items() if offset < saved.get(partition, 0)
        }
        self._read = dict(starts)
        self._first: dict[int, dict[int, int]] = {}
        """Of each partition, minutes that may still change and the offset of their first delta, by offset."""

    def reach(self, partition: int, offset: int) -> bool:
        """A record is read; returns whether it is replayed.

        Raises:
            DeltasLostError: records that have to be replayed are not there any more.
        """
        # Offsets have holes, but at this one there was a record.
        needed = self._needed.pop(partition, offset)
        if offset > needed:
            raise DeltasLostError(partition=partition, expected=needed, found=offset)
        self._read[partition] = offset + 1
        return offset < self._saved.get(partition, 0)

    def check(self) -> None:
        """Raise DeltasLostError when reading starts behind a record that has to be replayed."""
        for partition, needed in self._needed.items():
            found = self._read.get(partition, 0)
            if found > needed:
                raise DeltasLostError(partition=partition, expected=needed, found=found)

    def note(self, partition: int, offset: int, *, minutes: Iterable[int]) -> None:
        """The record of that offset has deltas of minutes that may still change."""
        first = self._first.setdefault(partition, {})
        for minute in minutes:
            first.setdefault(minute, offset)

    def forget(self, watermark: int, *, grace_s: int) -> None:
        """Minutes that are past their grace at this watermark do not change any more."""
        past = watermark - grace_s - MINUTE_S
        for partition, first in self._first.items():
            if any(minute <= past for minute in first):
                self._first[partition] = {minute: offset for minute, offset in first.items() if minute > past}

    @property
    def replayed(self) -> bool:
        """Whether everything that the saved state has was read again where it has to be."""
        return all(self._read.get(partition, 0) >= saved for partition, saved in self._saved.items())

    def read(self) -> dict[int, int]:
        """Up to where a state that is saved now has all."""
        return {
            partition: max(self._read.get(partition, 0), self._saved.get(partition, 0))
            for partition in self._read.keys() | self._saved.keys()
        }

    def positions(self) -> dict[int, int]:
        """Where to start again."""
        return {
            partition: next(iter(self._first.get(partition, {}).values()), read)
            for partition, read in self._read.items()
        }
