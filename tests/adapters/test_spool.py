"""The spool on a local disk."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millstream.adapters.spool import SegmentSpool
from millstream.testing.spool_suite import OpenSpool, SpoolSuite


class TestSegmentSpool(SpoolSuite):
    """It is a spool."""

    @contextmanager
    def store(self) -> Iterator[OpenSpool]:
        with tempfile.TemporaryDirectory() as folder:
            yield lambda *, segment_bytes: SegmentSpool(Path(folder), segment_bytes=segment_bytes)
