"""`millstream key`."""

import hashlib
import json
import sys
import tomllib

import pytest

from millstream.cli import main


def test_a_key_and_its_table(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The table is TOML with the SHA-256 of the key, and without the key."""
    assert main(["key", "alice", "--containers", "test,other", "--operator"]) == 0

    document = json.loads(capsysbinary.readouterr().out)
    (table,) = tomllib.loads(document["table"])["key"]
    assert table == {
        "name": "alice",
        "sha256": hashlib.sha256(document["key"].encode()).hexdigest(),
        "containers": ["test", "other"],
        "operator": True,
    }
    assert document["key"] not in document["table"]


def test_a_person_sees_both(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a terminal the key stands in the first line, the table at the end."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    main(["key", "alice"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mk_")
    assert tomllib.loads("\n".join(lines[lines.index("[[key]]") :]))["key"][0]["containers"] == ["*"]


@pytest.mark.parametrize("words", [["a b"], ['a"'], ["alice", "--containers", "Test"], ["alice", "--containers", ""]])
def test_wrong_names_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What could not stand in the table is a usage error of one line."""
    with pytest.raises(SystemExit, match="2"):
        main(["key", *words])

    assert len(capsys.readouterr().err.splitlines()) == 1
