"""Chunks of a file: what the compiled cutter answers is what the one in Python answers, and the plan is the same."""

import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.splitting.awkward import in_pieces, nasty_files, planned
from millstream.core.splitting import Cut, Cutter, Dialect, Format, Planner, Position, cutter_of
from millstream.ingest import native as ingest_native
from millstream.ingest.native import NativeCutter, native_cutter
from native.pairing import native
from native.tables import DIALECTS, damage, dialects, regular_files, table

native()

FORMATS = tuple(Format)
LINE_FILES = st.lists(
    st.sampled_from([b"{}", b"\n", b"\n", b"\r\n", b"\r", b'"', b"x" * 40, "é".encode(), b"\xff", b"\x00"]), max_size=40
).map(b"".join)


@pytest.fixture(autouse=True, scope="module")
def _wanted():
    """Whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLSTREAM_SCANNER", "auto")
        yield


class NoPython:
    """A cutter that may not be asked."""

    def fast(self, data: bytes, *, start: int, chunk_bytes: int, final: bool) -> Cut | None:
        """Say that nothing is known."""
        del data, start, chunk_bytes, final


def compiled_of(dialect: Dialect) -> NativeCutter:
    """The compiled cutter."""
    found = native_cutter(dialect)
    assert found is not None
    return found


def alone(dialect: Dialect) -> NativeCutter:
    """The compiled cutter, without anybody to ask."""
    return NativeCutter(compiled_of(dialect)._compiled, python=NoPython())  # type: ignore[arg-type]


def plan(data: bytes, *, dialect: Dialect, chunk_bytes: int, sizes: list[int], cutter: Cutter | None) -> list[object]:
    """All chunks of a file without a head, read in pieces."""
    planner = Planner(dialect, at=Position(offset=0), chunk_bytes=chunk_bytes, slack_bytes=1, cutter=cutter)
    chunks = [chunk for piece in in_pieces(data, sizes=sizes) for chunk in planner.feed(piece)]
    return [*chunks, *planner.finish()]


@settings(max_examples=1000)
@given(nasty_files, dialects, st.integers(1, 60), st.integers(0, 20), st.booleans())
@example(b'a,b\n1,"x"y""z"\n"",\n', DIALECTS[0], 60, 0, True)
@example(b'""\n\n"\r\n"\r\n', DIALECTS[0], 1, 0, False)
@example(b"\n\r\n\r\r\n", DIALECTS[0], 3, 1, True)
def test_an_answer_is_that_of_python(data: bytes, dialect: Dialect, chunk_bytes: int, start: int, final: bool) -> None:
    """From any byte on, with more to come or not; where it has no answer, Python may still have one."""
    for each in FORMATS:
        formed = replace(dialect, format=each)
        words = {"start": min(start, len(data)), "chunk_bytes": chunk_bytes, "final": final}
        if words["start"] == len(data):
            continue
        found = alone(formed).fast(data, **words)
        expected = cutter_of(formed).fast(data, **words)
        assert found in {None, expected}
        assert compiled_of(formed).fast(data, **words) == expected


@settings(max_examples=300)
@given(regular_files(), st.integers(1, 200))
def test_what_is_regular_is_not_left_to_python(file: tuple[bytes, Dialect], chunk_bytes: int) -> None:
    """Quotes, escapes, blank lines and line ends of every kind: it has an answer where Python has."""
    data, dialect = file
    at = 0
    while at < len(data):
        words = {"start": at, "chunk_bytes": chunk_bytes, "final": True}
        expected = cutter_of(dialect).fast(data, **words)
        assert alone(dialect).fast(data, **words) == expected
        if expected is None:
            break
        at += expected.size


@given(LINE_FILES, st.integers(1, 50), st.booleans())
def test_lines_are_never_left_to_python(data: bytes, chunk_bytes: int, final: bool) -> None:
    """In JSONL and plain text nothing is odd."""
    for each in (Format.JSONL, Format.LINES):
        dialect = Dialect(format=each)
        words = {"start": 0, "chunk_bytes": chunk_bytes, "final": final}
        if data:
            assert alone(dialect).fast(data, **words) == cutter_of(dialect).fast(data, **words)


@settings(max_examples=300)
@given(nasty_files, dialects, st.integers(1, 60), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_plans_are_the_same(data: bytes, dialect: Dialect, chunk_bytes: int, sizes: list[int]) -> None:
    """Whatever the pieces are in which the file comes."""
    for each in FORMATS:
        formed = replace(dialect, format=each)
        words = {"dialect": formed, "chunk_bytes": chunk_bytes, "sizes": sizes}
        assert plan(data, **words, cutter=compiled_of(formed)) == plan(data, **words, cutter=None)


def test_damaged_tables_are_cut_alike() -> None:
    """Bytes changed, put in or taken out of a file that is regular otherwise, cut anywhere."""
    dice = random.Random(11)
    whole = table(60, seed=3)
    answered = 0
    for _ in range(20_000):
        data = damage(whole[dice.randrange(1000) :], dice)
        words = {"start": dice.randrange(40), "chunk_bytes": dice.randrange(1, 3000), "final": dice.random() < 0.5}
        found, expected = alone(Dialect()).fast(data, **words), cutter_of(Dialect()).fast(data, **words)
        assert found in {None, expected}, (data, words)
        answered += found is not None
    assert answered > 4_000


def test_a_chunk_that_may_hold_a_record_too_long_is_left_alone() -> None:
    """As by Python."""
    dialect = Dialect(max_record_bytes=10)
    words = {"start": 0, "final": True}

    assert alone(dialect).fast(b"123456789\n123\n", **words, chunk_bytes=10) == Cut(10, 1)
    assert alone(dialect).fast(b"1234567890\n123\n", **words, chunk_bytes=10) is None


def test_a_table_is_planned_like_by_python() -> None:
    """A larger file, with the heads and slacks that are used."""
    data = table(20_000, seed=5)
    expected = planned(data, dialect=Dialect(), chunk_bytes=100_000)
    assert plan(data, dialect=Dialect(), chunk_bytes=100_000, sizes=[1 << 16], cutter=alone(Dialect())) == expected


def test_without_the_package_python_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, not installed, or of another version."""
    with monkeypatch.context() as patch:
        patch.setenv("MILLSTREAM_SCANNER", "python")
        assert native_cutter(Dialect()) is None
    with monkeypatch.context() as patch:
        patch.setattr(ingest_native, "find_spec", lambda _: None)
        assert native_cutter(Dialect()) is None
    with monkeypatch.context() as patch:
        patch.setattr(ingest_native, "VERSION", "0.0.0")
        assert native_cutter(Dialect()) is None


def test_an_unknown_format_is_refused() -> None:
    """By the package itself."""
    package = native()
    with pytest.raises(ValueError, match="format: expected csv, jsonl or lines, found xml"):
        package.Cutter("xml", delimiter=",", quote=None, max_record_bytes=1)
