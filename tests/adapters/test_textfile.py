"""Text files: every record once, over restarts, rotation and truncation, from real files."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.adapters.textfile import TextFile
from millstream.core.model import Lines
from millstream.errors import RecordTooLongError, SourceError
from millstream.testing.clock import ManualClock
from millstream.testing.source_suite import EndingSuite, MakeSource, ReplayingSuite

T = TypeVar("T")
POLL_S = 0.002

DATA = st.lists(st.sampled_from([b"\n", b"a", b"\r", b"\x00\xff", b"12345678"]), max_size=60).map(b"".join)


@asynccontextmanager
async def reading(
    path: Path,
    *,
    position: str | None = None,
    follow: bool = False,
    max_record_bytes: int = 1000,
    block_bytes: int = 1 << 20,
) -> AsyncIterator[TextFile]:
    """An open source, closed at the end."""
    source = TextFile(
        str(path),
        ManualClock(),
        follow=follow,
        max_record_bytes=max_record_bytes,
        block_bytes=block_bytes,
        poll_s=POLL_S,
    )
    try:
        await source.open(position)
        yield source
    finally:
        await source.close()


async def read_all(source: TextFile) -> list[Lines]:
    """Every block of a bounded source."""
    blocks = []
    while (lines := await source.read()) is not None:
        blocks.append(lines)
    return blocks


async def read_bytes(source: TextFile, size_bytes: int) -> tuple[bytes, str]:
    """At least so many bytes of an endless source, and where it then stands."""
    data, position = b"", ""
    while len(data) < size_bytes:
        lines = await source.read()
        assert lines is not None
        data, position = data + lines.data, lines.position
    return data, position


async def nothing_comes(source: TextFile) -> None:
    """A few looks find nothing; the read that waited for it is cancelled."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5 * POLL_S):
            await source.read()


def run(scenario: Coroutine[None, None, T]) -> T:
    """Run a scenario that must not hang."""
    return asyncio.run(asyncio.wait_for(scenario, timeout=10))


def joined(blocks: list[Lines]) -> bytes:
    """The bytes of all blocks."""
    return b"".join(block.data for block in blocks)


def append(path: Path, data: bytes) -> None:
    """Write as a logger does."""
    with path.open("ab") as file:
        file.write(data)


def rotate(path: Path, name: str) -> Path:
    """Rename as a log rotation does."""
    return path.rename(path.with_name(name))


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one example of a property."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


async def read_once(path: Path, *, position: str | None = None, follow: bool = False) -> list[Lines]:
    """What one run over a bounded file reads."""
    async with reading(path, position=position, follow=follow) as source:
        return await read_all(source)


class FileInput:
    """The input of both."""

    records = 12
    follow = False

    @contextmanager
    def input(self) -> Iterator[MakeSource]:
        """A file of a few short blocks."""
        with folder() as where:
            path = where / "file"
            path.write_bytes(b"".join(b"record %d\n" % number for number in range(self.records)))
            yield lambda: TextFile(
                str(path), ManualClock(), follow=self.follow, max_record_bytes=100, block_bytes=30, poll_s=POLL_S
            )


class TestTextFile(FileInput, EndingSuite, ReplayingSuite):
    """A file that is read once is a source."""


class TestFollowedTextFile(FileInput, ReplayingSuite):
    """A file that is followed is a source, one without an end."""

    follow = True


