"""The verb `status`: what there is and where it is, for scripts and for people."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from millstream.adapters.clock import Anchor
from millstream.adapters.lock import StateLock
from millstream.core.lifecycle import State
from millstream.core.model import CutReason, Retry
from millstream.core.operations import SetMeta, SetPaused
from millstream.errors import MillstreamError, UnknownBatchError

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture) -> dict[str, object]:
    """The one JSON document on standard output."""
    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert isinstance(document, dict)
    return document


# --- scripts ----------------------------------------------------------------------------------------------------------


def test_an_open_minibatch_is_listed_with_its_deadline(mill, run: Run, capsys: Capture) -> None:
    """The document lists the batch under the keys that scripts rely on, times in engine seconds."""
    mill.open("clicks-1", minute=4, records=3)

    code = run("status")

    (batch,) = printed(capsys)["batches"]
    contract = (
        "id",
        "kind",
        "state",
        "cut",
        "records",
        "bytes",
        "opened_at",
        "closes_at",
        "closed_at",
        "attempts",
        "error",
    )
    assert code == 0
    assert {key: batch[key] for key in contract} == {
        "id": "clicks-1",
        "kind": "minibatch",
        "state": "open",
        "cut": None,
        "records": 3,
        "bytes": 30,
        "opened_at": mill.at(4),
        "closes_at": mill.at(9),
        "closed_at": None,
        "attempts": 0,
        "error": None,
    }


def test_totals_are_per_pipeline_and_state(mill, run: Run, capsys: Capture) -> None:
    """Each pipeline has what it accepted and a number for every state, the empty ones included."""
    mill.open("clicks-1", minute=0)
    mill.close("clicks-1", minute=5)
    mill.open("clicks-2", minute=5, records=4)
    mill.plan("nightly-a", "/in/a")

    run("status")

    document = printed(capsys)
    clicks, nightly = document["pipelines"]
    assert document["accepted_records"] == 7
    assert clicks == {
        "name": "clicks",
        "kind": "minibatch",
        "accepted_records": 7,
        "accepted_bytes": 70,
        "states": dict.fromkeys(State, 0) | {"open": 1, "ready": 1},
    }
    assert nightly["states"] == dict.fromkeys(State, 0) | {"ready": 1}


def test_the_engine_is_shown_when_it_runs(mill, run: Run, capsys: Capture) -> None:
    """The process id is that of the holder of the lock, and nothing while nobody holds it."""
    mill.set_clock(5, speed=300.0)
    run("status")
    without = printed(capsys)["engine"]

    lock = StateLock(mill.folder)
    run("status")
    lock.release()

    engine = printed(capsys)["engine"]
    assert (without["running"], without["pid"]) == (False, None)
    assert engine["running"]
    assert isinstance(engine["pid"], int)
    assert engine["speed"] == 300.0
    assert engine["now"] >= mill.at(5)


def test_all_batches_are_listed_for_scripts_oldest_first(mill, run: Run, capsys: Capture) -> None:
    """Scripts get every batch, or the newest so many, in the order in which they were made."""
    for number in range(60):
        mill.plan(f"nightly-{number}", f"/in/{number}")

    run("status")
    everything = [batch["id"] for batch in printed(capsys)["batches"]]
    run("status", "--limit", "2")
    newest = [batch["id"] for batch in printed(capsys)["batches"]]

    assert everything == [f"nightly-{number}" for number in range(60)]
    assert newest == ["nightly-58", "nightly-59"]


def test_a_batch_is_shown_with_all_that_happened_to_it(mill, run: Run, capsys: Capture) -> None:
    """With a batch id the document is that batch, with its attempts, its events and its files."""
    mill.plan("nightly-a", "/in/a", "/in/b")
    mill.finish(mill.claim("nightly", minute=1), minute=2, outcome=Retry(error="no disk"), retry_at=3)
    mill.apply(SetPaused(batch_id="nightly-a", paused=True, at=mill.at(4)))

    run("status", "nightly-a")

    document = printed(capsys)
    assert (document["id"], document["state"], document["paused"]) == ("nightly-a", "waiting", True)
    assert document["next_attempt_at"] == mill.at(3)
    assert document["attempt_log"] == [
        {
            "attempt": 1,
            "outcome": "retry",
            "claimed_at": mill.at(1),
            "ended_at": mill.at(2),
            "seconds": 2.0,
            "owner": "engine/3",
            "error": "no disk",
        }
    ]
    assert document["events"] == [{"at": mill.at(4), "what": "paused", "detail": "paused by an operator"}]
    assert [file["path"] for file in document["files"]] == ["/in/a", "/in/b"]


def test_a_file_is_found_by_any_name_of_its_path(
    mill, run: Run, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative, absolute or through a link: it is the same file, with its version, checksum and bucket."""
    path = tmp_path / "in" / "a.csv"
    path.parent.mkdir()
    (tmp_path / "link").symlink_to(path.parent)
    monkeypatch.chdir(path.parent)
    mill.plan("nightly-a", str(path))
    mill.finish(mill.claim("nightly", minute=1), minute=2, checksums={str(path): "ab" * 32})

    documents = []
    for name in ("a.csv", str(path), str(tmp_path / "link" / "a.csv")):
        run("status", name)
        documents.append(printed(capsys))

    assert documents[0] == documents[1] == documents[2]
    assert documents[0]["path"] == str(path)
    assert documents[0]["versions"] == [
        {
            "pipeline": "nightly",
            "path": str(path),
            "version": "1000-1-0",
            "bytes": 1_000,
            "state": "done",
            "batch": "nightly-a",
            "sha256": "ab" * 32,
            "seen_at": mill.at(0),
        }
    ]


