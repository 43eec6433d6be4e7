"""The compiled renderer of CSV, where it is installed and a chunk is regular; Python does everything else.

Theory of operation: the renderer in Python is the rule. The compiled one answers for a chunk only if every record of it
is as wide as the header, all of it is text and as much as was planned; then there is nothing to reject and the verdict
is known. So rejects, policies and disagreements stay in one place. A package of another version, or one that was built
before there was such a renderer, counts as none. `MILLSTREAM_SCANNER=python` does without it, as it does when counting.
"""

import os
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from millstream.core.native import PACKAGE, VERSION
from millstream.core.splitting import Chunk, Dialect, Format, Head

SWITCH = "MILLSTREAM_SCANNER"

_ENCODINGS = ("utf-8", "ascii")


class _Compiled(Protocol):
    def render(self, data: bytes, first_record: int, records: int) -> list[tuple[bytes, int]] | None: ...


class _MakeCompiled(Protocol):
    def __call__(
        self, names: Sequence[str], *, delimiter: str, quote: str | None, prefix: str, max_record_bytes: int
    ) -> _Compiled: ...


class NativeRenderer:
    """Renders the regular chunks of one CSV; threads may share it."""

    def __init__(self, compiled: _Compiled, *, ascii_only: bool) -> None:
        self._compiled = compiled
        self._ascii_only = ascii_only

    def render(self, data: bytes, *, chunk: Chunk) -> list[tuple[bytes, int]] | None:
        """Blocks of at most 1000 JSON lines, each with the number of its lines, or None: ask Python.

        Holds the chunk and its JSON; the interpreter's lock is free meanwhile.
        """
        if chunk.too_long or chunk.unterminated or len(data) != chunk.size_bytes:
            return None
        if self._ascii_only and not data.isascii():
            return None
        return self._compiled.render(data, chunk.first_record, chunk.records)


def native_renderer(dialect: Dialect, *, head: Head, prefix: str) -> NativeRenderer | None:
    """The compiled renderer for a file, None where there is none; ids are `prefix` and the record's number."""
    if dialect.format is not Format.CSV or dialect.encoding not in _ENCODINGS:
        return None
    make = _compiled()
    if make is None:
        return None
    compiled = make(
        head.names,
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        prefix=prefix,
        max_record_bytes=dialect.max_record_bytes,
    )
    return NativeRenderer(compiled, ascii_only=dialect.encoding == "ascii")


def _compiled() -> _MakeCompiled | None:
    """What makes compiled renderers, if the package is there, fits and is wanted."""
    if os.environ.get(SWITCH) == "python" or find_spec(PACKAGE) is None:
        return None
    try:
        package = import_module(PACKAGE)
    except ImportError:  # made for another interpreter or machine
        return None
    if getattr(package, "VERSION", None) != VERSION:
        return None
    return cast("_MakeCompiled | None", getattr(package, "CsvRenderer", None))