@settings(max_examples=150, deadline=None)
@given(data=DATA, block_bytes=st.integers(1, 40), max_record_bytes=st.integers(1, 40), stop=st.integers(0, 20))
def test_records_rejoin_wherever_blocks_are_cut_and_reading_stops(
    data: bytes, block_bytes: int, max_record_bytes: int, stop: int
) -> None:
    """The blocks before a stop and those after it are the file, up to the first record that is too long."""
    records = [record + b"\n" for record in data.split(b"\n")]
    if records[-1] == b"\n":
        records.pop()
    too_long = next((n for n, record in enumerate(records) if len(record) > max_record_bytes + 1), None)
    blocks: list[Lines] = []

    async def scenario(path: Path) -> str:
        try:
            async with reading(path, max_record_bytes=max_record_bytes, block_bytes=block_bytes) as source:
                while len(blocks) < stop and (lines := await source.read()):
                    blocks.append(lines)
            position = blocks[-1].position if blocks else None
            async with reading(
                path, position=position, max_record_bytes=max_record_bytes, block_bytes=block_bytes
            ) as source:
                while lines := await source.read():
                    blocks.append(lines)
        except RecordTooLongError as error:
            return str(error)
        return ""

    with folder() as where:
        (where / "file").write_bytes(data)
        error = run(scenario(where / "file"))

    accepted = b"".join(records[:too_long])
    assert joined(blocks) == accepted
    assert all(block.data.endswith(b"\n") and block.count == block.data.count(b"\n") for block in blocks)
    assert all(len(block.data) <= max(block_bytes, max_record_bytes + 1) for block in blocks)
    assert (f"starts at byte {len(accepted)} " in error) == (too_long is not None)


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["append", "rename", "rename and append", "restart", "truncate"]), DATA),
        max_size=8,
    )
)
def test_a_followed_log_is_read_once_over_rotations_and_restarts(steps: list[tuple[str, bytes]]) -> None:
    """Whatever happens to it, and wherever the reader is killed, every line comes once and in order."""

    async def read_on(path: Path, taken: bytes, size_bytes: int, position: str | None) -> tuple[bytes, str | None]:
        if size_bytes == len(taken):
            return taken, position
        async with reading(path, position=position, follow=True, block_bytes=7) as source:
            more, position = await read_bytes(source, size_bytes - len(taken))
        return taken + more, position

    async def scenario(path: Path) -> tuple[bytes, bytes]:
        written = b"begin\n"
        append(path, written)
        taken, position = await read_on(path, b"", len(written), None)
        for number, (step, data) in enumerate(steps):
            lines = b"%d" % number + data + b"\n"
            if step == "truncate":  # loses what was not read
                taken, position = await read_on(path, taken, len(written), position)
                os.truncate(path, 0)
            elif step.startswith("rename"):
                old = rotate(path, f"log.{number}")
                if step == "rename and append":
                    append(old, b"late\n")
                    written += b"late\n"
            append(path, lines)
            written += lines
            if step != "append":
                taken, position = await read_on(path, taken, len(written), position)
        taken, _ = await read_on(path, taken, len(written), position)
        return written, taken

    with folder() as where:
        written, taken = run(scenario(where / "log"))

    assert taken == written


def test_reading_a_finished_file_again_does_nothing(tmp_path: Path) -> None:
    """From the last position there is nothing, and when it has grown only the growth."""
    path = tmp_path / "file"
    path.write_bytes(b"1\n2\n")

    async def scenario() -> tuple[list[Lines], list[Lines]]:
        position = (await read_once(path))[-1].position
        again = await read_once(path, position=position)
        append(path, b"3\n")
        return again, await read_once(path, position=position)

    again, grown = run(scenario())

    assert again == []
    assert joined(grown) == b"3\n"


def test_a_newline_that_comes_late_is_no_record(tmp_path: Path) -> None:
    """A last line that was taken without its newline is not followed by an empty record when it gets one."""
    path = tmp_path / "file"
    path.write_bytes(b"1\nlast")

    async def scenario() -> tuple[list[Lines], list[Lines]]:
        first = await read_once(path)
        append(path, b"\nnext\n")
        return first, await read_once(path, position=first[-1].position)

    first, then = run(scenario())

    assert joined(first) == b"1\nlast\n"
    assert joined(then) == b"next\n"


def test_the_end_stays_the_end(tmp_path: Path) -> None:
    """What is added after the end was met is for the next run."""
    path = tmp_path / "file"
    path.write_bytes(b"1\n")

    async def scenario() -> list[Lines | None]:
        async with reading(path) as source:
            await read_all(source)
            append(path, b"2\n")
            return [await source.read(), await source.read()]

    assert run(scenario()) == [None, None]