def test_any_key_survives_json(mill, run: Run, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Text outside of ASCII is put out as it is, in UTF-8."""
    mill.open("clicks-1", minute=4, key='"Zürich 🌾"')

    run("status")

    out = capsysbinary.readouterr().out
    assert "Zürich 🌾".encode() in out
    assert json.loads(out)["batches"][0]["key"] == '"Zürich 🌾"'


@pytest.mark.parametrize("name", ["clicks-2", "missing.csv", "\udcff.csv"])
def test_an_unknown_name_is_refused(mill, run: Run, name: str) -> None:
    """A name that is neither a batch nor a file, or not even text, is told with what lists the known ones."""
    with pytest.raises(
        UnknownBatchError, match=r"is no batch, ingestion or file of .* `millstream status` lists what there is"
    ):
        run("status", name)


def test_a_folder_without_a_state_is_refused(mill, run: Run) -> None:
    """A folder in which nothing was run is told so, and no ledger is made there."""
    (mill.folder / "ledger.db").unlink()

    with pytest.raises(MillstreamError, match=r"^state: no state at .*: nothing was run there yet"):
        run("status")
    assert not (mill.folder / "ledger.db").exists()


def test_a_limit_must_be_a_number(run: Run, capsys: Capture) -> None:
    """Wrong usage names the option and what it expects."""
    with pytest.raises(SystemExit):
        run("status", "--limit", "0")

    assert "argument --limit: expected a whole number of at least 1" in capsys.readouterr().err


# --- people -----------------------------------------------------------------------------------------------------------


def test_a_terminal_gets_tables(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """A person sees the engine, a line per pipeline and the batches that are not over, newest last."""
    mill.open("clicks-1", minute=-1)
    mill.close("clicks-1", minute=2, cut=CutReason.COUNT)
    mill.finish(mill.claim("clicks", minute=2), minute=3)
    mill.open("clicks-2", minute=4, key='"x\x1b[2J"')
    mill.plan("nightly-a", "/in/a", "/in/b")

    run_in_terminal("status")

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "no engine is running",
        "clicks: 6 records accepted, 60 B; 1 open (3 records), 1 done (3 records)",
        "nightly: 1 ready (2 files)",
        "",
        "batch state cut records size when attempts error",
        r'clicks-2 "x\x1b[2J" open 3 30 B closes 12:09:00 0',
        "nightly-a ready 2 2 kB planned 12:00:00 0",
        "1 more batch not listed; --all lists every one",
    ]


def test_a_terminal_gets_everything_with_all(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """With --all a person sees also what is over, and nothing is said to be missing."""
    mill.plan("nightly-a", "/in/a")
    mill.finish(mill.claim("nightly", minute=2), minute=3)

    run_in_terminal("status", "--all")

    out = capsys.readouterr().out
    assert "nightly-a  done" in out
    assert "ended 12:03:00" in out
    assert "not listed" not in out


def test_a_terminal_shows_the_pause_and_the_speed(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """That all work is held back, or that the clock is not the wall's, stands above everything."""
    mill.apply(SetMeta(key="clock", value=Anchor(engine_s=mill.at(0), wall_s=0.0, speed=1e-3).dumps()))
    mill.apply(SetPaused(batch_id=None, paused=True, at=mill.at(0)))

    run_in_terminal("status")

    assert capsys.readouterr().out.splitlines()[:2] == [
        "no engine is running; its clock runs 0.001 times as fast as the wall's",
        "all work is paused; `millstream resume` lets it go",
    ]


def test_a_terminal_shows_a_batch_in_detail(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """A batch is a table of itself, of its attempts, of its events and of its files."""
    mill.plan("nightly-a", "/in/a")
    mill.finish(mill.claim("nightly", minute=1), minute=2, outcome=Retry(error="no\ndisk"), bury=True)
    mill.apply(SetPaused(batch_id="nightly-a", paused=True, at=mill.at(4)))

    run_in_terminal("status", "nightly-a")

    out = capsys.readouterr().out
    assert "nightly-a  dead, paused" in out
    assert r"      1  retry    12:02:00    2s  engine/3  no\ndisk" in out
    assert "paused  12:04:00  paused by an operator" in out
    assert "dead   1 kB  12:00:00  nightly-a           /in/a" in out


def test_a_terminal_shows_the_versions_of_a_file(mill, run_in_terminal: Run, capsys: Capture) -> None:
    """A file is a table of its versions, with the beginning of each checksum."""
    mill.plan("nightly-a", "/in/a")
    mill.finish(mill.claim("nightly", minute=1), minute=2, checksums={"/in/a": "ab" * 32})

    run_in_terminal("status", "/in/a")

    assert "done   1 kB  12:00:00  nightly-a  abababababab  /in/a\n" in capsys.readouterr().out
