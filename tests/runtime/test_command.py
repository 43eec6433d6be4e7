"""Commands as handlers, in real processes."""

import asyncio
import os
import re
import signal
import zlib
from pathlib import Path

import pytest

from millstream.core.model import Discard, Done, Retry
from millstream.errors import InvalidValueError
from millstream.runtime.batch import Batch, Context
from millstream.runtime.command import CommandHandler
from millstream.testing.pool_suite import bucket, job, listed, until
from runtime.hosts import lives, wait_until, with_host_pool

RECORDS = b'{"n": 1}\n{"n": 2}\n'


def read(log, ranges):
    del log, ranges
    yield RECORDS


def minibatch(**fields):
    return job(size_bytes=len(RECORDS), checksum=zlib.crc32(RECORDS), records=2, **fields)


def run(script: str, work=None, *, scratch: Path):
    """The outcome of one attempt by a shell script."""
    handler = CommandHandler(["sh", "-c", script])
    return with_host_pool(
        handler, lambda pool: pool.run(work or minibatch()), scratch=scratch, read=read, slots=2
    ).outcome


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("exit 0", Done()),
        ("echo unknown country >&2; exit 65", Discard("unknown country")),
        ("exit 65", Discard("")),
        ("echo first >&2; echo 'last  words' >&2; exit 3", Retry(error="exit status 3: last words")),
        ("exit 75", Retry(error="exit status 75")),
        ("kill -KILL $$", Retry(error="killed by SIGKILL")),
        ("echo ouch >&2; kill -SEGV $$", Retry(error="killed by SIGSEGV: ouch")),
        ("printf '\\377' >&2; exit 1", Retry(error="exit status 1: \ufffd")),
    ],
)
def test_exit_status_is_outcome(tmp_path: Path, script, outcome):
    """0 is done, 65 is discard, anything else is retry with the last line of standard error."""
    assert run(script, scratch=tmp_path) == outcome


def test_records_are_read_from_a_file(tmp_path: Path):
    """A command reads the records from its standard input, which is a file with each record ending in a newline."""
    copy = tmp_path / "copy"

    assert run(f"test -f /dev/stdin && cat > {copy} && test -f /dev/stdin", scratch=tmp_path) == Done()
    assert copy.read_bytes() == RECORDS
    assert list(tmp_path.iterdir()) == [copy]


def test_paths_of_a_bucket_come_one_per_line(tmp_path: Path):
    """A command that works a bucket reads the paths of its files."""
    files = []
    for name in ("a b.csv", "ü.csv"):
        (tmp_path / name).write_text(name)
        files.append(listed(tmp_path / name))

    assert run(f"cat > {tmp_path}/paths", bucket(*files), scratch=tmp_path) == Done()
    assert (tmp_path / "paths").read_text().splitlines() == [file.path for file in files]


def test_the_environment_names_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A command has the engine's environment, and the id, attempt and key of its batch."""
    monkeypatch.setenv("OWN", "setting")
    script = f'echo "$OWN $MILLSTREAM_BATCH_ID $MILLSTREAM_ATTEMPT ${{MILLSTREAM_BATCH_KEY-none}}" > {tmp_path}/env'

    run(script, minibatch(attempt=4, key="Zürich"), scratch=tmp_path)
    with_key = (tmp_path / "env").read_text()
    run(script, scratch=tmp_path)

    assert with_key == "setting b1 4 Zürich\n"
    assert (tmp_path / "env").read_text() == "setting b1 1 none\n"


def test_only_the_tail_of_standard_error_is_kept(tmp_path: Path):
    """A command may write any amount to standard error."""
    outcome = run("yes 0123456789 | head -c 5000000 >&2; echo >&2; echo end >&2; exit 1", scratch=tmp_path)

    assert outcome == Retry(error="exit status 1: end")


def test_standard_error_is_passed_on_and_standard_output_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Whatever a command writes arrives at the engine's standard error."""
    handler = CommandHandler(["sh", "-c", "echo to-out; echo to-err >&2"])

    with_host_pool(handler, lambda pool: pool.run(minibatch()), scratch=tmp_path, read=read, is_quiet=False)

    out, err = capfd.readouterr()
    assert out == ""
    assert sorted(err.split()) == ["to-err", "to-out"]