@pytest.mark.parametrize("content", [b"x\n", b"other head\n" * 10], ids=["shorter", "longer"])
def test_a_file_with_another_head_is_a_new_one(tmp_path: Path, content: bytes) -> None:
    """A file that was written anew in place, with the same inode, is read from its start."""
    path = tmp_path / "file"
    path.write_bytes(b"1\n2\n")

    async def scenario() -> list[Lines]:
        position = (await read_once(path))[-1].position
        inode = path.stat().st_ino
        path.write_bytes(content)
        assert path.stat().st_ino == inode
        return await read_once(path, position=position)

    assert joined(run(scenario())) == content


def test_without_follow_a_renamed_file_is_left_alone(tmp_path: Path) -> None:
    """The file that has the name now is read, from its start."""
    path = tmp_path / "file"
    path.write_bytes(b"1\n2\n")

    async def scenario() -> list[Lines]:
        async with reading(path, block_bytes=2) as source:
            first = await source.read()
        assert first is not None
        path.rename(tmp_path / "file.1")
        path.write_bytes(b"3\n")
        return await read_once(path, position=first.position)

    assert joined(run(scenario())) == b"3\n"


def test_a_followed_line_waits_for_its_newline(tmp_path: Path) -> None:
    """Half a line is no record until the rest is written."""
    path = tmp_path / "log"
    path.write_bytes(b"1\nhal")

    async def scenario() -> tuple[bytes, bytes]:
        async with reading(path, follow=True) as source:
            first, _ = await read_bytes(source, 2)
            await nothing_comes(source)
            append(path, b"ves\n")
            return first, (await read_bytes(source, 7))[0]

    assert run(scenario()) == (b"1\n", b"halves\n")


def test_a_log_is_read_to_its_end_before_its_successor(tmp_path: Path) -> None:
    """What the writer still adds to the renamed file comes first, and its last line needs no newline then."""
    path = tmp_path / "log"
    path.write_bytes(b"1\n")

    async def scenario() -> bytes:
        async with reading(path, follow=True) as source:
            first, _ = await read_bytes(source, 2)
            rotate(path, "log.1")
            append(tmp_path / "log.1", b"2\nlast")
            path.write_bytes(b"3\n")
            then, _ = await read_bytes(source, 9)
            return first + then

    assert run(scenario()) == b"1\n2\nlast\n3\n"


def test_a_missing_successor_is_waited_for(tmp_path: Path) -> None:
    """Between a rename and the new file there may be time, for the running reader and for one that starts then."""
    path = tmp_path / "log"
    path.write_bytes(b"1\n2\n")

    async def scenario() -> tuple[bytes, list[bytes], list[bytes]]:
        async with reading(path, follow=True, block_bytes=2) as source:
            first, position = await read_bytes(source, 2)
            rotate(path, "log.1")
            async with reading(path, follow=True, position=position) as other:
                rests = [await read_bytes(source, 2), await read_bytes(other, 2)]
                await nothing_comes(source)
                await nothing_comes(other)
                path.write_bytes(b"3\n")
                successors = [await read_bytes(source, 2), await read_bytes(other, 2)]
        return first, [rest for rest, _ in rests], [data for data, _ in successors]

    assert run(scenario()) == (b"1\n", [b"2\n", b"2\n"], [b"3\n", b"3\n"])


def test_a_log_that_is_gone_for_good_is_not_missed(tmp_path: Path) -> None:
    """When the file of the position was deleted, its successor is waited for and read from its start."""
    path = tmp_path / "log"
    path.write_bytes(b"1\n")

    async def scenario() -> bytes:
        async with reading(path, follow=True) as source:
            _, position = await read_bytes(source, 2)
        path.unlink()
        async with reading(path, follow=True, position=position) as source:
            await nothing_comes(source)
            path.write_bytes(b"2\n")
            return (await read_bytes(source, 2))[0]

    assert run(scenario()) == b"2\n"


@pytest.mark.parametrize("content", [b"2\n", b"another beginning\n" * 3], ids=["shorter", "longer"])
def test_a_truncated_log_is_read_from_its_start(tmp_path: Path, content: bytes) -> None:
    """Also when it is longer again than what was read, by the time somebody looks."""
    path = tmp_path / "log"
    path.write_bytes(b"the beginning\n")

    async def scenario() -> bytes:
        async with reading(path, follow=True) as source:
            await read_bytes(source, 14)
            path.write_bytes(content)
            return (await read_bytes(source, len(content)))[0]

    assert run(scenario()) == content


