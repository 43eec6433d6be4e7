"""How to test a handler: by itself, called again after a crash, and in a whole engine.

Run it with `python -m pytest test_my_handler.py`.
"""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import warehouse
from millstream.testing import minibatch

MESSAGES = [json.dumps({"id": number, "user": "ada", "amount": 2.5}).encode() for number in range(3)]


def rows() -> list[tuple[str, int]]:
    """What is in the table."""
    return sqlite3.connect(warehouse.DATABASE).execute("SELECT batch, id FROM message ORDER BY batch, id").fetchall()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_message_is_loaded() -> None:
    """A batch leaves a row for each message, under its id."""
    warehouse.load(*minibatch(MESSAGES))

    assert rows() == [("test-00000001", 0), ("test-00000001", 1), ("test-00000001", 2)]


def test_a_second_call_changes_nothing() -> None:
    """After a crash the handler is called again, with the same id: no row is there twice."""
    warehouse.load(*minibatch(MESSAGES))
    warehouse.load(*minibatch(MESSAGES, attempt=2))

    assert len(rows()) == len(MESSAGES)


def test_a_whole_engine_loads_a_file() -> None:
    """Every line of a file ends up in the table, in one batch for each two of them."""
    Path("messages.jsonl").write_bytes(b"\n".join(MESSAGES))
    words = ["stream", "messages.jsonl", "--max-count", "2", "--handler", "warehouse:load", "--quiet"]
    folder = str(Path(warehouse.__file__).parent)
    subprocess.run([sys.executable, "-m", "millstream", *words], env={"PYTHONPATH": folder}, check=True)

    assert rows() == [("stream-00000001", 0), ("stream-00000001", 1), ("stream-00000002", 2)]
