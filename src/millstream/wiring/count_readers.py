"""How many readers the files of a count get, and what is begun before the rest of the program is loaded.

It loads no numpy, which would take most of the time that a head start can save.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.adapters.framefile import look_at
from millstream.config import CountConfig
from millstream.core.address import is_kafka
from millstream.counting.files.striding import strides
from millstream.counting.frames.choosing import Wanted, choose_scanner
from millstream.errors import InvalidValueError, NativeScannerError, SourceError

if TYPE_CHECKING:
    from millstream.counting.frames.headstart import HeadStart

STDIN = "-"
SMALL_BYTES = 192 << 20
"""Inputs of fewer bytes are counted before other processes have started and caught up: measured, half a second."""
NATIVE_SMALL_BYTES = 16 << 20
"""The same for threads, which start at once."""
HEAD_STRIDES = 64
"""256 MB, more than a thread scans while the program loads."""


def readers_of(config: CountConfig, *, size_bytes: int, is_native: bool) -> int:
    """How many read inputs of that size; with 1, whoever counts reads."""
    if config.workers is not None:
        return config.workers
    return 1 if size_bytes < (NATIVE_SMALL_BYTES if is_native else SMALL_BYTES) else usable_cores()


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def begin_early(config: CountConfig, *, state: Path | None) -> "HeadStart | None":
    """Begin with the first file, if threads will read it, and from its first byte on; None else.

    Nothing is said of what is wrong: that is found again, and told, when the count is put together.
    """
    first = config.sources[0]
    if first == STDIN or is_kafka(first) or (state is not None and state.exists()) or usable_cores() == 1:
        return None
    try:
        file = look_at(first)
        if not file.is_seekable or readers_of(config, size_bytes=file.size_bytes, is_native=True) == 1:
            return None
        if choose_scanner(config.scanner).name is not Wanted.NATIVE:
            return None
        from millstream.counting.frames.headstart import HeadStart  # noqa: PLC0415 - an optional package

        return HeadStart(file, uid=config.uid, ts=config.ts, stretches=tuple(strides(HEAD_STRIDES)))
    except (SourceError, NativeScannerError, InvalidValueError):
        return None
