"""`millstream count --scanner`: what it says about the scanner that counts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("datasketches")

from millstream.cli import main

PACKAGE = "millstream_native"
FRAMES = b"".join(b'{"uid":"u%d","ts":%d}\n' % (number % 7, 1_468_244_384 + number) for number in range(90))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `frames.jsonl`, and no compiled scanner."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    (tmp_path / "frames.jsonl").write_bytes(FRAMES)
    return tmp_path


@pytest.mark.parametrize("source", ["frames.jsonl", "-", "kafka://127.0.0.1:1/frames"])
def test_the_native_one_is_refused_where_there_is_none(
    source: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to do, exit code 2, and no file is touched."""
    (here / "users.jsonl").write_text("before")
    is_live = source.startswith("kafka")
    if is_live:
        pytest.importorskip("confluent_kafka")

    assert main(["count", source, *([] if is_live else ["--output", "users.jsonl"]), "--scanner", "native"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "millstream: error: scanner: expected native to be installed, found none; "
        "build it with `make native`, or count with --scanner python\n"
    )
    assert (here / "users.jsonl").read_text() == "before"


def test_the_summary_says_which_scanner_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON and for people; without the compiled one nothing else is said."""
    assert main(["count", "frames.jsonl", "--output", "users.jsonl", "--summary", "s.json"]) == 0

    assert json.loads((here / "s.json").read_text())["scanner"] == "python"
    first, *others = capsys.readouterr().err.splitlines()
    assert first.endswith(" frames/s, python scanner")
    assert len(others) == 1


def test_the_environment_may_choose(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MILLSTREAM_SCANNER is the setting where the command line has none."""
    monkeypatch.setenv("MILLSTREAM_SCANNER", "native")

    assert main(["count", "frames.jsonl", "--output", "users.jsonl", "--quiet"]) == 2
    assert main(["count", "frames.jsonl", "--output", "users.jsonl", "--quiet", "--scanner", "python"]) == 0


@pytest.mark.parametrize("wanted", ["auto", "native"])
def test_one_that_does_not_fit_is_told_on_one_line(wanted: str, tmp_path: Path) -> None:
    """Counting goes on in Python, unless the native one was asked for."""
    (tmp_path / f"{PACKAGE}.py").write_text('VERSION = "0.0.9"\n')
    (tmp_path / "frames.jsonl").write_bytes(FRAMES)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from millstream.cli import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", code, "count", "frames.jsonl", "--scanner", wanted],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    first = done.stderr.splitlines()[0]
    assert "found version 0.0.9; build it again with `make native`" in first
    assert (done.returncode, bool(done.stdout)) == ((0, True) if wanted == "auto" else (2, False))
    assert first.endswith("; the scanner in Python counts") == (wanted == "auto")
