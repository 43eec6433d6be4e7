"""The compiled cutter of files and renderer of CSV, where they are installed and a chunk is regular; else Python.

Theory of operation: what is written in Python is the rule. The compiled cutter answers only where the parity of quotes
proves where a chunk ends. The compiled renderer answers for a chunk only if every record of it is as wide as the
header, all of it is text and as much as was planned; then there is nothing to reject and the verdict is known. So
rejects, policies and disagreements stay in one place. A package of another version counts as none.
`MILLSTREAM_SCANNER=python` does without it, as it does when counting.
"""

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Protocol

from millstream.core.native import PACKAGE, VERSION
from millstream.core.splitting import Chunk, Cut, Cutter, Dialect, Format, Head, WholeRecord, cutter_of

SWITCH = "MILLSTREAM_SCANNER"

_ENCODINGS = ("utf-8", "ascii")


class _Compiled(Protocol):
    def render(self, data: bytes, first_record: int, records: int) -> list[tuple[bytes, int]] | None: ...


class _CompiledCutter(Protocol):
    def cut(  # the compiled one takes them by place
        self,
        data: bytes,
        start: int,
        chunk_bytes: int,
        is_final: bool,  # noqa: FBT001 - see above
    ) -> tuple[int, int, bool] | None: ...


class NativeCutter:
    """Cuts where nothing is odd, and has the one in Python cut elsewhere. Implements Cutter."""

    def __init__(self, compiled: _CompiledCutter, *, python: Cutter) -> None:
        self._compiled = compiled
        self._python = python

    def fast(self, data: bytes, *, start: int, chunk_bytes: int, final: bool) -> Cut | None:
        """See Cutter; the interpreter's lock is free meanwhile."""
        found = self._compiled.cut(data, start, chunk_bytes, final)
        if found is None:
            return self._python.fast(data, start=start, chunk_bytes=chunk_bytes, final=final)
        return Cut(*found)

    def records(self, data: bytes, *, final: bool) -> Iterator[WholeRecord]:
        """See Cutter."""
        return self._python.records(data, final=final)


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


def native_cutter(dialect: Dialect) -> NativeCutter | None:
    """The compiled cutter for files of this dialect, None where there is none."""
    package = _package()
    if package is None:
        return None
    compiled: _CompiledCutter = package.Cutter(
        dialect.format.value,
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        max_record_bytes=dialect.max_record_bytes,
    )
    return NativeCutter(compiled, python=cutter_of(dialect))


def native_renderer(dialect: Dialect, *, head: Head, prefix: str) -> NativeRenderer | None:
    """The compiled renderer for a file, None where there is none; ids are `prefix` and the record's number."""
    if dialect.format is not Format.CSV or dialect.encoding not in _ENCODINGS:
        return None
    package = _package()
    if package is None:
        return None
    compiled: _Compiled = package.CsvRenderer(
        head.names,
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        prefix=prefix,
        max_record_bytes=dialect.max_record_bytes,
    )
    return NativeRenderer(compiled, ascii_only=dialect.encoding == "ascii")


def _package() -> ModuleType | None:
    """The compiled package, if it is there, fits and is wanted."""
    if os.environ.get(SWITCH) == "python" or find_spec(PACKAGE) is None:
        return None
    try:
        package = import_module(PACKAGE)
    except ImportError:  # made for another interpreter or machine
        return None
    return package if getattr(package, "VERSION", None) == VERSION else None
