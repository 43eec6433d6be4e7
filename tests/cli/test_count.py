"""The verb `count`: what it writes where, what it refuses, and how it ends."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes import started

pytest.importorskip("datasketches")

from millstream import simulate
from millstream.cli import main
from millstream.cli.count_display import TerminalSink
from millstream.config import CountConfig, read_count_config
from millstream.counting.model import Result, Size, Status
from millstream.errors import ConfigurationError

FRAMES = 3_000


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `frames.jsonl`, some of which are late or flipped."""
    monkeypatch.chdir(tmp_path)
    lines = simulate.frames(count=FRAMES, rate_per_s=20.0, users=100, late=0.02, flip=0.01, seed=4)
    (tmp_path / "frames.jsonl").write_bytes(b"".join(lines))
    return tmp_path


def millstream(*words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command line as a process."""
    command = [sys.executable, "-m", "millstream", *words]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def test_results_are_json_lines_on_standard_output(here: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Nothing else is there; the summary for people is on standard error."""
    assert main(["count", "frames.jsonl"]) == 0

    out, err = capsysbinary.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert {record["by"] for record in records} == {"minute", "hour", "day", "week", "month", "year"}
    assert {record["status"] for record in records} == {"final"}
    assert f"{FRAMES:,} frames" in err.decode()


def test_the_summary_is_written_as_json(here: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """All counts are in it, and they add up with what was put out."""
    assert main(["count", "frames.jsonl", "--output", "users.jsonl", "--summary", "s.json", "--quiet"]) == 0

    summary = json.loads((here / "s.json").read_text())
    assert list(summary) == [
        "frames", "rejected", "quarantined", "late", "dropped", "error_rate", "users", "frames_per_s", "seconds",
        "windows", "scanner",
    ]  # fmt: skip
    records = [json.loads(line) for line in (here / "users.jsonl").read_text().splitlines()]
    assert summary["windows"] == len(records)
    assert summary["frames"] == FRAMES
    minutes = sum(record["frames"] for record in records if record["by"] == "minute")
    assert minutes + summary["rejected"] + summary["quarantined"] + summary["dropped"] == FRAMES
    assert summary["users"] == 100
    assert capsysbinary.readouterr() == (b"", b"")


def test_copies_stand_beside_the_output(here: Path) -> None:
    """A copy of each lost frame is beside the results, elsewhere if that is said, or nowhere."""
    main(["count", "frames.jsonl", "--output", "users.jsonl", "--quiet"])
    main(["count", "frames.jsonl", "--output", "b.jsonl", "--rejects", "mine.jsonl", "--quiet"])
    main(["count", "frames.jsonl", "--output", "c.jsonl", "--rejects", "off", "--quiet"])

    names = {path.name for path in here.iterdir()}
    assert {"users.rejects.jsonl", "mine.jsonl"} <= names
    assert not {"b.rejects.jsonl", "c.rejects.jsonl"} & names
    assert (here / "mine.jsonl").read_bytes() == (here / "users.rejects.jsonl").read_bytes() != b""


def test_a_clean_count_leaves_no_file_of_copies(here: Path) -> None:
    """The file of an earlier count is gone, and no empty one is made."""
    main(["count", "frames.jsonl", "--output", "users.jsonl", "--quiet"])
    (here / "clean.jsonl").write_text('{"uid":"a","ts":1500000000}\n')

    main(["count", "clean.jsonl", "--output", "users.jsonl", "--quiet"])

    assert not (here / "users.rejects.jsonl").exists()
    assert (here / "users.jsonl").read_bytes().count(b"\n") == 6


def test_sizes_keys_and_zone_are_options(here: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A day of Zurich begins two hours before that of UTC in summer; keys may be nested."""
    (here / "other.jsonl").write_text('{"who":{"id":7},"at":"1500000000"}\n')

    words = ["--by", "day,minute", "--uid", "who.id", "--ts", "at", "--zone", "Europe/Zurich", "--quiet"]
    assert main(["count", "other.jsonl", *words]) == 0

    records = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [(record["by"], record["start"]) for record in records] == [("minute", 1500000000), ("day", 1499983200)]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["none.jsonl"], "none.jsonl: cannot be read: No such file"),
        (["."], "found a folder"),
        (["frames.jsonl", "frames.jsonl"], "expected each file once"),
        (["frames.jsonl", "./frames.jsonl"], "the same file as frames.jsonl"),
        (["frames.jsonl", "-"], "standard input (-) alone"),
        (["-", "--state", "state"], "cannot be read again"),
        (["frames.jsonl", "--output", "frames.jsonl"], "expected a file that is not counted"),
        (["frames.jsonl", "--rejects", "frames.jsonl"], "expected a file that is not counted"),
        (["frames.jsonl", "--rejects", "users.jsonl"], "expected another file than the output"),
        (["frames.jsonl", "--output", "none/users.jsonl"], "none/users.jsonl: cannot be written"),
        (["frames.jsonl", "--by", "second"], "expected some of minute,hour"),
        (["frames.jsonl", "--lateness", "0.5s"], "whole seconds"),
        (["frames.jsonl", "--workers", "0"], "at least 1"),
        (["frames.jsonl", "--zone", "Mars"], "zone"),
        (["frames.jsonl", "--uid", "a..b"], "expected a key"),
        (["frames.jsonl", "--group", "x", "--role", "worker", "--from", "latest"], "kafka:// sources only"),
    ],
)
def test_what_is_wrong_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    """Every wrong use is refused with code 2 before an output is touched."""
    (here / "users.jsonl").write_text("what was there\n")
    output = [] if "--output" in words else ["--output", "users.jsonl"]

    assert main(["count", *words, *output]) == 2

    errors = capsys.readouterr().err
    assert problem in errors
    assert all(line.startswith("millstream: error: ") for line in errors.splitlines())
    assert (here / "users.jsonl").read_text() == "what was there\n"


def test_a_damaged_file_ends_with_code_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What could be read is put out; the damage is told in a line."""
    packed = gzip.compress((here / "frames.jsonl").read_bytes())
    (here / "frames.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])

    assert main(["count", "frames.jsonl.gz", "--output", "users.jsonl", "--quiet"]) == 1

    assert "frames.jsonl.gz: expected whole gzip data" in capsys.readouterr().err
    assert (here / "users.jsonl").read_bytes().count(b"\n") > 6


def test_too_many_losses_end_with_code_4(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The alarm says how many, and how to go on; with --allow-loss it goes on."""
    (here / "bad.jsonl").write_text("no frame\n" * 5_001)

    assert main(["count", "bad.jsonl", "--output", "users.jsonl"]) == 4
    assert "alarm: more than 5,000 of 100,000 frames are lost: 5,001 rejected" in capsys.readouterr().err
    assert main(["count", "bad.jsonl", "--output", "users.jsonl", "--allow-loss"]) == 0


def test_state_is_only_used_when_it_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --state a count starts afresh; with it, other settings or other files are refused."""
    words = ["count", "frames.jsonl", "--output", "users.jsonl", "--quiet"]
    monkeypatch.setenv("MILLSTREAM_STATE", "elsewhere")
    assert [main(words), main(words)] == [0, 0]
    assert not (here / "elsewhere").exists()
    assert not (here / ".millstream").exists()

    assert [main([*words, "--state", "state"]), main([*words, "--state", "state"])] == [0, 0]
    assert main([*words, "--state", "state", "--grace", "30s"]) == 2
    with (here / "frames.jsonl").open("a") as file:
        file.write('{"uid":"late","ts":1500000000}\n')
    assert main([*words, "--state", "state"]) == 2


@pytest.mark.parametrize("damage", [b"", b"what is this", b"\x81\xa7version\x63"])
def test_a_state_that_cannot_be_used_is_told(here: Path, capsys: pytest.CaptureFixture[str], damage: bytes) -> None:
    """A checkpoint that was damaged, or written by another version, is refused, and the output is left alone."""
    words = ["count", "frames.jsonl", "--output", "users.jsonl", "--quiet", "--state", "state"]
    main(words)
    before = (here / "users.jsonl").read_bytes()
    (here / "state" / "count").write_bytes(damage)

    assert main(words) == 2

    assert "state/count: expected " in capsys.readouterr().err
    assert (here / "users.jsonl").read_bytes() == before


def test_a_stop_for_losses_goes_on_when_they_are_allowed(here: Path) -> None:
    """With a state folder the same command with --allow-loss ends as if losses had always been allowed."""
    (here / "bad.jsonl").write_bytes((here / "frames.jsonl").read_bytes() + b"no frame\n" * 6_000)
    words = ["count", "bad.jsonl", "frames.jsonl", "--quiet"]

    assert main([*words, "--output", "a.jsonl", "--state", "state"]) == 4
    assert main([*words, "--output", "a.jsonl", "--state", "state", "--allow-loss"]) == 0
    assert main([*words, "--output", "b.jsonl", "--allow-loss"]) == 0

    assert (here / "a.jsonl").read_bytes() == (here / "b.jsonl").read_bytes()
    assert (here / "a.rejects.jsonl").read_bytes() == (here / "b.rejects.jsonl").read_bytes()


def test_a_terminal_gets_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Days are shown in the zone that they were asked for in, estimates with their bounds."""
    sink = TerminalSink(zone="Europe/Zurich")
    day = Result(
        by=Size.DAY, start=1_499_983_200, end=1_500_069_600, users=1_000, low=990, high=1_010, exact=False,
        status=Status.ONTIME, revision=1, frames=5_000, late=0, watermark=None,
    )  # fmt: skip

    sink.write(day.encode() + b"\n")

    assert capsys.readouterr().out == "day    2017-07-14 00:00 CEST  1,000 users (990 to 1,010), 5,000 frames, ontime\n"


def test_a_pipe_counts_as_the_file_does(here: Path) -> None:
    """`cat FILE | millstream count -` gives the bytes that `millstream count FILE` gives."""
    from_file = millstream("count", "frames.jsonl", "--quiet")
    from_pipe = millstream("count", "-", "--quiet", stdin=(here / "frames.jsonl").read_bytes())

    assert from_file.returncode == from_pipe.returncode == 0
    assert from_pipe.stdout == from_file.stdout != b""


def test_a_reader_that_has_enough_is_no_error(here: Path) -> None:
    """`millstream count FILE | head -1` ends in peace."""
    command = f"{sys.executable} -m millstream count frames.jsonl --quiet | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1


def test_an_interrupt_tells_what_was_open(here: Path) -> None:
    """Ctrl-C on a live input: what was final is put out, what was not is told, and the code is 130."""
    command = [sys.executable, "-m", "millstream", "count", "-", "--by", "minute", "--grace", "0s"]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin
        assert process.stdout
        lines = [b'{"uid":"a","ts":%d}\n' % (1_500_000_000 + second) for second in range(100)]
        process.stdin.write(b"".join(lines))
        process.stdin.flush()
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        rest, errors = process.communicate()

    assert process.returncode == 130
    assert json.loads(first)["start"] == 1_500_000_000
    assert rest == b""
    assert b"1 window still open and not put out: minute:1500000060" in errors


def test_settings_come_from_the_environment_too() -> None:
    """The command line goes over the environment."""
    environment = {"MILLSTREAM_GRACE": "30s", "MILLSTREAM_BY": "year,minute"}

    config = read_count_config({"sources": ("a",), "grace": "10s"}, environment=environment)

    assert (config.grace, config.by) == (10, ("minute", "year"))
    assert config == CountConfig(sources=("a",), grace=10, by=("minute", "year"))
    with pytest.raises(ConfigurationError, match="sources"):
        read_count_config({}, environment={})


def test_help_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting is an option of the command line."""
    with pytest.raises(SystemExit):
        main(["count", "--help"])

    shown = capsys.readouterr().out
    words = "by uid ts lateness grace emit idle exact zone output rejects allow-loss summary workers role group from"
    assert all(f"--{word}" in shown for word in [*words.split(), "state", "quiet"])


@pytest.mark.parametrize("module", ["datasketches", "msgspec", "numpy"])
def test_what_is_not_installed_is_told_before_anything_is_counted(module: str, here: Path) -> None:
    """In one line, sketches included, which only a large count would load; there is no output."""
    code = f"import sys; sys.modules[{module!r}] = None; from millstream.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "count", "frames.jsonl", "--scanner", "python", "--output", "users.jsonl"]

    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert (
        done.stderr == "millstream: error: millstream count needs an optional part: pip install 'millstream[count]'\n"
    )
    assert not (here / "users.jsonl").exists()


def test_a_count_does_not_end_with_who_reads_its_messages(here: Path) -> None:
    """Standard error may be gone: everything is counted, and the end is as it was."""
    reader, writer = os.pipe()
    os.close(reader)

    words = [sys.executable, "-m", "millstream", "count", "frames.jsonl", "--output", "users.jsonl"]
    done = subprocess.run(words, stderr=writer, timeout=60, check=False)
    os.close(writer)

    assert done.returncode == 0
    assert (here / "users.jsonl").stat().st_size > 0
