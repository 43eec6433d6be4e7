"""The built-in work that makes one file of the files of a bucket."""

import csv
import hashlib
import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from millstream.adapters.filework.publishing import Publisher
from millstream.adapters.filework.reading import Attempt, Bucket, done, open_file, read_file
from millstream.core.model import Done, FileRef
from millstream.errors import SourceError

HEADER_BYTES = 1 << 20
"""A CSV file whose first record is not shorter than this is none."""


class MergeFormat(StrEnum):
    """How files become one: `auto` goes by the names of all files in the bucket."""

    AUTO = "auto"
    JSONL = "jsonl"
    CSV = "csv"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """One file in a merged one: its bytes there are `length` from `offset` on, and its own as a whole."""

    path: str
    name: str
    size_bytes: int
    sha256: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class MergeTo:
    """Makes one file of a bucket in `folder`, named by the batch's id, and beside it `ID.manifest.json`.

    JSONL: the last line of every file gets a newline if it has none. CSV: so, too, and the header, which all files
    must share, is kept once. Raw: the bytes as they are. Empty files add nothing. The manifest says which bytes came
    from which file; it appears last, so a merged file is complete when its manifest is there.
    """

    folder: str
    _: KW_ONLY
    format: MergeFormat = MergeFormat.AUTO

    def __call__(self, batch: Bucket, context: Attempt) -> Done:
        """Idempotent, byte for byte.

        Raises SourceError when a file changed or its CSV header differs, OSError when something cannot be read or
        written.
        """
        publisher = Publisher(batch_id=batch.id, attempt=context.attempt)
        form = self._form(batch.files)
        merged = Path(self.folder, batch.id + _suffix(form, files=batch.files))
        with publisher.writing(merged) as output:
            pieces, sha256 = _merge(batch.files, form=form, output=output, context=context)
        publisher.sync_folders()  # so that no power failure leaves the manifest alone
        manifest = {
            "batch": batch.id,
            "file": merged.name,
            "format": form,
            "size_bytes": sum(piece.length for piece in pieces),
            "sha256": sha256,
            "files": [asdict(piece) for piece in pieces],
        }
        with publisher.writing(Path(self.folder, f"{batch.id}.manifest.json")) as output:
            output.write(json.dumps(manifest, indent=2).encode() + b"\n")
        publisher.sync_folders()
        return done(batch, what="merged")

    def _form(self, files: Sequence[FileRef]) -> MergeFormat:
        suffixes = _suffixes(files)
        if self.format is not MergeFormat.AUTO:
            return self.format
        if suffixes <= {".jsonl", ".ndjson"}:
            return MergeFormat.JSONL
        return MergeFormat.CSV if suffixes == {".csv"} else MergeFormat.RAW


def _suffixes(files: Sequence[FileRef]) -> set[str]:
    return {Path(file.path).suffix.lower() for file in files}


def _suffix(form: MergeFormat, *, files: Sequence[FileRef]) -> str:
    """What the name of a merged file ends with: raw bytes keep a suffix that all files have."""
    if form is not MergeFormat.RAW:
        return f".{form}"
    suffix, *others = _suffixes(files)
    return suffix if suffix and not others else ".bin"


def _merge(
    files: Sequence[FileRef], *, form: MergeFormat, output: BinaryIO, context: Attempt
) -> tuple[list[_Piece], str]:
    """Write all files to `output`; returns what became of each, and the SHA-256 of the whole."""
    headers = _headers_to_skip(files) if form is MergeFormat.CSV else [0] * len(files)
    digest = hashlib.sha256()
    pieces = []
    for file, header_bytes in zip(files, headers, strict=True):
        offset = output.tell()
        blocks = _without_start(read_file(file, context=context), start_bytes=header_bytes)
        for block in blocks if form is MergeFormat.RAW else _ending_with_newline(blocks):
            output.write(block)
            digest.update(block)
        pieces.append(
            _Piece(
                path=file.where,
                name=file.name,
                size_bytes=file.size_bytes,
                sha256=context.checksums[file.path],
                offset=offset,
                length=output.tell() - offset,
            )
        )
    return pieces, digest.hexdigest()


def _without_start(blocks: Iterable[bytes], *, start_bytes: int) -> Iterator[bytes]:
    for block in blocks:
        yield block[start_bytes:]
        start_bytes = max(0, start_bytes - len(block))


def _ending_with_newline(blocks: Iterable[bytes]) -> Iterator[bytes]:
    end = b"\n"
    for block in blocks:
        end = block[-1:] or end
        yield block
    if end != b"\n":
        yield b"\n"


def _headers_to_skip(files: Sequence[FileRef]) -> list[int]:
    """For each file the bytes of its header, but 0 for the first, whose header all others must have."""
    skipped = []
    first: tuple[str, list[str]] | None = None
    for file in files:
        if file.size_bytes == 0:
            skipped.append(0)
            continue
        fields, size_bytes = _header(file)
        if first is None:
            first, size_bytes = (file.where, fields), 0
        elif fields != first[1]:
            raise SourceError(
                source=file.where,
                reason=f"cannot be merged with {first[0]}: the header is {_show(fields)} here, {_show(first[1])} there",
                hint="give files with different headers folders of their own, and use --group dir",
            )
        skipped.append(size_bytes)
    return skipped


def _header(file: FileRef) -> tuple[list[str], int]:
    """The fields of the first record of a CSV file, and its bytes; newlines in quotes are part of it.

    A byte order mark is not. Bytes that are not UTF-8 are shown as escapes.
    """
    with open_file(file.path) as source:
        lines = iter(lambda: source.readline(HEADER_BYTES).decode("utf-8-sig", "backslashreplace"), "")
        try:
            fields = next(csv.reader(lines), [])
        except csv.Error as error:
            raise SourceError(source=file.where, reason=f"has no header that can be read as CSV: {error}") from error
        size_bytes = source.tell()
    if not fields or size_bytes >= HEADER_BYTES:
        raise SourceError(
            source=file.where, reason=f"begins with {size_bytes} bytes that are no CSV header", hint="is it a CSV file?"
        )
    return fields, size_bytes


def _show(fields: list[str]) -> str:
    return textwrap.shorten(", ".join(fields), width=200, placeholder=" ...")
