"""Records as JSON: what goes in comes out, with an id, whatever the values are."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.splitting import Agreed, Dialect, Format, Head, Planner, Policy, Position, read_head
from millstream.ingest.rendering import Renderer, record_id, render

values = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


def rendered(data: bytes, *, dialect: Dialect, policy: Policy = Policy.STRICT, chunk_bytes: int = 20):
    """All JSON objects of a file in order, their numbers, and what was rejected."""
    head = read_head(data, dialect=dialect, final=True)
    assert head is not None
    planner = Planner(dialect, at=Position(offset=head.start), chunk_bytes=chunk_bytes)
    renderer = Renderer(message_id="m", dialect=dialect, head=head, policy=policy)
    objects, numbers, rejected = [], [], []
    for chunk, content in [*planner.feed(data[head.start :]), *planner.finish()]:
        result = renderer.render(content, chunk=chunk)
        assert result.verdict == Agreed(records=chunk.records)
        assert result.records + len(result.rejected) == chunk.records
        for block in result.blocks:
            lines = block.data.split(b"\n")
            assert (lines.pop(), len(lines)) == (b"", len(block.numbers))
            objects += [json.loads(line) for line in lines]
            numbers += block.numbers
        rejected += result.rejected
    return objects, numbers, rejected


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3), min_size=2, max_size=4, unique=True
    ),
    st.data(),
)
def test_a_csv_becomes_objects_with_the_names_of_its_header(names, data):
    """Every value is the string that was written, under its name, whatever characters both have."""
    names = [name for name in names if name != "_id"] or ["a"]
    rows = data.draw(st.lists(st.lists(values, min_size=len(names), max_size=len(names)), max_size=5))
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([names, *rows])

    objects, numbers, rejected = rendered(out.getvalue().encode(), dialect=Dialect())

    assert numbers == list(range(len(rows)))
    assert rejected == []
    assert objects == [{"_id": f"m:{number}"} | dict(zip(names, row, strict=True)) for number, row in enumerate(rows)]


def test_one_record_alone_is_rendered_as_in_a_chunk():
    """The id comes first, then the columns in order."""
    record = render(["1", 'a "word"'], names=["x", "y\n"], record_id=record_id("m", number=5))

    assert record == rb'{"_id":"m:5","x":"1","y\n":"a \"word\""}'


@given(st.lists(values.map(lambda text: text.replace("\n", "").removesuffix("\r"))))
def test_lines_become_objects_with_their_text(lines):
    """Every line is one record, a blank one, too."""
    data = "".join(line + "\n" for line in lines).encode()

    objects, _, rejected = rendered(data.removeprefix(b"\xef\xbb\xbf"), dialect=Dialect(format=Format.LINES))

    texts = [line.removeprefix("\ufeff") if not number else line for number, line in enumerate(lines)]
    assert objects == [{"_id": f"m:{number}", "line": text} for number, text in enumerate(texts)]
    assert rejected == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | values,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(values, inner, max_size=2),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(values | st.sampled_from(["_id", "_id_2"]), json_values, max_size=3)), st.booleans())
def test_a_json_object_keeps_everything_and_gets_an_id(objects, ascii_only):
    """Members stay as they are; one that is called `_id` moves aside and loses nothing."""
    data = "".join(json.dumps(member, ensure_ascii=ascii_only) + "\r\n" for member in objects).encode()

    found, _, rejected = rendered(data, dialect=Dialect(format=Format.JSONL))

    assert rejected == []
    for number, (before, after) in enumerate(zip(objects, found, strict=True)):
        assert after.pop("_id") == f"m:{number}"
        if "_id" in before:
            moved = "_id_3" if "_id_2" in before else "_id_2"
            before[moved] = before.pop("_id")
        assert after == before


def test_numbers_in_json_keep_every_digit():
    """The text of an object is not read and written again."""
    data = b' { "n" : 1.50, "big":123456789012345678901234567890 } \n{"_id":1.50}\n'

    head = Head(names=(), start=0, fingerprint="")
    dialect = Dialect(format=Format.JSONL)
    planner = Planner(dialect, at=Position(offset=0))
    planner.feed(data)
    (chunk, content) = planner.finish()[0]
    block = Renderer(message_id="m", dialect=dialect, head=head).render(content, chunk=chunk).blocks[0]

    assert block.data == (
        b'{"_id":"m:0","n" : 1.50, "big":123456789012345678901234567890 }\n{"_id":"m:1","_id_2":1.50}\n'
    )


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b"null",
        b"7",
        b'"x"',
        b"{",
        b"{}{}",
        b'{"a":1,}',
        b'{"a":NaN}',
        b"   ",
        b'{"a":"\xff"}',
        b'{"a":\tnul}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_line_that_is_no_object_is_rejected_and_the_others_are_not(line):
    """It is told with number, range and reason."""
    data = b'{"a":1}\n\n' + line + b'\n{"a":2}'

    objects, numbers, rejected = rendered(data, dialect=Dialect(format=Format.JSONL))

    assert objects == [{"_id": "m:0", "a": 1}, {"_id": "m:2", "a": 2}]
    assert numbers == [0, 2]
    assert [(bad.record, data[bad.start : bad.end]) for bad in rejected] == [(1, line + b"\n")]
    assert rejected[0].reason.startswith("expected")


def test_other_encodings_become_utf_8():
    """JSON is UTF-8, whatever the file was."""
    dialect = Dialect(encoding="cp1252")

    objects, _, rejected = rendered("preis,name\n5 €,Zoë\n".encode("cp1252"), dialect=dialect)

    assert objects == [{"_id": "m:0", "preis": "5 €", "name": "Zoë"}]
    assert rejected == []


def test_a_wide_header_is_no_obstacle():
    """Thousands of columns are rendered like five."""
    names = [f"c{place}" for place in range(3000)]
    data = (",".join(names) + "\n" + ",".join(map(str, range(3000))) + "\n").encode()

    objects, _, _ = rendered(data, dialect=Dialect())

    assert objects == [{"_id": "m:0"} | {name: str(place) for place, name in enumerate(names)}]
