"""What `millstream ingest PATH` does about an OUT that is, or becomes, somebody else's; and about names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.cli import main
from millstream.errors import InvalidValueError
from millstream.wiring.onefile import FILE, OutputLock

pytestmark = pytest.mark.slow

HIDDEN = Path(".out.jsonl.millstream")


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `a.csv`, `b.csv` and one with a header alone."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MILLSTREAM_")]:
        monkeypatch.delenv(name)
    Path("a.csv").write_bytes(b"id\n" + b"".join(b"%d\n" % number for number in range(20_000)))
    Path("b.csv").write_bytes(b"id\nb\n")
    Path("header.csv").write_bytes(b"id\n")
    return tmp_path


def begin(*words: str) -> subprocess.Popen[str]:
    """Start `millstream ingest WORDS`."""
    command = [sys.executable, "-m", "millstream", "ingest", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ingest(*words: str, code: int = 0) -> dict[str, object]:
    """Run it to its end; what it says about it."""
    with begin(*words) as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == code, err
    return json.loads(out) if out else {"error": err}


def ids() -> list[str]:
    """The values of the column `id` of the output."""
    return [json.loads(line)["id"] for line in Path("out.jsonl").read_text().splitlines()]


def test_an_output_that_another_file_took_is_made_again():
    """Two inputs to one OUT: the last one wins, and the first one is not said to be there when it is not."""
    ingest("b.csv", "--to", "out.jsonl")
    ingest("header.csv", "--to", "out.jsonl")
    assert ids() == []

    again = ingest("b.csv", "--to", "out.jsonl")

    assert again["already_finished"] is False
    assert ids() == ["b"]
    assert ingest("b.csv", "--to", "out.jsonl")["already_finished"] is True


def test_an_output_that_was_cut_short_is_made_again():
    """A finished file that lost its end is not finished any more."""
    ingest("b.csv", "--to", "out.jsonl")
    os.truncate("out.jsonl", 5)

    assert ingest("b.csv", "--to", "out.jsonl")["already_finished"] is False
    assert ids() == ["b"]


def test_two_processes_cannot_make_one_file():
    """With state folders of their own, too: the second is refused, names the first, and harms nothing."""
    lock = OutputLock(f"{FILE}{Path('out.jsonl').absolute()}")
    lock.acquire()

    refused = ingest("b.csv", "--to", "out.jsonl", "--state", "other", code=2)
    lock.release()
    after = ingest("b.csv", "--to", "out.jsonl", "--state", "other")

    assert f"process {os.getpid()} writes it" in str(refused["error"])
    assert after["status"] == "succeeded"
    assert not HIDDEN.exists()


def test_a_lock_of_a_removed_folder_is_worth_nothing():
    """Who removed the folder with the lock in it does not keep others from making a new one; nobody holds both."""
    shown = f"{FILE}{Path('out.jsonl').absolute()}"
    first, second, third = OutputLock(shown), OutputLock(shown), OutputLock(shown)
    first.acquire()
    first.release(clear=True)
    second.acquire()
    with pytest.raises(InvalidValueError, match="nobody else"):
        third.acquire()
    second.release()
    third.acquire()
    third.release(clear=True)

    assert not HIDDEN.exists()


def test_what_was_published_and_then_removed_is_published_again():
    """A run that was killed in the middle does not wait for parts that somebody else's run cleared away."""
    with begin("a.csv", "--to", "out.jsonl", "--chunk", "1KB", "--state", "killed") as process:
        while not any(HIDDEN.glob("path-*.jsonl.part")):
            assert process.poll() is None, "it was faster than this test"
        process.kill()
    ingest("b.csv", "--to", "out.jsonl", "--state", "other")
    assert not HIDDEN.exists()

    again = ingest("a.csv", "--to", "out.jsonl", "--chunk", "1KB", "--state", "killed")

    assert again["status"] == "succeeded"
    assert ids() == [str(number) for number in range(20_000)]


def test_the_head_counts_as_done():
    """At the end as many bytes are done as the file has."""
    for name in ("b.csv", "header.csv"):
        report = ingest(name, "--to", "out.jsonl")

        assert report["bytes_done"] == report["size_bytes"] == Path(name).stat().st_size


@pytest.mark.parametrize(
    ("path", "to", "expected"),
    [
        (os.fsdecode(b"bad\xff.csv"), "out.jsonl", "path: expected a file that can be read"),
        ("new\nline.csv", "out.jsonl", "path: expected a file that can be read"),
        ("", "out.jsonl", "path: expected a file that can be read"),
        ("b.csv", os.fsdecode(b"bad\xff.jsonl"), "to: expected a path in UTF-8"),
        ("b.csv", "-", "to: expected a path (./- for a file of that name)"),
        ("b.csv", "b.csv", "to: expected another file than the one that is read"),
        ("b.csv", ".millstream/ledger.db", "to: expected a file that is none of the state folder's own"),
        ("b.csv", ".millstream/copies/x", "to: expected a file that is none of the state folder's own"),
    ],
)
def test_names_that_cannot_be(path, to, expected, capsys, site):
    """One clear line, before anything is touched."""
    Path(".millstream/copies").mkdir(parents=True)
    if path:
        Path(path).write_bytes(b"id\n1\n")
    before = sorted(site.rglob("*"))

    assert main(["ingest", path, "--to", to]) == 2

    error = capsys.readouterr().err
    assert error.startswith(f"millstream: error: {expected}")
    assert len(error.splitlines()) == 1
    assert sorted(site.rglob("*")) == before


def test_an_output_may_lie_beside_the_ledger():
    """A state folder that is a folder of the user's is no reason to refuse."""
    assert ingest("b.csv", "--to", "out.jsonl", "--state", ".")["status"] == "succeeded"
    assert ids() == ["b"]
