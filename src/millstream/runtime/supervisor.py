"""Keep a few processes at work: start them, hear from them, start them again, end them in order.

Theory of operation: a member is a process of its own that does one thing until it is asked to stop. It tells its
supervisor news through a pipe, and ends by itself when the supervisor is gone. A member that dies (killed, out of
memory) or that gave up its work to a successor is started again, each time a little later; one that says that it
cannot work at all ends everything, because waiting would not mend it. Processes are spawned, not forked: members use
libraries that start threads.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from millstream.errors import FencedError, MemberFailedError, MillstreamError

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
HEALTHY_S = 30.0
"""A member that lived so long is started again without a pause."""
END_S = 20.0
"""How long members get to end before they are killed."""
LOOK_S = 0.2


class Link:
    """A member's side: whether it should stop, and how it tells news."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._asked = False
        self.on_stop: Callable[[], None] = _nothing
        """Called from the signal handler when a stop is asked for, to end a wait."""

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop, or nobody is there any more to ask."""
        return self._asked

    def tell(self, line: str) -> None:
        """Say a line to the person who watches."""
        self._send(("line", line))

    def news(self, news: object) -> None:
        """Tell the supervisor's listener something that can be pickled."""
        self._send(("news", news))

    def failed(self, error: str) -> None:
        """Say why this member can not work at all."""
        self._send(("failed", error))

    def ends(self, reason: str) -> None:
        """Say why this member ends, though a fresh one in its place may go on."""
        self._send(("ends", reason))

    def _send(self, message: tuple[str, object]) -> None:
        try:
            self._pipe.send(message)
        except OSError:  # the supervisor is gone; `stopping` says so
            return

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of the signal to stop."""
        self.stop()

    def stop(self) -> None:
        """From now on this member is asked to stop."""
        self._asked = True
        self.on_stop()


Work = Callable[..., None]
"""What a member does, importable by name: called with its Link, the number of its start, and its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSpec:
    """A member: a name for people, and what it does."""

    name: str
    work: Work
    arguments: tuple[object, ...] = ()


@dataclass(slots=True)
class _Member:
    spec: MemberSpec
    starts: int = 0
    started_s: float = 0.0
    due_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    process: SpawnProcess | None = None
    pipe: Connection | None = None
    reason: str = field(default="")


class Supervisor:
    """Runs members until `stop`, from one thread.

    `news` hears (name, number of the start, what was told), `tell` takes lines for a person.
    """

    def __init__(
        self,
        members: Iterable[MemberSpec],
        *,
        news: Callable[[str, int, object], None],
        tell: Callable[[str], None],
    ) -> None:
        self._members = [_Member(spec) for spec in members]
        self._news, self._tell = news, tell
        self._failure: str | None = None
        self._stopping = False

    def stop(self) -> None:
        """Ask all members to end; idempotent, may be called from a signal handler."""
        self._stopping = True

    def kill(self) -> None:
        """End all members at once; what they had not committed is forgotten."""
        for member in self._members:
            if member.process is not None:
                member.process.kill()

    def run(self, *, idle: Callable[[], None]) -> None:
        """Keep the members at work until `stop`; calls `idle` a few times a second.

        Raises MemberFailedError with what a member said when it cannot work.
        """
        try:
            while not self._stopping and self._failure is None:
                self._start_due()
                self._hear(LOOK_S)
                self._reap()
                idle()
        finally:
            self._end()
        if self._failure is not None:
            raise MemberFailedError(self._failure)

    def _start_due(self) -> None:
        now_s = time.monotonic()
        for member in self._members:
            if member.process is None and now_s >= member.due_s:
                member.pipe, theirs = multiprocessing.Pipe(duplex=False)
                context = multiprocessing.get_context("spawn")
                member.process = context.Process(
                    target=_work, args=(theirs, member.spec, member.starts), name=member.spec.name
                )
                _start_without_interrupts(member.process)
                theirs.close()
                member.started_s = now_s
                member.starts += 1
                member.reason = ""

    def _hear(self, timeout_s: float) -> None:
        pipes = {member.pipe: member for member in self._members if member.pipe is not None}
        ready = wait(list(pipes), timeout_s) if pipes else []
        for pipe in ready:
            member = pipes[pipe]  # type: ignore[index]  # what was waited for
            try:
                kind, content = member.pipe.recv() if member.pipe else ("", "")
            except (EOFError, OSError):
                if member.pipe is not None:
                    member.pipe.close()
                member.pipe = None
                continue
            self._heard(member, kind, content)

    def _heard(self, member: _Member, kind: str, content: object) -> None:
        if kind == "news":
            self._news(member.spec.name, member.starts, content)
        elif kind == "line":
            self._tell(str(content))
        elif kind == "ends":
            member.reason = str(content)
        elif kind == "failed":
            self._failure = self._failure or str(content)

    def _reap(self) -> None:
        """Plan the next start of members that ended."""
        for member in self._members:
            if member.process is None or member.pipe is not None or member.process.is_alive():
                continue
            member.process.join()
            code = member.process.exitcode
            member.process = None
            lived_s = time.monotonic() - member.started_s
            member.pause_s = FIRST_PAUSE_S if lived_s > HEALTHY_S else min(2 * member.pause_s, LONGEST_PAUSE_S)
            member.due_s = time.monotonic() + member.pause_s
            if not self._stopping and self._failure is None:
                self._tell(f"{member.spec.name} {member.reason or _how_it_ended(code)}; starting it again")

    def _end(self) -> None:
        """Ask, wait, and kill who does not listen; news that are told meanwhile are still heard."""
        self._stopping = True
        running = [member for member in self._members if member.process is not None]
        for member in running:
            if member.process is not None:
                member.process.terminate()
        until_s = time.monotonic() + END_S
        while any(member.pipe is not None for member in running) and time.monotonic() < until_s:
            self._hear(LOOK_S)
        for member in running:
            if member.process is not None:
                member.process.join(max(0.0, until_s - time.monotonic()))
                if member.process.is_alive():
                    self._tell(f"{member.spec.name} did not end within {END_S:.0f} s and was killed")
                    member.process.kill()
                    member.process.join()


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _start_without_interrupts(process: SpawnProcess) -> None:
    """Start a process that hears no Ctrl-C until it can ignore it; a terminal sends that to all of them."""
    resource_tracker.ensure_running()  # or it is started with the process, and lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, spec: MemberSpec, start: int) -> None:
    """The main function of a member."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches the supervisor, which then asks
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    link = Link(pipe)
    signal.signal(signal.SIGTERM, link.ask)
    threading.Thread(target=_leave_with_supervisor, args=(link,), daemon=True).start()
    try:
        spec.work(link, start, *spec.arguments)
    except FencedError as error:
        link.ends(f"lost its work: {error.reason}")
    except MillstreamError as error:
        # A stop ends every wait, also that of a member which has not begun yet: no failure of its own.
        if not link.stopping:
            link.failed(str(error))
    except Exception as error:  # noqa: BLE001 - the border of a member: nothing it does may end the others
        link.ends(f"failed: {type(error).__name__}: {error}")
    finally:
        pipe.close()


def _leave_with_supervisor(link: Link) -> None:
    """Ask this member to stop when its supervisor is gone, and end it when it waits for something else meanwhile."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        link.stop()
        time.sleep(END_S)
        os._exit(1)


def _nothing() -> None:
    """Nobody waits."""
