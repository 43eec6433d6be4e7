"""Files of CSV, and what both renderers say of their chunks."""

import csv
import io
import random
from itertools import chain

import pytest
from hypothesis import strategies as st

from core.splitting.awkward import fields
from millstream.core.splitting import Chunk, Dialect, Head, Planner, Policy, Position, read_head
from millstream.errors import UnreadableFileError
from millstream.ingest.rendering import Renderer

DIALECTS = [
    Dialect(),
    Dialect(encoding="ascii"),
    Dialect(delimiter=";", quote="'"),
    Dialect(quote=None),
    Dialect(delimiter="\t"),
    Dialect(delimiter='"', quote="\\"),
    Dialect(delimiter="a", quote="\t"),
    Dialect(delimiter="\x7f", quote=" "),
    Dialect(header=False),
    Dialect(max_record_bytes=9),
]
dialects = st.sampled_from(DIALECTS)
LINE_ENDS = ["\n", "\r", "\r\n"]
PIECES = [
    *(bytes([byte]) for byte in b"\",;'\t\\\r\n\x00\x01\x08\x0c\x1f\x7f \x80\xc3\xffa0"),
    *(
        b'""',
        b',"',
        b'",',
        b'"\n',
        b"\r\n",
        b"\n\n",
        b"\xc3\xa9",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
    ),
]


@st.composite
def regular_files(draw: st.DrawFn) -> tuple[bytes, Dialect]:
    """Files whose records are as wide as their header, whatever stands in them, quoted only where they have to be."""
    dialect = draw(dialects)
    width = draw(st.integers(1, 4))
    letters = st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x7f\"',;\t\\\r\n\ufeff\x01\x1f\u2028é😀a ")
    values = st.text(letters, max_size=12) | fields | st.sampled_from(["plain", "", "a longer value of twenty-eight"])
    rows = draw(st.lists(st.lists(values, min_size=width, max_size=width), min_size=1, max_size=8))
    ends = draw(st.lists(st.sampled_from(LINE_ENDS), min_size=1, max_size=3))
    blanks = draw(st.lists(st.booleans(), min_size=1, max_size=5)) if draw(st.booleans()) else [False]
    text = "".join(
        _record(row, dialect=dialect) + ends[place % len(ends)] * (1 + blanks[place % len(blanks)])
        for place, row in enumerate(rows)
    )
    return text.encode(dialect.encoding, "replace"), dialect


def _record(row, *, dialect: Dialect) -> str:
    quote, delimiter = dialect.quote, dialect.delimiter
    if quote is None:
        row = ["".join(char for char in value if char not in (delimiter, "\r", "\n")) for value in row]
        return delimiter.join(row) if row != [""] else "x"
    if all(char not in value for value in row for char in (quote, delimiter, "\r", "\n")) and row != [""]:
        return delimiter.join(row)
    return delimiter.join(quote + value.replace(quote, quote * 2) + quote for value in row)


def chunks_of(data: bytes, *, dialect: Dialect, chunk_bytes: int = 1 << 20):
    """The head and the chunks; None for a file that has no head."""
    try:
        head = read_head(data, dialect=dialect, final=True)
    except UnreadableFileError:
        return None
    assert head is not None
    planner = Planner(dialect, at=Position(offset=head.start), chunk_bytes=chunk_bytes)
    return head, [*planner.feed(data[head.start :]), *planner.finish()]


def renderer_of(dialect: Dialect, *, head: Head, with_native: bool, policy: Policy = Policy.STRICT) -> Renderer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLSTREAM_SCANNER", "auto" if with_native else "python")
        renderer = Renderer(message_id="m", dialect=dialect, head=head, policy=policy)
    assert (renderer._native is not None) == with_native
    return renderer


def told(renderer: Renderer, data: bytes, chunk: Chunk):
    """All that a renderer says; where blocks end is its own business only if there are blank lines."""
    found = renderer.render(data, chunk=chunk)
    assert all(block.data.count(b"\n") == len(block.numbers) <= 1000 for block in found.blocks)
    lines = b"".join(block.data for block in found.blocks)
    return lines, list(chain.from_iterable(block.numbers for block in found.blocks)), found.rejected, found.verdict


def check(data: bytes, *, dialect: Dialect, chunk_bytes: int = 1 << 20, policy: Policy = Policy.STRICT) -> int:
    """Both say the same of all chunks; how many chunks the compiled one answered for."""
    plan = chunks_of(data, dialect=dialect, chunk_bytes=chunk_bytes)
    if plan is None:
        return 0
    head, chunks = plan
    compiled = renderer_of(dialect, head=head, with_native=True, policy=policy)
    python = renderer_of(dialect, head=head, with_native=False, policy=policy)
    for chunk, content in chunks:
        assert told(compiled, content, chunk) == told(python, content, chunk)
    return sum(compiled._native.render(content, chunk=chunk) is not None for chunk, content in chunks)


def table(rows: int, *, seed: int) -> bytes:
    """What tables look like: numbers, dates, names, a comment with commas, quotes and line ends now and then."""
    dice = random.Random(seed)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["order_id", "ordered_at", "customer", "amount", "comment"])
    comments = ["", "", "ok", "left at the door, thanks", 'said "no"', "two\nlines", "Zoë's, naïve 😀", "C:\\tmp\ttab"]
    for number in range(rows):
        when = f"2024-03-{dice.randrange(1, 29):02d} {dice.randrange(24):02d}:00:00"
        row = [number, when, f"customer {dice.randrange(999)}", f"{dice.random() * 100:.2f}", dice.choice(comments)]
        writer.writerow(row)
    return out.getvalue().encode()


def damage(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, put in or taken out."""
    damaged = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        at = dice.randrange(len(damaged) + 1)
        length = dice.choice((0, 1, 1, 4))
        damaged[at : at + length] = dice.choice(PIECES) if dice.random() < 0.9 else b""
    return bytes(damaged)
