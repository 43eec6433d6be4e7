"""Chunks of a CSV: what the compiled renderer gives is what Python gives, and for what is odd it gives nothing."""

import csv
import io
import random
import sys
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.splitting.awkward import nasty_files
from millstream.core.splitting import Agreed, Chunk, Dialect, Head, Policy
from millstream.ingest import native as ingest_native
from millstream.ingest.native import native_renderer
from native.pairing import native
from native.tables import DIALECTS, check, chunks_of, damage, dialects, regular_files, renderer_of, table, told

package = native()


@pytest.fixture(autouse=True, scope="module")
def _wanted():
    """Whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLSTREAM_SCANNER", "auto")
        yield


@settings(max_examples=500)
@given(nasty_files, dialects, st.integers(1, 60), st.sampled_from(Policy))
@example(b'a,b\n1,"x"y""z"\n"",\n', DIALECTS[0], 60, Policy.STRICT)
@example(b'a\n""\n\n"\r\n"\r\n', DIALECTS[0], 60, Policy.STRICT)
def test_awkward_files_are_rendered_alike(data, dialect, chunk_bytes, policy):
    """Records, numbers, rejects and verdicts of every chunk are those of Python, whatever the bytes are."""
    check(data, dialect=dialect, chunk_bytes=chunk_bytes, policy=policy)


@settings(max_examples=500)
@given(regular_files(), st.integers(1, 200))
def test_regular_files_are_rendered_alike(file, chunk_bytes):
    """So they are where records are as wide as the header, cut anywhere, with line ends of every kind."""
    data, dialect = file
    check(data, dialect=dialect, chunk_bytes=chunk_bytes)


@settings(max_examples=500)
@given(regular_files())
def test_what_is_regular_is_not_left_to_python(file):
    """Quotes, escapes, blank lines and line ends of every kind do not make a chunk odd."""
    data, dialect = file
    plan = chunks_of(data, dialect=dialect)
    if plan is None or dialect.max_record_bytes == 9 or b"\0" in data:
        return
    head, chunks = plan
    compiled = native_renderer(dialect, head=head, prefix="m:")
    python = renderer_of(dialect, head=head, with_native=False)
    assert compiled is not None
    for chunk, content in chunks:
        found = python.render(content, chunk=chunk)
        if not found.rejected and found.verdict == Agreed(records=chunk.records) and not chunk.unterminated:
            assert compiled.render(content, chunk=chunk) is not None


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), max_size=5, unique=True),
    st.integers(0, 2**62),
    st.integers(1, 30),
)
def test_names_and_numbers_are_written_alike(names, first_record, records):
    """Names are escaped as values are, and numbers are counted up with all their digits."""
    names = tuple(name for name in names if name != "_id") or ("a",)
    head = Head(names=names, start=0, fingerprint="")
    data = b'"",' * (len(names) - 1) + b'""\n'
    chunk = Chunk(seq=0, start=0, end=len(data) * records, first_record=first_record, records=records)
    answers = [
        told(renderer_of(Dialect(), head=head, with_native=with_native), data * records, chunk)
        for with_native in (True, False)
    ]

    assert answers[0] == answers[1]
    assert answers[0][3] == Agreed(records=records)


def test_every_character_is_escaped_alike():
    """Every byte below 128 but NUL, and characters of every length, at every place of a word."""
    letters = [*map(chr, range(1, 128)), "\x80", "é", "\u2028", "\ufeff", "\uffff", "😀", "\U0010ffff"]
    rows = [[("x" * place) + letter + "y" * 9, letter] for letter in letters for place in range(9)]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])

    assert check(out.getvalue().encode(), dialect=Dialect()) == 1


@pytest.mark.parametrize("chunk_bytes", [1000, 77_777, 1 << 22])
def test_a_table_is_rendered_alike(chunk_bytes):
    """The blocks are the same, too, and Python is not asked for any of its chunks."""
    data = table(12_345, seed=chunk_bytes)
    head, chunks = chunks_of(data, dialect=Dialect(), chunk_bytes=chunk_bytes)
    renderers = [renderer_of(Dialect(), head=head, with_native=with_native) for with_native in (True, False)]

    for chunk, content in chunks:
        compiled, python = (renderer.render(content, chunk=chunk) for renderer in renderers)
        assert compiled == python
    assert check(data, dialect=Dialect(), chunk_bytes=chunk_bytes) == len(chunks)


def test_a_chunk_of_many_megabytes_is_rendered_alike():
    """More JSON than is kept at a time, and room that is used again after it."""
    data = table(1000, seed=1)
    head, ((chunk, content),) = chunks_of(data, dialect=Dialect())
    long = Chunk(seq=0, start=0, end=len(content) * 90, first_record=7, records=90_000)
    renderers = [renderer_of(Dialect(), head=head, with_native=with_native) for with_native in (True, False)]

    for whole, many in ((long, content * 90), (chunk, content)):
        compiled, python = (renderer.render(many, chunk=whole) for renderer in renderers)
        assert compiled == python


def test_damaged_chunks_are_rendered_alike():
    """100,000 of them, seeded: either the compiled renderer gives nothing, or it gives what Python gives."""
    dice = random.Random(15)
    names = ("a", "b", "c")
    head = Head(names=names, start=0, fingerprint="")
    seeds = [
        b'1,two,"3"\nx,,\n',
        b'"a ""quoted"" value","two\r\nlines",\r\n1,2,3\r\n',
        "é,naïve 😀,Zoë\n\n1;2;3,',''\n".encode(),
        b"a long value of many bytes,another one,\x01\\\x7f\t\n" * 2,
    ]
    kinds = [Dialect(), Dialect(quote=None), Dialect(quote="'"), Dialect(max_record_bytes=20)]
    pairs = [
        (native_renderer(kind, head=head, prefix="m:"), renderer_of(kind, head=head, with_native=False))
        for kind in kinds
    ]
    answered = 0
    for _ in range(100_000):
        data = damage(dice.choice(seeds), dice)
        compiled, python = dice.choice(pairs)
        chunk = Chunk(seq=0, start=0, end=len(data), first_record=98, records=dice.choice((1, 2, 2, 2, 2, 2, 2, 3)))
        answer = compiled.render(data, chunk=chunk)
        if answer is None:
            continue
        answered += 1
        lines, numbers, rejected, verdict = told(python, data, chunk)
        assert (b"".join(block for block, _ in answer), rejected) == (lines, [])
        assert numbers == list(range(98, 98 + chunk.records))
        assert verdict == Agreed(records=chunk.records)
    assert 15_000 < answered < 80_000


@pytest.mark.parametrize(
    ("data", "change"),
    [
        (b"1,2\n", {"records": 2}),
        (b"1,2\n", {"records": 0}),
        (b"1,2\n", {"end": 5}),
        (b"1,2\n", {"unterminated": True}),
        (b"", {"too_long": True}),
        (b"1,2", {}),
        (b"1\n", {}),
        (b"1,2,3\n", {}),
        (b'1,"2\n', {}),
        (b"1,\x00\n", {}),
        (b"1,\xff\n", {}),
        (b"1,\xed\xa0\x80\n", {}),
        (b"1,1234567\n", {}),
    ],
)
def test_what_is_odd_is_left_to_python(data, change):
    """The compiled renderer says nothing of it."""
    planned = {"seq": 0, "start": 0, "end": len(data), "first_record": 0, "records": 1} | change
    head = Head(names=("a", "b"), start=0, fingerprint="")

    renderer = native_renderer(Dialect(max_record_bytes=9), head=head, prefix="m:")

    assert renderer is not None
    assert renderer.render(b"1,123456\n", chunk=Chunk(seq=0, start=0, end=9, first_record=0, records=1)) is not None
    assert renderer.render(data, chunk=Chunk(**planned)) is None


def test_threads_share_a_renderer():
    """They render at the same time, and each gets its own."""
    data = table(20_000, seed=3)
    head, ((chunk, content),) = chunks_of(data, dialect=Dialect(), chunk_bytes=1 << 30)
    renderer = renderer_of(Dialect(), head=head, with_native=True)
    wanted = renderer.render(content, chunk=chunk)
    found = []

    threads = [threading.Thread(target=lambda: found.append(renderer.render(content, chunk=chunk))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [wanted] * 4


def test_it_is_made_only_where_it_fits(monkeypatch):
    """Another format or encoding, another version, no package, or a person who does not want it: Python."""
    head = Head(names=("a",), start=0, fingerprint="")
    assert native_renderer(Dialect(), head=head, prefix="") is not None
    assert native_renderer(Dialect(encoding="latin-1"), head=head, prefix="") is None
    assert native_renderer(Dialect(format="jsonl"), head=head, prefix="") is None
    with monkeypatch.context() as patch:
        patch.setenv("MILLSTREAM_SCANNER", "python")
        assert native_renderer(Dialect(), head=head, prefix="") is None
    with monkeypatch.context() as patch:
        patch.setattr(package, "VERSION", "0.0.0")
        assert native_renderer(Dialect(), head=head, prefix="") is None
    with monkeypatch.context() as patch:
        patch.setattr(ingest_native, "find_spec", lambda _: None)
        assert native_renderer(Dialect(), head=head, prefix="") is None
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "millstream_native", None)
        patch.setattr(ingest_native, "find_spec", lambda _: object())
        assert native_renderer(Dialect(), head=head, prefix="") is None