def test_cancelled_reads_lose_nothing(tmp_path: Path) -> None:
    """Whenever they are cancelled, the next read goes on."""
    path = tmp_path / "file"
    content = b"".join(b"%d\n" % number for number in range(100))
    path.write_bytes(content)

    async def scenario() -> bytes:
        taken = b""
        async with reading(path, block_bytes=5) as source:
            for turns in range(30):
                waiting = asyncio.create_task(source.read())
                for _ in range(turns % 6):
                    await asyncio.sleep(0)
                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    lines = await waiting
                    assert lines is not None
                    taken += lines.data
            return taken + joined(await read_all(source))

    assert run(scenario()) == content


def test_close_ends_a_waiting_read(tmp_path: Path) -> None:
    """Closing twice is fine, and there is nothing to read afterwards."""
    path = tmp_path / "log"
    path.touch()

    async def scenario() -> list[Lines | None]:
        async with reading(path, follow=True) as source:
            waiting = asyncio.create_task(source.read())
            await asyncio.sleep(0)
            await source.close()
            await source.close()
            return [await waiting, await source.read(), source.leftovers()]

    assert run(scenario()) == [None, None, None]


def test_a_source_says_what_it_is(tmp_path: Path) -> None:
    """One file has one name, however it is reached; only a followed one has no end."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")

    names = {
        TextFile(str(path), ManualClock(), max_record_bytes=10).name
        for path in (tmp_path / "folder/file", tmp_path / "link/file", tmp_path / "folder/../link/file")
    }

    assert names == {f"file:{tmp_path.resolve()}/folder/file"}
    assert TextFile("x", ManualClock(), max_record_bytes=10).bounded
    assert not TextFile("x", ManualClock(), max_record_bytes=10, follow=True).bounded


def test_a_position_can_be_read_by_people(tmp_path: Path) -> None:
    """It is JSON that names the file and the offset, and records carry the time at which they were read."""
    path = tmp_path / "file"
    path.write_bytes(b"1\n2\n")

    (lines,) = run(read_once(path))

    position = json.loads(lines.position)
    assert (position["path"], position["offset"]) == (str(path), 4)
    assert (position["inode"], position["head_bytes"]) == (path.stat().st_ino, 4)
    assert lines.read_at == ManualClock().now()


def test_the_fingerprint_covers_the_first_kibibyte(tmp_path: Path) -> None:
    """A long file is told by its head alone."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789abcde\n" * 1000)

    blocks = run(read_once(path))

    assert json.loads(blocks[-1].position)["head_bytes"] == 1024


@pytest.mark.parametrize("follow", [False, True])
def test_a_missing_file_is_an_error_at_the_start(tmp_path: Path, follow: bool) -> None:
    """A name with a typing error is told, not waited for."""
    with pytest.raises(SourceError, match=r"nothing: No such file or directory; check the path"):
        run(read_once(tmp_path / "nothing", follow=follow))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """The error says where folders are worked."""
    with pytest.raises(SourceError, match="is a folder; name a file in it, or let `millstream files`"):
        run(read_once(tmp_path))


def test_a_named_pipe_is_no_file(tmp_path: Path) -> None:
    """Opening it does not wait for a writer; the error says what to do."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(SourceError, match="is not a regular file; let it write into standard input"):
        run(read_once(tmp_path / "pipe"))


def test_a_forbidden_file_is_an_error() -> None:
    """It says that the permission is missing."""
    with folder() as where:
        where.chmod(0o755)
        (where / "file").write_bytes(b"1\n")
        (where / "file").chmod(0)
        user = os.geteuid()
        if user == 0:  # who may read everything
            os.seteuid(65534)
        try:
            with pytest.raises(SourceError, match="Permission denied; give the user of this process the right"):
                run(read_once(where / "file"))
        finally:
            os.seteuid(user)
