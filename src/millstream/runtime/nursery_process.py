"""The nursery: the process that starts workers, reaps them, and ends them all when the engine is gone.

Theory of operation: one thread, no user code, one loop over sockets. It starts and kills workers when told; on its
own it does this: a worker that ended takes its process group along, a host that ended takes its commands along, and
the end of the control socket, however the engine died, ends everything, also what left the group of its worker on
purpose (`setsid`), which nothing else ends. The nursery exits only after its last descendant is gone, and until then
it holds what it inherited, the lock of the state folder above all: so a new engine never works beside an old worker.
"""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from millstream.runtime.channel import Receiver, send
from millstream.runtime.host import HostSetup, run_host
from millstream.runtime.processes import adopt_orphans, end_children, fork_worker, signal_group
from millstream.runtime.wire import (
    COMMANDS,
    STATUS,
    TO_NURSERY,
    HostEnded,
    KillHost,
    StartCommand,
    StartHost,
)

_PATIENCE_S = 2.0
"""How long a command that was asked to end may take."""

_NOT_STARTED = os.EX_OSERR
"""The exit status of a worker that could not be forked."""

_COMMAND_NOT_FOUND = 127
"""The exit status of a command that could not be executed, as shells have it."""


def run_nursery(control: socket.socket, *, setup: HostSetup) -> None:
    """Be the nursery until the engine closes `control` or dies; called in a newly forked process."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # standard input and output are for the engine alone
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    adopt_orphans()
    _Nursery(control, setup=setup).run()
    end_children()


@dataclass(slots=True, eq=False, kw_only=True)
class _Host:
    """A host; `status` is set once it has ended but commands of it have not."""

    number: int
    pid: int
    requests: Receiver[StartCommand]
    commands: set["_Command"] = field(default_factory=set)
    status: int | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class _Command:
    """A running command."""

    host: _Host
    pid: int
    leash: socket.socket


class _Nursery:
    def __init__(self, control: socket.socket, *, setup: HostSetup) -> None:
        self._orders = Receiver(control, TO_NURSERY)
        self._setup = setup
        self._engine_lives = True
        self._hosts: dict[int, _Host] = {}
        self._workers: dict[int, _Host | _Command] = {}
        self._asked_to_end: dict[_Command, float] = {}
        # Poll keeps its list in this process: with epoll, a forked host could change what its nursery watches.
        self._selector = selectors.PollSelector()

    def run(self) -> None:
        signals = _signals_as_socket()
        self._watch(signals, lambda: signals.recv(64))
        self._watch(self._orders.channel, self._hear_engine)
        while self._engine_lives:
            for key, _ in self._selector.select(self._patience_left()):
                key.data()
            self._reap()
            self._kill_overdue()
        for pid in self._workers:
            signal_group(pid)

    def _hear_engine(self) -> None:
        orders = self._orders.receive()
        if orders is None:
            self._engine_lives = False
            return
        for order in orders:
            match order:
                case StartHost():
                    self._start_host(order)
                case KillHost():
                    self._kill_host(order)
                case _:
                    assert_never(order)

    def _start_host(self, order: StartHost) -> None:
        ours, theirs = socket.socketpair()
        with socket.socket(fileno=self._orders.take_descriptor()) as engine, theirs:

            def work() -> None:
                self._forget_everything()
                ours.close()
                run_host(order.pipeline, slots=order.slots, engine=engine, nursery=theirs, setup=self._setup)

            try:
                pid = fork_worker(work)
            except OSError:
                ours.close()
                self._tell_engine(HostEnded(order.host, _NOT_STARTED))
                return
        host = _Host(number=order.host, pid=pid, requests=Receiver(ours, COMMANDS))
        self._hosts[host.number] = self._workers[pid] = host
        self._watch(ours, partial(self._hear_host, host))

    def _forget_everything(self) -> None:
        """In a newly forked host: let go of the nursery's signals and sockets."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._orders.channel.close()
        for worker in self._workers.values():
            channel = worker.requests.channel if isinstance(worker, _Host) else worker.leash
            channel.close()

    def _kill_host(self, order: KillHost) -> None:
        host = self._hosts.get(order.host)
        if host is not None and host.status is None:
            signal_group(host.pid)

    def _hear_host(self, host: _Host) -> None:
        requests = host.requests.receive()
        if requests is None:
            self._unwatch(host.requests.channel)
            return
        for request in requests:
            stdin, stderr, leash = (host.requests.take_descriptor() for _ in range(3))
            self._start_command(host, request, stdin=stdin, stderr=stderr, leash=socket.socket(fileno=leash))
            os.close(stdin)
            os.close(stderr)

    def _start_command(
        self, host: _Host, request: StartCommand, *, stdin: int, stderr: int, leash: socket.socket
    ) -> None:
        try:
            pid = fork_worker(partial(_become_command, request, stdin=stdin, stderr=stderr))
        except OSError:
            _tell_status(leash, _NOT_STARTED)
            leash.close()
            return
        command = _Command(host=host, pid=pid, leash=leash)
        self._workers[pid] = command
        host.commands.add(command)
        self._watch(leash, partial(self._hear_leash, command))

    def _hear_leash(self, command: _Command) -> None:
        try:
            asked_to_end = bool(command.leash.recv(64))
        except ConnectionError:
            asked_to_end = False
        if asked_to_end:
            signal_group(command.pid, signum=signal.SIGTERM)
            self._asked_to_end.setdefault(command, time.monotonic() + _PATIENCE_S)
        else:
            signal_group(command.pid)
            self._unwatch(command.leash)

    def _patience_left(self) -> float | None:
        """Seconds until the first command that was asked to end is killed, if there is one."""
        deadlines = self._asked_to_end.values()
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for command in [command for command, deadline in self._asked_to_end.items() if deadline <= now]:
            del self._asked_to_end[command]
            signal_group(command.pid)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                match self._workers.pop(pid, None):
                    case _Host() as host:
                        self._host_ended(host, os.waitstatus_to_exitcode(status))
                    case _Command() as command:
                        self._command_ended(command, os.waitstatus_to_exitcode(status))
                    case None:  # an orphan that was adopted
                        pass

    def _host_ended(self, host: _Host, status: int) -> None:
        signal_group(host.pid)
        host.status = status
        self._unwatch(host.requests.channel)
        for command in host.commands:
            signal_group(command.pid)
        self._report(host)

    def _command_ended(self, command: _Command, status: int) -> None:
        signal_group(command.pid)
        self._asked_to_end.pop(command, None)
        _tell_status(command.leash, status)
        self._unwatch(command.leash)
        command.host.commands.discard(command)
        self._report(command.host)

    def _report(self, host: _Host) -> None:
        """Tell the engine that a host ended, as soon as its commands have too: then nothing of it runs any more."""
        if host.status is not None and not host.commands:
            del self._hosts[host.number]
            self._tell_engine(HostEnded(host.number, host.status))

    def _tell_engine(self, message: HostEnded) -> None:
        with suppress(ConnectionError):  # it died; the next look at the socket says so too
            send(self._orders.channel, message)

    def _watch(self, channel: socket.socket, callback: Callable[[], object]) -> None:
        self._selector.register(channel, selectors.EVENT_READ, callback)

    def _unwatch(self, channel: socket.socket) -> None:
        if channel.fileno() >= 0:
            self._selector.unregister(channel)
            channel.close()


def _tell_status(leash: socket.socket, status: int) -> None:
    with suppress(OSError):  # nobody may be waiting any more
        leash.send(STATUS.pack(status))


def _signals_as_socket() -> socket.socket:
    """Make signals readable instead of deadly: a handler in Python, unlike SIG_IGN, is not handed on to commands."""
    receiving, sending = socket.socketpair()
    sending.setblocking(False)  # noqa: FBT003 - positional only
    signal.set_wakeup_fd(sending.detach())
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(signum, lambda *_: None)
    return receiving


def _become_command(request: StartCommand, *, stdin: int, stderr: int) -> None:
    """In a newly forked process: turn into a command. Its standard output is the engine's standard error."""
    os.dup2(stdin, 0)
    os.dup2(stderr, 2)
    for signum in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        signal.signal(signum, signal.SIG_DFL)
    try:
        os.execvpe(request.argv[0], request.argv, {**os.environb, **request.env})  # noqa: S606 - no shell wanted
    except (OSError, ValueError) as error:
        os.write(2, f"cannot run {os.fsdecode(request.argv[0])}: {error}\n".encode())
        os._exit(_COMMAND_NOT_FOUND)
