"""The verb `demo`: what it shows of counting, and what it does where that cannot be had. See also test_end_to_end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from docs.terminal import run, without_colours

from millstream.cli import main
from millstream.cli.demo_users import COPIES, OUTPUT, check, count_users

WITHOUT_EXTRA = (
    "import sys; sys.modules['xxhash'] = None; from millstream.cli import main; sys.exit(main(sys.argv[1:]))"
)
NEEDS = "counting unique users needs an optional part: pip install 'millstream[count]'"


def test_a_terminal_gets_windows_and_what_was_lost(tmp_path: Path) -> None:
    """The newest minutes and hours, all counts of frames, and that they add up."""
    command = "millstream demo --pipeline users"
    shown = without_colours(run(f"{command} --quiet; {command}", folder=tmp_path))

    quiet, table = shown.split("window  start", 1)
    assert quiet.count("  ok   ") == table.count("  ok   ") == 2
    assert table.count(" exact ") == 7
    assert "96,000 frames, 2,000 users" in table
    assert "110 late; lost 0.1219%: 48 rejected, 38 quarantined, 31 dropped" in table
    assert "NOT" not in shown


def test_a_pipe_gets_json(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The summary of the count is beside the pipelines, of which there are none here."""
    assert main(["demo", "--pipeline", "users", "--dir", str(tmp_path / "demo")]) == 0

    document = json.loads(capsysbinary.readouterr().out)
    assert document["pipelines"] == []
    assert (document["users"]["frames"], document["users"]["rejected"]) == (96_000, 48)
    assert document["adds_up"]


def test_what_does_not_hold_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result or a copy that is missing makes the claims false."""
    monkeypatch.chdir(tmp_path)
    totals = count_users().report.totals
    held = []
    for damaged in (OUTPUT, COPIES):
        whole = damaged.read_bytes()
        damaged.write_bytes(whole.partition(b"\n")[2])
        held.append([holds for _, holds in check(totals)])
        damaged.write_bytes(whole)

    assert held == [[False, False], [False, False]]
    assert all(holds for _, holds in check(totals))


@pytest.mark.slow
def test_without_the_extra_the_other_jobs_are_shown(tmp_path: Path) -> None:
    """One line says what is missing; asked for by name, it is an error."""
    words = [sys.executable, "-c", WITHOUT_EXTRA, "demo"]
    rest = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    alone = subprocess.run(
        [*words, "--pipeline", "users"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    document = json.loads(rest.stdout)
    assert (rest.returncode, document["adds_up"], document["users"]) == (0, True, None)
    assert len(document["checks"]) == 2
    assert rest.stderr.splitlines()[-1] == f"left out: {NEEDS}"
    assert (alone.returncode, alone.stdout, alone.stderr) == (2, "", f"millstream: error: {NEEDS}\n")
