"""`millstream ingest PATH` as a process, on awkward files, against independent readers."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MILLSTREAM_")]:
        monkeypatch.delenv(name)
    return tmp_path


def ingest(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `millstream ingest WORDS` to its end."""
    command = [sys.executable, "-m", "millstream", "ingest", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def published(path: str = "out.jsonl") -> list[dict[str, object]]:
    """The records of an output without their ids, which must count from 0 with gaps at most."""
    records = [json.loads(line) for line in Path(path).read_bytes().split(b"\n")[:-1]]
    numbers = [int(str(record.pop("_id")).rpartition(":")[2]) for record in records]
    assert numbers == sorted(set(numbers))
    return records


def as_read_by_csv(data: bytes) -> list[dict[str, str]]:
    """What the csv module makes of it; a blank line is no record."""
    csv.field_size_limit(1 << 30)
    names, *rows = filter(None, csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    return [dict(zip(names, row, strict=True)) for row in rows]


AWKWARD = {
    "quoted newlines at every border": b"id,note\n" + b'1,"\n\n"\n' * 3000,
    "stray quotes": b"id,note\n" + b'1,5" pipe\n2,"a"b\n3,c"d\n' * 700,
    "cr cr lf": b"id,note\r\n" + b"1,x\r\r\n2,y\r\n" * 900,
    "lone cr": b"id,note\r" + b"1,x\r2,y\r" * 900,
    "no final newline": b"id,note\n" + b'1,"a\nb"\n' * 900 + b"2,end",
    "byte order mark": b"\xef\xbb\xbfid,note\n" + b"1,x\n" * 900,
    "escaped quotes": b"id,note\n" + b'1,"say ""hi"",\n""bye"""\n' * 900,
    "blank lines": b"\n\nid,note\n" + b"1,x\n\n\r\n2,y\n" * 900,
    "a long record": b"id,note\n1,a\n2," + b'"' + b"long\n" * 40_000 + b'"\n3,b\n',
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_files_in_the_smallest_chunks(name):
    """With chunks of 1 KB the records are those of the csv module."""
    Path("data.csv").write_bytes(AWKWARD[name])

    done = ingest("data.csv", "--to", "out.jsonl", "--chunk", "1KB")

    assert done.returncode == 0, done.stderr
    assert published() == as_read_by_csv(AWKWARD[name])
    assert json.loads(done.stdout)["chunks"]["done"] > 1


@pytest.mark.parametrize("name", ["quoted newlines at every border", "no final newline", "escaped quotes"])
def test_duckdb_reads_the_same(name):
    """DuckDB, given the file and the output, finds the same rows in both."""
    duckdb = pytest.importorskip("duckdb")
    Path("data.csv").write_bytes(AWKWARD[name])
    assert ingest("data.csv", "--to", "out.jsonl", "--chunk", "1KB").returncode == 0

    rows = duckdb.execute(
        "select id, note from read_csv('data.csv', header=true, all_varchar=true, delim=',', quote='\"', escape='\"', "
        "force_not_null=['id', 'note'], auto_detect=false, columns={'id': 'varchar', 'note': 'varchar'})"
    ).fetchall()
    lines = duckdb.execute(
        "select id, note from read_json('out.jsonl', format='newline_delimited', "
        "columns={'id': 'varchar', 'note': 'varchar'})"
    ).fetchall()

    assert lines == rows
    assert len(rows) >= 900


def test_a_record_of_50_mb():
    """A record of 50 MB is published, and so are its neighbours; over the limit, it alone is rejected."""
    long = b"x" * 49 + b"\n"
    data = b'id,note\n1,a\n2,"' + long * 1_000_000 + b'"\n3,b\n'
    Path("data.csv").write_bytes(data)

    whole = ingest("data.csv", "--to", "whole.jsonl")
    short = ingest("data.csv", "--to", "short.jsonl", "--max-record", "1MB", "--policy", "skip")

    assert (whole.returncode, short.returncode) == (0, 0), whole.stderr + short.stderr
    records = published("whole.jsonl")
    assert [record["id"] for record in records] == ["1", "2", "3"]
    assert records[1]["note"] == (long * 1_000_000).decode()
    assert [record["id"] for record in published("short.jsonl")] == ["1", "3"]
    assert json.loads(short.stdout)["records_rejected"] == 1


@pytest.mark.parametrize(("policy", "code", "ids"), [("strict", 1, "18"), ("skip", 0, "18"), ("pad", 0, "138")])
def test_ragged_rows_by_policy(policy, code, ids):
    """Strict ends with 1 and says which records; skip and pad with 0; none shifts a value."""
    Path("data.csv").write_bytes(b"id,a,b\n1,x,y\n3\n4,1,2,3\n8,x,y\n")

    done = ingest("data.csv", "--to", "out.jsonl", "--policy", policy)

    assert done.returncode == code, done.stderr
    assert "".join(str(record["id"]) for record in published()) == ids
    summary = json.loads(done.stdout)
    assert summary["rejects"][-1] == {"record": 2, "start": 15, "end": 23, "reason": "expected 3 fields, found 4"}
    assert "bytes 15 to 23" in done.stderr


def test_a_second_run_does_nothing():
    """A finished file is left alone, by the second run, too; its exit code is that of the first."""
    Path("data.csv").write_bytes(b"id\n1\n")
    first = ingest("data.csv", "--to", "out.jsonl")
    before = Path("out.jsonl").stat()

    second = ingest("data.csv", "--to", "out.jsonl")

    assert (first.returncode, second.returncode) == (0, 0)
    assert Path("out.jsonl").stat() == before
    assert "nothing to do" in second.stderr
    assert json.loads(second.stdout)["already_finished"]


def test_a_changed_file_is_another_ingestion():
    """A file that changed since, other settings, and an output that is gone are done anew."""
    Path("data.csv").write_bytes(b"id\n1\n")
    ids = []
    for change in (b"id\n1\n2\n", None, None):
        done = ingest("data.csv", "--to", "out.jsonl", *(() if change else ("--policy", "skip")))
        assert done.returncode == 0
        ids.append(json.loads(done.stdout)["message_id"])
        Path("out.jsonl").unlink()
        if change:
            Path("data.csv").write_bytes(change)

    assert len(set(ids)) == 3


@pytest.mark.parametrize("data", [b"", b"id,note\n"])
def test_an_empty_file_is_done_at_once(data):
    """No record makes an empty output, in place of what was there."""
    Path("data.csv").write_bytes(data)
    Path("out.jsonl").write_text("old\n")

    done = ingest("data.csv", "--to", "out.jsonl")

    assert done.returncode == 0, done.stderr
    assert Path("out.jsonl").read_bytes() == b""
    assert json.loads(done.stdout)["records_published"] == 0


def test_other_formats_encodings_and_delimiters():
    """Compressed, transcoded, with other delimiters, without quotes or header, as JSONL and as lines."""
    rows = [{"id": str(number), "note": f"ü {number}"} for number in range(50)]
    text = "id;note\n" + "".join(f"{row['id']};{row['note']}\n" for row in rows)
    cases = {
        "data.csv.gz": (gzip.compress(text.encode()), ["--delimiter", ";"]),
        "latin.csv": (text.encode("latin-1"), ["--delimiter", ";", "--encoding", "latin-1"]),
        "wide.csv": (text.encode("utf-16"), ["--delimiter", ";"]),
        "plain.tsv": (text.replace(";", "\t").encode(), ["--quote", "off"]),
        "named": (text.encode(), ["--delimiter", ";", "--format", "csv"]),
        "data.ndjson": ("".join(json.dumps(row) + "\n" for row in rows).encode(), []),
    }
    for name, (data, words) in cases.items():
        Path(name).write_bytes(data)
        done = ingest(name, "--to", f"{name}.out", *words)

        assert done.returncode == 0, done.stderr
        assert published(f"{name}.out") == rows, name
    assert list(Path(".millstream/copies").iterdir()) == []
    Path("headless.csv").write_bytes(b"1,2\n3,4\n")
    ingest("headless.csv", "--to", "headless.out", "--no-header")
    assert published("headless.out") == [{"column_1": "1", "column_2": "2"}, {"column_1": "3", "column_2": "4"}]
    Path("a.log").write_bytes(b"one\ntwo")
    ingest("a.log", "--to", "log.out")
    assert published("log.out") == [{"line": "one"}, {"line": "two"}]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"\x1f\x8b\x08 no gzip", "gzip"), (b"PK\x03\x04", "ZIP"), (b'"never closed\n1,2\n', "never closed")],
)
def test_a_file_that_cannot_be_read_ends_with_1(data, reason):
    """What is wrong with the file is said in a line, without a traceback; nothing is put out."""
    Path("data.csv").write_bytes(data)

    done = ingest("data.csv", "--to", "out.jsonl")

    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("out.jsonl").exists()
    assert json.loads(done.stdout)["status"] == "failed"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("nope.csv --to out.jsonl", ["path: expected a file that can be read, found 'nope.csv: No such file or dire"]),
        (". --to out.jsonl", ["path: expected a file that can be read, found '.: a folder'"]),
        ("data.csv", ["to: expected where records go"]),
        ("data.csv --to nodir/out.jsonl", ["to: expected a file that can be written"]),
        ("data.csv --to .", ["to: expected a file that can be written"]),
        ("data.csv --to data.csv", ["to: expected another file than the one that is read"]),
        ("data.csv --to out.jsonl --chunk 10B", ["chunk: expected a size from 1KB to 64MB, found '10B'"]),
        ("data.csv --to out.jsonl --chunk 1GB", ["chunk: expected a size from 1KB to 64MB, found '1GB'"]),
        ("data.csv --to out.jsonl --policy loose", ["policy: expected one of strict, skip, pad, found 'loose'"]),
        ("data.csv --to out.jsonl --delimiter ab", ["delimiter: expected one ASCII character"]),
        ("data.csv --to out.jsonl --delimiter ; --quote ;", ["quote: expected another character than the delim"]),
        ("data.csv --to out.jsonl --encoding utf-99", ["encoding: expected utf-8 or an encoding of one byte"]),
        ("data.csv --to http://host/x", ["to: expected a path, amqp://HOST/QUEUE or kafka://HOST:PORT/TOPIC"]),
        ("data.csv --to kafka://host", ["to: expected a topic at the end"]),
        ("data.csv --to amqp://u:secret@host", ["to: expected a queue at the end"]),
        ("data.csv --to out.jsonl --one-per-message", ["one_per_message: expected a queue"]),
        ("data --to out.jsonl", ["format: expected csv, jsonl or lines, found none; 'data' does not tell"]),
        ("nope.csv --to data.csv/x --chunk 1", ["chunk: expected"]),
        ("nope.csv --to data.csv/x", ["path: expected a file", "to: expected a file"]),
    ],
)
def test_wrong_input_gets_a_line(words, lines, capsys, site):
    """Exit code 2, a line for each problem, nothing started and no password shown."""
    for name in ("data.csv", "data"):
        (site / name).write_bytes(b"id\n1\n")
    before = sorted(site.rglob("*"))

    code = main(["ingest", *words.split()])
    output = capsys.readouterr()

    assert code == 2
    assert output.out == ""
    found = output.err.splitlines()
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        assert line.startswith(f"millstream: error: {expected}")
    assert "secret" not in output.err
    assert sorted(site.rglob("*")) == before


