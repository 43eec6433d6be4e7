"""A supervisor and its members, as real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crash.killing import wait_until
from millstream.errors import MemberFailedError
from millstream.runtime import supervisor as supervising
from millstream.runtime.supervisor import MemberSpec, Supervisor, Work
from runtime.members import broken, fenced_once, interrupted, steady, stubborn, surprised, unable

pytestmark = pytest.mark.slow

LIMIT_S = 30.0


class Group:
    """A supervisor that remembers what it hears, and does something when it has heard enough."""

    def __init__(self, *works: tuple[Work, tuple[object, ...]]) -> None:
        self.news: list[tuple[str, int, object]] = []
        self.lines: list[str] = []
        specs = [MemberSpec(name=f"m{n}", work=work, arguments=more) for n, (work, more) in enumerate(works)]
        self.supervisor = Supervisor(
            specs, news=lambda name, start, news: self.news.append((name, start, news)), tell=self.lines.append
        )

    def run(self, *steps: tuple[Callable[[], object], Callable[[], object]]) -> None:
        """Run; as soon as a step's condition holds, do what it says, then wait for the next one; then stop."""
        left = list(steps)
        until_s = time.monotonic() + LIMIT_S

        def idle() -> None:
            assert time.monotonic() < until_s, (self.news, self.lines)
            while left and left[0][0]():
                left.pop(0)[1]()
            if not left:
                self.supervisor.stop()

        self.supervisor.run(idle=idle)

    def pids(self) -> list[int]:
        """The members in the order in which they said who they are."""
        return [news[0] for _, _, news in self.news if isinstance(news, tuple)]


def test_members_are_started_heard_and_ended(tmp_path: Path) -> None:
    """What they say while they end is heard, too."""
    group = Group((steady, (str(tmp_path),)), (steady, (str(tmp_path),)))

    group.run((lambda: len(group.pids()) == 2, lambda: None))

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"ended-{pid}" for pid in group.pids())
    assert sorted((name, start) for name, start, news in group.news if news == "ended") == [("m0", 1), ("m1", 1)]
    assert group.lines == []


def test_a_member_that_was_killed_is_started_again(tmp_path: Path) -> None:
    """With the next number; the others are left alone."""
    group = Group((steady, (str(tmp_path),)), (steady, (str(tmp_path),)))

    group.run(
        (lambda: len(group.pids()) == 2, lambda: os.kill(pid_of(group, "m1"), signal.SIGKILL)),
        (lambda: len(group.pids()) == 3, lambda: None),
    )

    assert group.lines == ["m1 was ended by SIGKILL; starting it again"]
    assert [news[1] for name, _, news in group.news if name == "m1" and news != "ended"] == [0, 1]


def pid_of(group: Group, name: str) -> int:
    """The process of a member."""
    return next(news[0] for known, _, news in group.news if known == name and isinstance(news, tuple))


@pytest.mark.parametrize(
    ("work", "line"),
    [
        (fenced_once, "m0 lost its work: somebody else has it; starting it again"),
        (surprised, "m0 failed: KeyError: 'surprise'; starting it again"),
        (broken, "m0 ended with exit code 3; starting it again"),
    ],
)
def test_a_member_that_ended_by_itself_is_started_again(tmp_path: Path, work: Work, line: str) -> None:
    """The line says why it ended."""
    group = Group((work, (str(tmp_path),)))

    group.run((lambda: len(group.pids()) == 1, lambda: None))

    assert group.lines == [line]


def test_a_member_that_cannot_work_ends_all(tmp_path: Path) -> None:
    """Its own words are the error; the others end in order."""
    group = Group((steady, (str(tmp_path),)), (unable, ()))

    with pytest.raises(MemberFailedError, match=r"^broker: expected one, found none$"):
        group.run((lambda: False, lambda: None))

    assert group.lines == []
    assert not any(map(is_alive, group.pids()))


def test_a_stop_that_ends_the_wait_of_a_member_is_no_failure() -> None:
    """A member that is asked to stop before it could begin says so by an error, and nobody hears of it."""
    group = Group((interrupted, ()))

    group.run((lambda: len(group.pids()) == 1, lambda: None))

    assert group.lines == []


def test_a_member_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, and with a line."""
    monkeypatch.setattr(supervising, "END_S", 0.5)
    group = Group((stubborn, ()))

    group.run((group.pids, lambda: None))

    assert group.lines == ["m0 did not end within 0 s and was killed"]
    assert not any(map(is_alive, group.pids()))


def test_kill_ends_all_at_once(tmp_path: Path) -> None:
    """Nobody gets to say anything."""
    group = Group((stubborn, ()), (steady, (str(tmp_path),)))
    began_s = time.monotonic()

    def end() -> None:
        group.supervisor.stop()
        group.supervisor.kill()

    group.run((lambda: len(group.pids()) == 2, end))

    assert time.monotonic() - began_s < supervising.END_S
    assert list(tmp_path.iterdir()) == []
    assert not any(map(is_alive, group.pids()))


PARENT = """
import sys
from millstream.runtime import supervisor
from runtime import members

supervisor.END_S = 0.5
work, *arguments = sys.argv[1:]

if __name__ == "__main__":
    spec = supervisor.MemberSpec(name="m", work=getattr(members, work), arguments=tuple(arguments))
    tell = lambda *news: print(news[2][0], flush=True)
    supervisor.Supervisor([spec], news=tell, tell=print).run(idle=lambda: None)
"""


@pytest.mark.parametrize("work", ["steady", "stubborn"])
def test_members_end_when_their_supervisor_was_killed(tmp_path: Path, work: str) -> None:
    """In order, or soon after if they wait for something else, and without a word on standard error."""
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    folder = tmp_path / "ended"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(program), work, *([str(folder)] if work == "steady" else [])]
    with (tmp_path / "stderr").open("wb") as stderr:
        parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment)
        with parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.kill()

    wait_until(lambda: not is_alive(pid), what="the member to be gone")
    assert [path.name for path in folder.iterdir()] == ([f"ended-{pid}"] if work == "steady" else [])
    assert (tmp_path / "stderr").read_bytes() == b""


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
