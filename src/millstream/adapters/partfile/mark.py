"""How far the joiner has listened to what happens to ingestions."""

import os
from pathlib import Path


class EventMark:
    """The number of the last event that needs no further look, kept in a file. Implements joining's Mark.

    It is a hint that saves looking at old events again: what cannot be read counts as 0.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """The number, 0 if there is none yet."""
        try:
            return max(int(self._path.read_text(encoding="ascii")), 0)
        except (FileNotFoundError, ValueError):
            return 0

    def write(self, event: int) -> None:
        """Remember it; others see the old one or the new one. Raises OSError."""
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        new.write_text(str(event), encoding="ascii")
        new.replace(self._path)
