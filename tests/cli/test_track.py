"""`millstream track` and `millstream ingest --server`: what they show, and how they end."""

import json
import sys
from typing import Any

import pytest
from rich.console import Console

from cli.test_client import answering
from millstream.cli import main
from millstream.cli.client import Client
from millstream.cli.track import wait

JOB: dict[str, Any] = {
    "message_id": "a1",
    "status": "running",
    "file_name": "data.csv",
    "file_container": "test",
    "size_bytes": 2_000_000,
    "bytes_done": 500_000,
    "records_published": 12_345,
    "records_rejected": 2,
    "chunks": {"planned": 2, "running": 1, "done": 1, "failed": 0},
    "rate_records_per_s": 1234.5,
    "eta_s": 90.0,
    "error": None,
    "waits_for": None,
    "successor": None,
}


def answer(**change: object) -> tuple[int, dict[str, str], bytes]:
    """The job as a server tells it."""
    return (200, {}, json.dumps({**JOB, **change}).encode())


def test_a_pipe_gets_the_document(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """In a pipe it is the document of the server, and without --wait the exit code is 0."""
    with answering(answer(status="failed")) as (url, asked):
        code = main(["track", "a1", "--server", url])

    assert code == 0
    assert json.loads(capsysbinary.readouterr().out) == {**JOB, "status": "failed"}
    assert [each["path"] for each in asked] == ["/track?message_id=a1"]


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a terminal it is a table, in which nothing of a file's name can move a cursor."""
    for name, value in {"COLUMNS": "160", "LINES": "50", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with answering(answer(file_name="a\x1b[2Jb.csv", waits_for="sink: it is down")) as (url, _):
        main(["track", "a1", "--server", url])

    shown = capsys.readouterr().out
    for words in ("running", "500 kB of 2 MB (25%)", "12,345 published, 2 rejected", "2 planned, 1 running, 1 done"):
        assert words in shown
    assert "1,234 records/s, done in about 1m30s" in shown
    assert "waits for: sink: it is down" in shown
    assert "\x1b" not in shown
    assert "a\\x1b[2Jb.csv" in shown


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("partial", 1), ("failed", 1), ("cancelled", 1)])
def test_waiting_ends_as_the_job_does(capsysbinary: pytest.CaptureFixture[bytes], status: str, code: int) -> None:
    """With --wait it asks until the end; the exit code says how that was."""
    with answering(answer(), answer(status=status)) as (url, asked):
        assert main(["track", "a1", "--server", url, "--wait"]) == code

    assert json.loads(capsysbinary.readouterr().out)["status"] == status
    assert len(asked) == 2


def test_a_successor_is_followed() -> None:
    """A job whose file changed is followed to the one that took its place, without a pause."""
    with answering(answer(message_id="a1-v2", status="succeeded")) as (url, asked):
        client = Client(url, key=None)
        first = {**JOB, "status": "cancelled", "successor": "a1-v2"}
        last = wait(first, client=client, console=Console(), is_quiet=True, pause=lambda _: pytest.fail("it waits"))

    assert last["message_id"] == "a1-v2"
    assert asked[0]["path"] == "/track?message_id=a1-v2"


@pytest.mark.parametrize("message_id", ["a b", "../x", "a?b", "", "a" * 65])
def test_an_id_has_a_form(message_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be an id is told in one line, and nobody is asked."""
    assert main(["track", message_id, "--server", "http://127.0.0.1:1"]) == 2

    assert capsys.readouterr().err.startswith("millstream: error: ID: expected 1 to 64")


def test_a_file_is_asked_for(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """`ingest --server` sends name, container and what was said of the file, with an idempotency key."""
    accepted = (202, {}, b'{"message_id": "a1", "status": "accepted", "links": {}}')
    words = [
        "--format",
        "csv",
        "--chunk",
        "1MB",
        "--policy",
        "skip",
        "--delimiter",
        ";",
        "--no-header",
        "--quote",
        "off",
    ]
    with answering(accepted) as (url, asked):
        code = main(["ingest", "2024/data.csv", "--container", "test", "--server", url, *words])

    assert code == 0
    assert json.loads(capsysbinary.readouterr().out)["message_id"] == "a1"
    assert json.loads(asked[0]["body"]) == {
        "file_name": "2024/data.csv",
        "file_container": "test",
        "format": "csv",
        "chunk_bytes": 1_000_000,
        "policy": "skip",
        "delimiter": ";",
        "header": False,
        "quote": "",
    }
    assert len(asked[0]["headers"]["Idempotency-Key"]) > 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "x.jsonl", "--container", "c"], "--to: expected without --server"),
        (["--workers", "3", "--container", "c"], "--workers: expected without --server"),
        ([], "container: expected"),
        (["--container", "c", "--chunk", "1"], "chunk: expected"),
    ],
)
def test_what_is_no_request(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that a request has no place for are refused, before anything is asked."""
    assert main(["ingest", "data.csv", "--server", "http://127.0.0.1:1", *words]) == 2

    assert said in capsys.readouterr().err


def test_waiting_for_a_file_that_was_asked_for(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """`ingest --server --wait` follows the job to its end."""
    accepted = (202, {}, b'{"message_id": "a1", "status": "accepted", "links": {}}')
    with answering(accepted, answer(), answer(status="partial")) as (url, _):
        code = main(["ingest", "data.csv", "--container", "test", "--server", url, "--wait"])

    assert code == 1
    assert json.loads(capsysbinary.readouterr().out)["status"] == "partial"
