"""Awkward files on which independent readers of CSV agree with this one."""

import pytest

from core.splitting.awkward import planned
from millstream.core.splitting import Dialect, Head, read_chunk

FILES = {
    "quoted newlines": b'1,"a\nb",x\n2,"c\n\n""d""",y\n' * 40,
    "crlf": b'1,"a\r\nb",x\r\n2,,""\r\n' * 40,
    "no final newline": b'1,"a\nb",x\n' * 9 + b'2,"c,d",y',
    "delimiters in quotes": b'"1,""2""",",,,",","\n' * 40,
    "wide and utf-8": 'ä,"ö\nü",\'\n'.encode() * 40,
    "long field": b'1,"' + b"x\n" * 100_000 + b'",y\n2,b,z\n',
}


def by_chunks(data: bytes, *, chunk_bytes: int) -> list[list[str]]:
    head = Head(names=("a", "b", "c"), start=0, fingerprint="")
    rows: list[list[str]] = []
    for chunk, content in planned(data, dialect=Dialect(), chunk_bytes=chunk_bytes, sizes=(4096,)):
        for _, records in read_chunk(content, chunk=chunk, dialect=Dialect(), head=head).groups():
            rows += records
    return rows


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("chunk_bytes", [1, 17, 100_000])
def test_arrow_reads_the_same_values(name, chunk_bytes):
    """pyarrow, given the whole file, has the values that the chunks have."""
    arrow = pytest.importorskip("pyarrow")
    arrow_csv = pytest.importorskip("pyarrow.csv")
    names = ["a", "b", "c"]
    table = arrow_csv.read_csv(
        arrow.BufferReader(FILES[name]),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=1 << 20),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, arrow.string())),
    )

    assert by_chunks(FILES[name], chunk_bytes=chunk_bytes) == [list(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("name", FILES)
def test_duckdb_reads_the_same_values(name, tmp_path):
    """DuckDB, given the whole file, has the values that the chunks have."""
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "file.csv"
    path.write_bytes(FILES[name])
    rows = duckdb.execute(
        "select a, b, c from read_csv(?, header=false, all_varchar=true, delim=',', quote='\"', escape='\"', "
        "auto_detect=false, max_line_size=10000000, force_not_null=['a', 'b', 'c'], "
        "columns={'a': 'varchar', 'b': 'varchar', 'c': 'varchar'})",
        [str(path)],
    ).fetchall()

    assert by_chunks(FILES[name], chunk_bytes=64) == [list(row) for row in rows]
