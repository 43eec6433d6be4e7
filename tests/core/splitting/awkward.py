"""Awkward files, how they are cut, and what they hold by the word of the standard library alone."""

import csv
import io
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

from millstream.core.splitting import Dialect, ExactReader, Format, Planned, Planner, Position, Row

ALPHABET = ["a", ",", '"', '""', ',"', '",', '"\n', "\n", "\r", "\r\n", "\0", "\ufeff", "é", ";", "'", " ", "5"]
nasty_texts = st.lists(st.sampled_from(ALPHABET), max_size=40).map("".join)
fields = st.lists(st.sampled_from([*ALPHABET, "plain", "x\ny", "quoted, too"]), max_size=4).map("".join)
CSV_DIALECTS = [
    Dialect(),
    Dialect(encoding="latin-1"),
    Dialect(delimiter=";", quote="'"),
    Dialect(quote=None),
    Dialect(delimiter="\t", encoding="cp1252"),
    Dialect(max_record_bytes=9),
]
csv_dialects = st.sampled_from(CSV_DIALECTS)
line_dialects = st.sampled_from(
    [
        Dialect(format=Format.LINES),
        Dialect(format=Format.JSONL),
        Dialect(format=Format.LINES, max_record_bytes=5),
        Dialect(format=Format.JSONL, max_record_bytes=5),
    ]
)


@st.composite
def written_files(draw: st.DrawFn) -> str:
    """What `csv.writer` makes of awkward values: a file that nobody would call malformed."""
    out = io.StringIO()
    end = draw(st.sampled_from(["\n", "\r\n"]))
    csv.writer(out, lineterminator=end).writerows(draw(st.lists(st.lists(fields, min_size=1, max_size=3), max_size=8)))
    text = out.getvalue()
    return text.removesuffix(end) if draw(st.booleans()) else text


nasty_files = (nasty_texts | written_files()).map(str.encode) | st.lists(
    st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xc3"]), max_size=40
).map(b"".join)


def by_the_standard_library(data: bytes, *, dialect: Dialect) -> list[list[str]]:
    """The records, blank ones too, as the documentation of `csv` says that a file is to be read."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding=dialect.encoding, errors="surrogateescape", newline="")
    quoting = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    return list(csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote, quoting=quoting))


def in_pieces(data: bytes, *, sizes: Sequence[int]) -> Iterator[bytes]:
    """The bytes in pieces of these sizes, again and again."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


def exact_rows(data: bytes, *, dialect: Dialect, sizes: Sequence[int] = (1 << 20,)) -> list[Row]:
    """All that the exact reader gives."""
    reader = ExactReader(dialect)
    rows = [row for piece in in_pieces(data, sizes=sizes) for row in reader.feed(piece)]
    return rows + reader.finish()


def planned(
    data: bytes,
    *,
    dialect: Dialect,
    chunk_bytes: int,
    sizes: Sequence[int] = (1 << 20,),
    slack_bytes: int = 1,
    exact: bool = False,
    at: Position | None = None,
) -> list[Planned]:
    """The chunks of a file that has no head, or of what is behind the border `at`."""
    at = at or Position(offset=0)
    planner = Planner(dialect, at=at, chunk_bytes=chunk_bytes, exact=exact, slack_bytes=slack_bytes)
    chunks = [chunk for piece in in_pieces(data[at.offset :], sizes=sizes) for chunk in planner.feed(piece)]
    chunks += planner.finish()
    assert planner.position.offset == len(data)
    return chunks
