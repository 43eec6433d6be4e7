"""The built-in work on buckets: verify files, copy them, merge them.

Theory of operation: a file is read in blocks and hashed on the way; more or fewer bytes than were listed mean that
it changed, which is an error. What is written goes into a hidden part file that carries batch, attempt and number,
is synced, and gets its final name by a rename, so others only ever see whole files, and doing it again puts the
same file in its place. A zombie cannot do harm: its successor begins by removing its part files, so its next
rename fails.
"""

import csv
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from errno import EIO
from pathlib import Path
from typing import BinaryIO, Protocol

from millstream.core.model import Done, FileRef
from millstream.errors import SourceError

BLOCK_BYTES = 1 << 20

HEADER_BYTES = 1 << 20
"""The first record of a CSV file is shorter than this, or the file is none."""


class Bucket(Protocol):
    """What the work needs of a batch: its id, `[A-Za-z0-9._-]+`, and its files."""

    @property
    def id(self) -> str: ...  # noqa: D102  the class says it

    @property
    def files(self) -> tuple[FileRef, ...]: ...  # noqa: D102  the class says it


class Attempt(Protocol):
    """What the work needs of a context.

    It puts the SHA-256 of every file that it read into `checksums`, in hex by path, so that nobody need read the
    file again; for every block it reads it calls `heartbeat` and stops if the attempt is `cancelled`.
    """

    checksums: dict[str, str]

    @property
    def attempt(self) -> int: ...  # noqa: D102  the class says it

    @property
    def cancelled(self) -> bool: ...  # noqa: D102  the class says it

    def heartbeat(self) -> None: ...  # noqa: D102  the class says it