@pytest.mark.parametrize("argv", [["a-program-that-does-not-exist"], ["/dev/null"], []])
def test_a_command_that_cannot_run_is_a_start_up_error(argv):
    """A command that is not there or not executable is refused before anything is started."""
    with pytest.raises(InvalidValueError, match="command: expected a program on the PATH"):
        CommandHandler(argv)


def test_a_command_that_disappears_is_a_retry(tmp_path: Path):
    """A command that was there when the engine started and cannot be executed later fails its attempts."""
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    handler = CommandHandler([str(program)])

    result = with_host_pool(handler, lambda pool: pool.run(minibatch()), scratch=tmp_path, read=read)

    assert result.outcome.error.startswith(f"exit status 127: cannot run {program}: [Errno 2]")


def test_a_time_out_terminates_the_group(tmp_path: Path):
    """A command that takes too long gets SIGTERM, its children too, and may clean up."""
    script = f"trap 'touch {tmp_path}/cleaned; exit 0' TERM; sleep 1000 & echo $! > {tmp_path}/pid; wait"
    handler = CommandHandler(["sh", "-c", script])

    result = with_host_pool(handler, lambda pool: pool.run(minibatch()), scratch=tmp_path, read=read, timeout_s=0.5)

    assert result.outcome == Retry(error="timed out after 500ms")
    assert (tmp_path / "cleaned").exists()
    wait_until(lambda: not lives(int((tmp_path / "pid").read_text())))


@pytest.mark.slow
def test_a_stubborn_command_is_killed(tmp_path: Path):
    """A command that ignores SIGTERM is killed two seconds later, and its host lives on."""
    handler = CommandHandler(["sh", "-c", f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1000; done"])

    async def scenario(pool):
        return await pool.run(minibatch()), lives(int((tmp_path / "pid").read_text()))

    result, left = with_host_pool(handler, scenario, scratch=tmp_path, read=read, timeout_s=0.5)

    assert result.outcome == Retry(error="timed out after 500ms")
    assert 2.4 < result.seconds < 5
    assert not left


def test_what_a_command_leaves_in_its_group_is_killed(tmp_path: Path):
    """When a command has ended, nothing of its process group goes on, and nobody waits for it."""
    outcome = run(f"sleep 1000 & echo $! > {tmp_path}/pid", scratch=tmp_path)

    assert outcome == Done()
    wait_until(lambda: not lives(int((tmp_path / "pid").read_text())))


def test_commands_of_a_host_that_dies_are_killed(tmp_path: Path):
    """A command never outlives its host, nor does its attempt end before it has."""
    command = CommandHandler(["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 1000"])

    def handler(batch: Batch, context: Context):
        if batch.id == "command":
            return command(batch, context)
        return os.kill(os.getpid(), signal.SIGKILL)

    async def scenario(pool):
        running = asyncio.ensure_future(pool.run(minibatch(name="command")))
        pid = int(await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
        await asyncio.gather(running, pool.run(job("crash")))
        return running.result(), lives(pid)

    result, left = with_host_pool(handler, scenario, scratch=tmp_path, read=read)

    assert re.search("killed by SIGKILL while 2 attempts", result.outcome.error)
    assert not left


def test_many_commands_at_once(tmp_path: Path):
    """Commands of one host run side by side and do not mix up their results."""
    handler = CommandHandler(["sh", "-c", 'echo "$MILLSTREAM_BATCH_ID" >&2; exit 65'])

    async def scenario(pool):
        return await asyncio.gather(*(pool.run(minibatch(name=f"b{number}")) for number in range(40)))

    results = with_host_pool(handler, scenario, scratch=tmp_path, read=read)

    assert [result.outcome for result in results] == [Discard(f"b{number}") for number in range(40)]


def test_a_command_needs_a_host():
    """Outside of a worker host a command cannot run, and says so."""
    with pytest.raises(Exception, match="commands run in a worker host only"):
        CommandHandler(["true"])(Batch(job()), Context(job(), scratch="/tmp"))
