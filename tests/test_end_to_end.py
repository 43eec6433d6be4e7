"""Whole engines on real input: what a user runs, and what must come of it."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from crash.killing import Site, accepted, wait_until
from runtime.hosts import lives

pytestmark = pytest.mark.slow

HANDLERS = '''
import asyncio, ctypes, os, signal, time
from pathlib import Path

from millstream import Discard, Done, Retry


def note(batch, context, *words):
    with open("log", "a") as log:
        log.write(" ".join([batch.id, str(context.attempt), *map(str, words)]) + "\\n")


def keep(batch, context):
    """Leave the records, or the contents of the files, under the id."""
    note(batch, context, os.getpid())
    content = b"".join(Path(file.path).read_bytes() for file in batch.files) or b"\\n".join([*batch, b""])
    Path("out", batch.id).write_bytes(content)


async def keep_later(batch, context):
    await asyncio.sleep(0.001)
    keep(batch, context)


def keep_key(batch, context):
    Path("out", batch.id).write_text(batch.key or "-")


def change(batch, context):
    """The first time, somebody writes to the file meanwhile."""
    note(batch, context)
    if not Path("changed").exists():
        Path("changed").touch()
        with open("incoming/a", "a") as file:
            file.write("more")


def remove(batch, context):
    note(batch, context)
    Path("incoming/a").unlink(missing_ok=True)


def fail_once(batch, context):
    note(batch, context)
    if context.attempt == 1:
        raise ValueError("a bad day")


def crash_among_others():
    """When two others have begun, say which host is about to crash."""
    while len({line.split()[0] for line in Path("log").read_text().splitlines()}) < 3:
        time.sleep(0.005)
    Path(f"crashed-{os.getpid()}").touch()


def say(batch, context):
    """The record says what to do."""
    note(batch, context)
    match next(iter(batch)):
        case b"loop":
            while True:
                pass
        case b"exit":
            crash_among_others()
            os._exit(9)
        case b"segv":
            crash_among_others()
            ctypes.string_at(0)
        case b"slow":  # until another host than this one has crashed
            while not {path.name for path in Path().glob("crashed-*")} - {f"crashed-{os.getpid()}"}:
                time.sleep(0.005)
        case b"discard":
            return Discard("not ours")
        case b"later":
            return Retry(after_s=0.1, error="busy") if context.attempt == 1 else Done()


def hold(batch, context):
    """Write down when it begins and ends."""
    note(batch, context, "+", batch.size_bytes)
    time.sleep(0.05)
    note(batch, context, "-", batch.size_bytes)
'''
KEEP = ("--handler", "e2e_handlers:keep")


class Place(Site):
    """A site with handlers of these tests, some input, and short words for what came of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "e2e_handlers.py").write_text(HANDLERS)
        self.code = -1

    def lines(self, *records: bytes, name: str = "input.jsonl") -> str:
        """Append records to a file."""
        with (self.folder / name).open("ab") as file:
            file.writelines(record + b"\n" for record in records)
        return name

    def file(self, name: str, content: str) -> Path:
        """Write a file below `incoming`."""
        path = self.folder / "incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def summary(self, *words: str) -> dict:
        """Run to its end and return the summary; `code` is then the exit code."""
        with self.start(*words) as process:
            output, _ = process.communicate(timeout=60)
        self.code = process.returncode
        return json.loads(output.splitlines()[-1])

    def python(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run Python here, to its end."""
        return subprocess.run(
            [sys.executable, *words], cwd=self.folder, capture_output=True, text=True, timeout=100, check=False
        )

    def log(self) -> list[str]:
        """What the handlers noted."""
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    def outputs(self) -> list[bytes]:
        """What the handlers left, in the order of the batches' names."""
        return [path.read_bytes() for path in sorted((self.folder / "out").iterdir())]

    def said(self) -> str:
        """Standard error so far."""
        return (self.folder / "stderr").read_text()

    def states(self) -> Counter[str]:
        """How many batches are in each state; none while the ledger is being created."""
        try:
            return Counter(dict(self.query("SELECT state, COUNT(*) FROM batch GROUP BY state")))
        except sqlite3.OperationalError:
            return Counter()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder to work in."""
    return Place(tmp_path / "place")


# --- files ------------------------------------------------------------------------------------------------------------


def files_words(*more: str) -> tuple[str, ...]:
    """Work `incoming` in as few buckets as possible, and without waiting for anything."""
    return ("files", "incoming", "--settle", "0s", "--backoff", "0s", "--strategy", "ffd", *more)


def test_a_file_that_changes_while_it_is_worked_is_worked_again(place: Place):
    """The attempt fails, the file leaves its bucket, and its new version is worked in one of its own."""
    place.file("a", "first")
    place.file("b", "other")
    summary = place.summary(*files_words("--handler", "e2e_handlers:change"))
    files = place.query("SELECT path, size_bytes, state, sha256 IS NOT NULL FROM file ORDER BY path, seen_at")

    assert place.code == 0
    assert (summary["files_changed"], summary["files_processed"], summary["retries"]) == (1, 2, 1)
    assert [(Path(path).name, size, state, sealed) for path, size, state, sealed in files] == [
        ("a", 5, "superseded", 0),
        ("a", 9, "done", 1),
        ("b", 5, "done", 1),
    ]
    assert "changed while it was worked" in place.said()


def test_a_file_that_disappears_while_it_is_worked_is_a_dead_letter(place: Place):
    """The rest of its bucket is worked; what is gone is reported, dead, and makes the exit code 1."""
    gone = place.file("a", "first")
    place.file("b", "other")
    summary = place.summary(*files_words("--handler", "e2e_handlers:remove"))
    ((error,),) = place.query("SELECT error FROM batch WHERE state = 'dead'")

    assert place.code == 1
    assert (summary["files_gone"], summary["files_processed"], summary["buckets_failed"]) == (1, 1, 1)
    assert error == f"{gone.resolve()} disappeared before it was worked"
    assert place.query("SELECT path, state FROM file ORDER BY path")[0] == (str(gone.resolve()), "dead")


def test_a_file_that_is_named_twice_is_worked_once(place: Place):
    """However many PATHs lead to it."""
    place.file("sub/a", "x")
    (place.folder / "link").symlink_to("incoming/sub")
    verb, *words = files_words(*KEEP)
    summary = place.summary(verb, "incoming/sub/a", "incoming/*", "./incoming/../incoming", "link", *words)

    assert place.code == 0
    assert summary["files_processed"] == 1
    assert place.outputs() == [b"x"]


def test_only_new_versions_are_worked(place: Place):
    """A second run does nothing, a changed file is worked again, and nothing else is."""
    changed = place.file("a", "x")
    place.file("b", "y")
    runs = [place.summary(*files_words(*KEEP)), place.summary(*files_words(*KEEP))]
    changed.write_text("xx")
    runs.append(place.summary(*files_words(*KEEP)))

    assert [summary["files_processed"] for summary in runs] == [2, 0, 1]
    assert place.code == 0
    assert place.states() == {"done": 2}
    assert len(place.log()) == 2


def test_new_files_are_picked_up_every_so_often(place: Place):
    """A scheduled pipeline runs until it is stopped, and then nothing is left to do."""
    place.file("a", "1")
    with place.start(*files_words("--every", "100ms", *KEEP)) as process:
        wait_until(lambda: place.states() == {"done": 1}, what="the first file")
        place.file("b", "2")
        wait_until(lambda: place.states() == {"done": 2}, what="the second file")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert process.returncode == 0
    assert sorted(place.outputs()) == [b"1", b"2"]


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_followed_file_is_read_through_rotation_and_restart(place: Place):
    """Every line is in exactly one batch, those that were written while no engine ran included."""
    words = ("stream", "input.jsonl", "--follow", "--max-count", "5", "--drain", "close", *KEEP)
    records = [b"record %d" % number for number in range(60)]
    place.lines(*records[:10])
    with place.start(*words) as process:
        wait_until(lambda: accepted(place) == 10, what="the first lines")
        place.lines(*records[10:20])
        (place.folder / "input.jsonl").rename(place.folder / "input.jsonl.1")
        place.lines(*records[20:25], name="input.jsonl.1")
        place.lines(*records[25:40])
        wait_until(lambda: accepted(place) == 40, what="the lines after the rotation")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    first = process.returncode
    place.lines(*records[40:50])
    (place.folder / "input.jsonl").rename(place.folder / "input.jsonl.2")
    place.lines(*records[50:])
    with place.start(*words) as process:
        wait_until(lambda: accepted(place) == 60, what="the lines written meanwhile")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert (first, process.returncode) == (0, 0)
    assert place.records_worked() == records
    place.check_ledger()


def test_a_file_that_was_read_to_its_end_is_done(place: Place):
    """The same command again does nothing and exits 0; what was appended is read by the next one."""
    words = ("stream", place.lines(b"1", b"2"), *KEEP)
    summaries = [place.summary(*words), place.summary(*words)]
    place.lines(b"3")
    summaries.append(place.summary(*words))

    assert place.code == 0
    assert [summary["records_accepted"] for summary in summaries] == [2, 0, 1]
    assert place.records_worked() == [b"1", b"2", b"3"]


def test_at_high_speed_deadlines_and_backoff_are_fast_too(place: Place):
    """Half an hour of messages, windows of five minutes and retries after minutes pass in a second."""
    words = ("stream", "sim:messages", "--speed", "3000", "--backoff", "10m", "--handler", "e2e_handlers:fail_once")
    began = time.monotonic()
    summary = place.summary(*words)
    seconds = time.monotonic() - began

    assert place.code == 0
    assert seconds < 15
    assert summary["messages_processed"] == summary["records_accepted"] > 200
    assert summary["retries"] == summary["batches_ok"] >= 6
    assert summary["closed_by"]["time"] >= 5
    for opened_at, closed_at in place.query("SELECT opened_at, closed_at FROM batch WHERE cut = 'time'"):
        assert closed_at == pytest.approx(opened_at + 300)


def test_each_key_has_minibatches_of_its_own(place: Place):
    """Records are batched by a field of their JSON; those without it are together."""
    records = [b'{"user": {"id": %d}, "n": %d}' % (number % 3, number) for number in range(30)]
    words = ("stream", place.lines(*records, b"no json"), "--key", "user.id")
    summary = place.summary(*words, "--handler", "e2e_handlers:keep_key")

    assert place.code == 0
    assert summary["batches_ok"] == 4
    assert sorted(place.outputs()) == [b"-", b"0", b"1", b"2"]
    assert place.query("SELECT key, records FROM batch ORDER BY key") == [(None, 1), ("0", 10), ("1", 10), ("2", 10)]


def test_undecodable_records_are_records(place: Place):
    """Whatever bytes a line has, the handler gets them."""
    records = [b"\xff\xfe\x00", b"", b"\r", bytes(range(11, 256)), b'{"half": ']
    summary = place.summary("stream", place.lines(*records), *KEEP)

    assert summary["messages_processed"] == 5
    assert (place.folder / "out" / "stream-00000001").read_bytes() == b"".join(record + b"\n" for record in records)


# --- handlers ---------------------------------------------------------------------------------------------------------


def one_each(place: Place, *records: bytes, more: tuple[str, ...] = ()) -> dict:
    """A minibatch for each record, worked as it says."""
    words = ("stream", place.lines(*records), "--max-count", "1", "--backoff", "0s", "--handler", "e2e_handlers:say")
    return place.summary(*words, *more)


def test_handlers_may_be_async_and_in_several_processes(place: Place):
    """Batches are spread over two worker hosts."""
    words = ("stream", place.lines(*[b"x"] * 40), "--max-count", "1", "--processes", "2", "--workers", "4")
    place.summary(*words, "--handler", "e2e_handlers:keep_later")
    hosts = {line.split()[2] for line in place.log()}

    assert place.code == 0
    assert len(place.log()) == 40
    assert len(hosts) == 2


def test_outcomes_of_handlers(place: Place):
    """Discard and Retry are taken at their word."""
    summary = one_each(place, b"fine", b"discard", b"later")

    assert place.code == 0
    assert (summary["batches_ok"], summary["batches_discarded"], summary["retries"]) == (2, 1, 1)


def test_commands_say_it_with_their_exit_status(place: Place):
    """0 is done, 65 discard, everything else a retry; input is a file, and the environment names the batch."""
    script = (
        'read -r first; cat > "out/$MILLSTREAM_BATCH_ID.$MILLSTREAM_ATTEMPT"; '
        'case "$first" in later) test "$MILLSTREAM_ATTEMPT" = 2 || { echo "not yet" >&2; exit 7; };; '
        "never) exit 65;; esac"
    )
    records = (b"done", b"rest", b"later", b"rest", b"never", b"rest")
    words = ("stream", place.lines(*records), "--max-count", "2", "--backoff", "0s", "--", "sh", "-c", script)
    summary = place.summary(*words)
    attempts = place.query("SELECT batch_id, attempt, outcome, error FROM attempt ORDER BY 1, 2")

    assert place.code == 0
    assert (summary["batches_ok"], summary["batches_discarded"], summary["retries"]) == (2, 1, 1)
    assert attempts == [
        ("stream-00000001", 1, "done", None),
        ("stream-00000002", 1, "retry", "exit status 7: not yet"),
        ("stream-00000002", 2, "done", None),
        ("stream-00000003", 1, "discard", None),
    ]
    assert place.outputs() == [b"rest\n"] * 4


def test_a_command_gets_the_paths_of_a_bucket(place: Place):
    """One per line, on standard input."""
    paths = [place.file(name, "x") for name in ("a", "b c", "d")]
    place.summary(*files_words("--", "sh", "-c", "cat > out/paths"))

    assert place.code == 0
    assert place.outputs() == [b"".join(b"%s\n" % bytes(path.resolve()) for path in paths)]


def test_a_handler_that_loops_is_timed_out_and_deadlines_go_on(place: Place):
    """It costs its own attempts; minibatches meanwhile close on time and are worked."""
    words = ("stream", "-", "--window", "100ms", "--timeout", "700ms", "--retries", "1", "--backoff", "0s")
    with place.start(*words, "--handler", "e2e_handlers:say", stdin=subprocess.PIPE) as process:
        process.stdin.write(b"loop\n")
        process.stdin.flush()
        wait_until(place.log, what="the loop")
        for _ in range(10):
            process.stdin.write(b"fine\n")
            process.stdin.flush()
            time.sleep(0.12)  # the records' own pace: each opens a minibatch of its own
        output, _ = process.communicate(timeout=60)
    summary = json.loads(output)

    assert process.returncode == 1
    assert summary["batches_failed"] == 1
    assert summary["batches_ok"] >= 3
    assert summary["close_lateness_p99_s"] < 0.5
    assert place.query("SELECT failures, error FROM batch WHERE state = 'dead'") == [(2, "timed out after 700ms")]
    assert place.query("SELECT MAX(failures) FROM batch WHERE state = 'done'") == [(0,)]


@pytest.mark.parametrize("how", [b"exit", b"segv"])
def test_a_handler_that_crashes_its_host_costs_its_own_attempts_only(place: Place, how: bytes):
    """Its neighbours finish without a charged failure; it is dead when its retries are spent."""
    summary = one_each(place, b"slow", b"slow", how, b"slow", b"slow", more=("--retries", "1"))

    assert place.code == 1
    assert (summary["batches_ok"], summary["batches_failed"]) == (4, 1)
    assert place.query("SELECT failures FROM batch ORDER BY id") == [(0,), (0,), (2,), (0,), (0,)]
    assert "worker host died" in place.said()


def test_no_more_bytes_are_in_hand_than_allowed(place: Place):
    """Batches of 40 bytes, and at most 100 bytes at once: two at a time, whatever the number of workers."""
    words = ("stream", place.lines(*[b"x" * 39] * 12), "--max-count", "1", "--max-memory", "100")
    place.summary(*words, "--handler", "e2e_handlers:hold")
    held, most = 0, 0
    for line in place.log():
        _, _, sign, size = line.split()
        held += int(sign + size)
        most = max(most, held)

    assert place.code == 0
    assert most == 80


def test_a_killed_engine_leaves_no_orphan(place: Place):
    """Hosts and commands, and what these started, die with the engine, and a successor works the batch."""
    words = ("stream", place.lines(b"x"), "--", "sh", "-c", "sleep 600 & echo $$ $! > pids; wait")
    pids = place.folder / "pids"
    with place.start(*words) as process:
        wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"), what="the command")
        orphans = [int(word) for word in pids.read_text().split()]
        before = [lives(pid) for pid in orphans]
        process.kill()
        process.wait()
    wait_until(lambda: not any(lives(pid) for pid in orphans), what="the end of the orphans")
    summary = place.summary("stream", "input.jsonl", *KEEP)

    assert before == [True, True]
    assert (place.code, summary["batches_ok"]) == (0, 1)
    assert place.query("SELECT attempts, failures FROM batch") == [(2, 0)]


def test_operators_step_in_while_an_engine_runs(place: Place):
    """Work is paused and resumed, and an attempt that never ends is cancelled, all from beside the engine."""
    words = ("stream", "-", "--max-count", "1", "--handler", "e2e_handlers:say")
    with place.start(*words, stdin=subprocess.PIPE) as process:
        wait_until((place.state / "doorbell").exists, what="the engine")
        paused = place.run("pause")
        process.stdin.write(b"fine\nloop\n")
        process.stdin.close()
        wait_until(lambda: place.states() == {"ready": 2}, what="two minibatches")
        held_back = place.log()
        resumed = place.run("resume")
        wait_until(lambda: len(place.log()) == 2, what="both attempts")
        cancelled = place.run("cancel", "stream-00000002")
        process.wait(timeout=30)

    assert (paused, resumed, cancelled, process.returncode) == (0, 0, 0, 0)
    assert held_back == []
    assert place.states() == {"done": 1, "discarded": 1}


# --- several pipelines ------------------------------------------------------------------------------------------------


def test_a_stream_and_files_from_one_toml_file(place: Place):
    """Both work on one ledger, each with its own settings, and the summary has both."""
    place.lines(b"1", b"2", b"3")
    place.file("a.jsonl", '{"n": 1}\n')
    place.file("b.jsonl", '{"n": 2}')
    (place.folder / "mill.toml").write_text(
        """
        workers = 2
        [[stream]]
        name = "clicks"
        source = "input.jsonl"
        max_count = 2
        handler = "e2e_handlers:keep"
        [[files]]
        name = "nightly"
        paths = ["incoming"]
        settle = 0
        merge_to = "lake"
        """
    )
    checked = place.run("run", "mill.toml", "--check")
    summary = place.summary("run", "mill.toml")
    clicks, nightly = summary["pipelines"]
    merged = [path.read_bytes() for path in (place.folder / "lake").glob("*.jsonl")]

    assert (checked, place.code) == (0, 0)
    assert (clicks["pipeline"], clicks["batches_ok"], clicks["messages_processed"]) == ("clicks", 2, 3)
    assert (nightly["pipeline"], nightly["files_processed"]) == ("nightly", 2)
    assert sorted(b"".join(merged).splitlines()) == [b'{"n": 1}', b'{"n": 2}']


PROGRAM = """
import collections, sys, threading
from pathlib import Path
from millstream import Batch, Context, Millstream

mill = Millstream(state="state", workers=3)
out = Path("out")

@mill.stream("input.jsonl", max_count=2)
def load(batch: Batch, context: Context) -> None:
    (out / batch.id).write_bytes(b",".join(batch))

def archive_into(folder):
    @mill.files("incoming", settle="0s", name="archive")
    def archive(bucket: Batch, context: Context) -> None:
        for file in bucket.files:
            (folder / file.name).write_bytes(Path(file.path).read_bytes().upper())

archive_into(out)
counted = collections.Counter()
report = mill.run(listeners=(lambda event: counted.update([type(event).__name__]),))
print([tally.ok for tally in report.tallies], counted["AttemptEnded"])
again = mill.run()
print([tally.ok for tally in again.tallies], threading.active_count())
sys.exit(again.exit)
"""


def test_handlers_of_a_program_may_be_closures(place: Place):
    """The Python interface: decorated functions, run from a script, with what it did as a value; nothing is left."""
    place.lines(b"1", b"2", b"3")
    place.file("a", "x")
    (place.folder / "program.py").write_text(PROGRAM)
    ended = place.python("program.py")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "[2, 1] 3\n[0, 0] 1\n"
    assert {path.name: path.read_bytes() for path in (place.folder / "out").iterdir()} == {
        "load-00000001": b"1,2",
        "load-00000002": b"3",
        "a": b"X",
    }


def test_the_demo_adds_up(place: Place):
    """All jobs on real input, counted independently of the engine."""
    ended = place.python("-m", "millstream", "demo", "--quiet", "--json")
    document = json.loads(ended.stdout)

    assert ended.returncode == 0
    assert document["adds_up"]
    assert list(document["checks"].values()) == [True, True, True, True]
    assert document["users"]["frames"] == 96_000
    assert [row["pipeline"] for row in document["pipelines"]] == ["streaming", "files"]
    assert ended.stderr == ""
