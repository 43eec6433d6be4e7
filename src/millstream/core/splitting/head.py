"""What stands before the records: a byte order mark, and the names of a CSV's columns.

Theory of operation: the head is read once, when a file is planned; after it, nobody needs the start of the file.
Names become keys of JSON objects, so they are made unique: the first column of a name keeps it, the next becomes
`name_2`, then `name_3`, leaving out what another column is called; a column without a name is `column_3` after its
place, from 1. A column `_id` becomes `_id_2`, because `_id` is the record's id. Without a header the columns are
`column_1` to `column_n`, as many as the first record has.
"""

from collections.abc import Sequence
from hashlib import blake2b

from millstream.core.splitting.csv_exact import whole_records
from millstream.core.splitting.encoding import LONGEST_MARK_BYTES, is_text, mark_bytes
from millstream.core.splitting.model import ID_COLUMN, Dialect, Format, Head
from millstream.errors import UnreadableFileError


def read_head(data: bytes, *, dialect: Dialect, final: bool) -> Head | None:
    """The head of the file that starts with `data`, or None if more bytes are needed: come back with twice as many.

    With `final`, `data` is the whole file. Blank lines before the header of a CSV belong to the head. Raises
    UnreadableFileError if the file is UTF-16 or UTF-32, or its header is no text, too long or never closed.
    """
    if len(data) < LONGEST_MARK_BYTES and not final:
        return None
    mark = mark_bytes(data, encoding=dialect.encoding)
    if dialect.format is not Format.CSV:
        return _head((), start=mark, dialect=dialect)
    begin = 0
    for fields, end, unclosed in whole_records(data[mark:], dialect=dialect, final=final):
        if fields and not dialect.header:
            return _head(column_names([""] * len(fields)), start=mark, dialect=dialect)
        if fields:
            _require_readable(data[mark + begin : mark + end], start=mark + begin, unclosed=unclosed, dialect=dialect)
            return _head(column_names(fields), start=mark + end, dialect=dialect)
        begin = end
    if len(data) - mark - begin > dialect.max_record_bytes:
        raise _too_long(start=mark + begin, dialect=dialect)
    return _head((), start=mark, dialect=dialect) if final else None


def column_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Names for the columns of a header: unique, none empty, none `_id`; see the head of this module."""
    own = {ID_COLUMN, *fields}
    taken: set[str] = {ID_COLUMN}
    last_suffix: dict[str, int] = {}
    names = []
    for place, field in enumerate(fields, start=1):
        name = stem = field or f"column_{place}"
        while name in taken or (name in own and name != field):
            last_suffix[stem] = last_suffix.get(stem, 1) + 1
            name = f"{stem}_{last_suffix[stem]}"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _head(names: tuple[str, ...], *, start: int, dialect: Dialect) -> Head:
    told = (dialect.format.value, dialect.encoding, dialect.delimiter, dialect.quote, dialect.header, names)
    return Head(names=names, start=start, fingerprint=blake2b(repr(told).encode(), digest_size=16).hexdigest())


def _require_readable(header: bytes, *, start: int, unclosed: bool, dialect: Dialect) -> None:
    if len(header) > dialect.max_record_bytes:
        raise _too_long(start=start, dialect=dialect)
    if unclosed:
        raise UnreadableFileError(
            expected="a header in the first record",
            found=f"a quote in the record at byte {start} that is never closed",
            hint="mend it, or say that quotes mean nothing in this file",
        )
    if not is_text(header, encoding=dialect.encoding):
        raise UnreadableFileError(
            expected=f"a header in {dialect.encoding}",
            found="bytes that are not",
            hint="name the encoding of the file, such as latin-1 or cp1252",
        )


def _too_long(*, start: int, dialect: Dialect) -> UnreadableFileError:
    return UnreadableFileError(
        expected=f"a first record of at most {dialect.max_record_bytes} bytes",
        found=f"no end of the one at byte {start}",
        hint="is it a CSV with these delimiter and quote? if so, allow longer records",
    )