def test_what_cannot_be_read_or_written_is_said(capsys, site):
    """A file without permission; skipped for who may read everything."""
    if os.geteuid() == 0:
        (site / "loop").symlink_to("loop")
        assert main(["ingest", "loop", "--to", "out.jsonl"]) == 2
        assert "path: expected a file that can be read" in capsys.readouterr().err
        return
    (site / "data.csv").write_bytes(b"id\n1\n")
    (site / "data.csv").chmod(0)

    assert main(["ingest", "data.csv", "--to", "out.jsonl"]) == 2
    assert "Permission denied" in capsys.readouterr().err


def test_a_kill_between_the_last_chunk_and_its_file_is_made_good():
    """When the ledger knows the end and the file has not its name yet, the next run only gives it that."""
    Path("data.csv").write_bytes(b"id\n1\n2\n")
    done = ingest("data.csv", "--to", "out.jsonl")
    message_id = json.loads(done.stdout)["message_id"]
    hidden = Path(".out.jsonl.millstream")
    (hidden / ".parts" / message_id).mkdir(parents=True)
    Path("out.jsonl").rename(hidden / f"{message_id}.jsonl.part")
    Path("out.jsonl").write_text("of an earlier ingestion\n")
    Path(".millstream/joined").unlink()  # how far the joiner had listened is noted after the file is in place

    again = ingest("data.csv", "--to", "out.jsonl")

    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["message_id"] == message_id
    assert published() == [{"id": "1"}, {"id": "2"}]
    assert not hidden.exists()


def test_what_a_kill_left_after_the_end_is_cleared_away():
    """An empty hidden folder beside a finished file goes with the next run."""
    Path("data.csv").write_bytes(b"id\n1\n")
    assert ingest("data.csv", "--to", "out.jsonl").returncode == 0
    Path(".out.jsonl.millstream/.parts").mkdir(parents=True)
    Path(".out.jsonl.millstream/.parts/lock").touch()

    assert ingest("data.csv", "--to", "out.jsonl").returncode == 0
    assert not Path(".out.jsonl.millstream").exists()
