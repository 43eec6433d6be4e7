"""Records as JSON: one object per line, with the record's id as `_id`.

Theory of operation: a CSV record becomes an object of strings with the header's names; a line becomes
`{"_id": ..., "line": text}`; a JSON object keeps its text as it is and gets `_id` put in front. All records of a group
are encoded by one call. Records of a CSV are values of a class made for its header, because its names are then written
without being looked at again (measured: 0.5 instead of 1.4 microseconds for five columns); a name that JSON has to
escape takes the way through a dictionary.

A chunk of a CSV in which nothing is odd is rendered by the compiled package where there is one; see `native`.

The id of a record is `message_id:number`, the same whenever and by whomever it is rendered.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from millstream.core.splitting import (
    ID_COLUMN,
    Agreed,
    Chunk,
    CsvRecords,
    Dialect,
    Format,
    Group,
    Head,
    LineRecords,
    Policy,
    Rejected,
    Verdict,
    column_names,
    read_chunk,
)
from millstream.ingest.native import native_renderer

_encoder = msgspec.json.Encoder()


class _Line(msgspec.Struct, gc=False):
    id: str = msgspec.field(name=ID_COLUMN)
    line: str


class _Object(msgspec.Struct):
    """Any JSON object: all of it is checked, only a key `_id` is kept."""

    id: msgspec.Raw | msgspec.UnsetType = msgspec.field(name=ID_COLUMN, default=msgspec.UNSET)


_check_object = msgspec.json.Decoder(_Object).decode
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """JSON lines, each ended by a newline, and the numbers of their records in the same order."""

    data: bytes
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A whole chunk, ready to be published if the verdict agrees."""

    blocks: list[Lines]
    rejected: list[Rejected]
    verdict: Verdict

    @property
    def records(self) -> int:
        """How many are to be published."""
        return sum(len(block.numbers) for block in self.blocks)


def record_id(message_id: str, *, number: int) -> str:
    """The id of a record."""
    return f"{message_id}:{number}"


def render(record: Sequence[str], *, names: Sequence[str], record_id: str) -> bytes:
    """One record of a CSV as one JSON object, without a newline."""
    return _encoder.encode(dict(zip((ID_COLUMN, *names), (record_id, *record), strict=True)))


class Renderer:
    """Renders the chunks of one file; made once per file and worker, because a class is made for its header."""

    def __init__(self, *, message_id: str, dialect: Dialect, head: Head, policy: Policy = Policy.STRICT) -> None:
        self._message_id = message_id
        self._dialect = dialect
        self._head = head
        self._policy = policy
        self._object_of = _object_maker(head.names)
        self._native = native_renderer(dialect, head=head, prefix=f"{message_id}:")

    def render(self, data: bytes, *, chunk: Chunk) -> Rendered:
        """All records of the chunk whose bytes are `data`, in blocks of at most 1000; needs about twice its memory."""
        regular = self._native.render(data, chunk=chunk) if self._native is not None else None
        if regular is not None:
            return _whole(regular, chunk=chunk)
        records = read_chunk(data, chunk=chunk, dialect=self._dialect, head=self._head, policy=self._policy)
        blocks = list(self._blocks(records))
        rejected = sorted(records.rejected, key=lambda rejected: rejected.record)
        return Rendered(blocks=blocks, rejected=rejected, verdict=records.verdict)

    def _blocks(self, records: CsvRecords | LineRecords) -> Iterator[Lines]:
        if isinstance(records, CsvRecords):
            for group in records.groups():
                yield self._csv(group)
        elif self._dialect.format is Format.LINES:
            for lines in records.groups():
                yield self._lines(lines)
        else:
            for lines in records.groups():
                block = self._objects(lines, records)
                if block.numbers:
                    yield block

    def _ids(self, numbers: Sequence[int]) -> list[str]:
        prefix = f"{self._message_id}:"
        return [f"{prefix}{number}" for number in numbers]

    def _csv(self, group: Group[list[str]]) -> Lines:
        make = self._object_of
        objects = [make(name, *fields) for name, fields in zip(self._ids(group.numbers), group.records, strict=True)]
        return Lines(data=_encoder.encode_lines(objects), numbers=group.numbers)

    def _lines(self, group: Group[str]) -> Lines:
        return Lines(
            data=_encoder.encode_lines(list(map(_Line, self._ids(group.numbers), group.records))),
            numbers=group.numbers,
        )

    def _objects(self, group: Group[str], records: LineRecords) -> Lines:
        numbers: list[int] = []
        texts: list[str] = []
        for number, name, text in zip(group.numbers, self._ids(group.numbers), group.records, strict=True):
            try:
                texts.append(_with_id(text, record_id=name))
                numbers.append(number)
            except msgspec.ValidationError:
                records.reject(number, reason="expected a JSON object, found another JSON value")
            except (msgspec.DecodeError, RecursionError) as error:
                records.reject(number, reason=f"expected a JSON object, found none: {error}")
        return Lines(data="".join(texts).encode(), numbers=numbers)


def _whole(regular: list[tuple[bytes, int]], *, chunk: Chunk) -> Rendered:
    """What the compiled renderer made: all records of the chunk, in order."""
    blocks = []
    number = chunk.first_record
    for data, records in regular:
        blocks.append(Lines(data=data, numbers=range(number, number + records)))
        number += records
    return Rendered(blocks=blocks, rejected=[], verdict=Agreed(records=chunk.records))


def _with_id(text: str, *, record_id: str) -> str:
    """A JSON object with `_id` in front, as a line; a key `_id` of its own is called `_id_2` (or `_id_3`, ...)."""
    quoted = _encoder.encode(record_id).decode()
    if _check_object(text).id is msgspec.UNSET:
        rest = text.strip()[1:].lstrip()
        return f'{{"{ID_COLUMN}":{quoted}{"" if rest == "}" else ","}{rest}\n'
    members = _read_object(text)
    others = [name for name in members if name != ID_COLUMN]
    renamed = column_names([*others, ID_COLUMN])[-1]
    own = {renamed if name == ID_COLUMN else name: value for name, value in members.items()}
    return _encoder.encode({ID_COLUMN: msgspec.Raw(quoted.encode()), **own}).decode() + "\n"


def _object_maker(names: Sequence[str]) -> Callable[..., object]:
    """What makes an object to be encoded of an id and one string for each name."""
    keys = (ID_COLUMN, *names)
    fields = [f"field_{place}" for place in range(len(keys))]
    try:
        return msgspec.defstruct(
            "Record", [(field, str) for field in fields], rename=dict(zip(fields, keys, strict=True)), gc=False
        )
    except ValueError:  # a name that JSON has to escape
        return lambda *values: dict(zip(keys, values, strict=True))
