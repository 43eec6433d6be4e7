"""The values of an ingestion as text, and back."""

from functools import lru_cache

import msgspec

from millstream.core.tasks import FileSpec, FileState


def text_of(value: FileSpec | FileState) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()


@lru_cache(maxsize=256)
def spec_of(text: str) -> FileSpec:
    """The value that `text_of` wrote."""
    return msgspec.json.decode(text, type=FileSpec)


@lru_cache(maxsize=64)
def _found_of(text: str) -> FileState:
    return msgspec.json.decode(text, type=FileState)


def found_of(text: str | None) -> FileState | None:
    """The value that `text_of` wrote, if it did."""
    return None if text is None else _found_of(text)
