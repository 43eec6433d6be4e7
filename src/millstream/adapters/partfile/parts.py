"""How the part files of an ingestion are named, and what is noted of one.

Theory of operation: everything of an ingestion that is not finished is in `.parts/MESSAGE_ID/`, where each attempt on a
chunk has a file of its own, `000007.3` for the third claim of chunk 7. So two attempts never write to one file, and
which one counts is what the ledger says. The receipt names it, with its length and checksum.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from millstream.errors import InvalidValueError

PARTS = ".parts"
"""The folder of unfinished work, beside the files."""

_MESSAGE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_RECEIPT = re.compile(r"(?P<part>\d{6,}\.\d+) (?P<bytes>\d+) (?P<crc32>[0-9a-f]{8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A part file that is whole and durable: its name, length and CRC-32. As text: `000007.3 4194304 1a2b3c4d`."""

    part: str
    size_bytes: int
    crc32: int

    def __str__(self) -> str:
        return f"{self.part} {self.size_bytes} {self.crc32:08x}"

    @classmethod
    def parse(cls, text: str) -> "Receipt":
        """Read what `str` made; raises InvalidValueError."""
        found = _RECEIPT.fullmatch(text)
        if found is None:
            raise InvalidValueError(
                name="receipt", expected="PART BYTES CRC32, as a folder's sink notes it", found=text
            )
        return cls(part=found["part"], size_bytes=int(found["bytes"]), crc32=int(found["crc32"], 16))


def parts_of(folder: Path, *, message_id: str) -> Path:
    """Where the parts of an ingestion are; raises InvalidValueError for what is no message id."""
    return folder / PARTS / checked(message_id)


def part_name(seq: int, *, fence: int) -> str:
    """The name of the file that a claim of a chunk writes."""
    return f"{seq:06d}.{fence}"


def checked(message_id: str) -> str:
    """The message id, if it is one: it becomes part of a path. Raises InvalidValueError."""
    if _MESSAGE_ID.fullmatch(message_id) is None:
        raise InvalidValueError(name="message id", expected="at most 64 letters, digits and dashes", found=message_id)
    return message_id


def make_folder(folder: Path) -> None:
    """Make it, with what is above it, so that it lasts through a power failure; one that is there is fine."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Return when the names in it are on disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
