"""What the processes say to each other: small tagged values, encoded as MessagePack.

    engine  -- StartHost + socket, KillHost ----------------->  nursery  -- HostEnded ------------->  engine
    engine  -- Work, Interrupt ------------------------------>  host     -- Ready or Unfit, Ended -->  engine
    host    -- StartCommand + stdin, stderr, leash ---------->  nursery

A leash is a socket of one running command: a byte on it asks the command to end, closing it (or dying) kills the
command, and the nursery answers with the exit status (`STATUS`) once the command is gone.
"""

import struct
from typing import Self

from msgspec import Struct, msgpack

from millstream.core.model import AttemptResult, Discard, Done, Eviction, Job, Retry
from millstream.core.tasks import ChunkReport, PlanReport, Spoiled


class StartHost(Struct, frozen=True, tag=True):
    """Fork a host for a pipeline; the host's end of its socket to the engine comes along."""

    host: int
    pipeline: str
    slots: int


class KillHost(Struct, frozen=True, tag=True):
    """Kill a host with its commands; one that is gone already is left alone."""

    host: int


class HostEnded(Struct, frozen=True, tag=True):
    """A host and its commands are gone; `status` is its exit code, or minus the signal that killed it."""

    host: int
    status: int


class Work(Struct, frozen=True, tag=True):
    """Run an attempt; `run` is the engine's number for it."""

    run: int
    job: Job


class Interrupt(Struct, frozen=True, tag=True):
    """End an attempt early, with `reason` as its error; one that is over already is left alone."""

    run: int
    reason: str


class Ready(Struct, frozen=True, tag=True):
    """The host has loaded its handler."""

    pid: int


class Unfit(Struct, frozen=True, tag=True):
    """The host cannot load its handler."""

    handler: str
    reason: str


class Ended(Struct, frozen=True, tag=True, kw_only=True):
    """An attempt is over: the part of an AttemptResult that a host decides.

    The outcome is `done` or `discard` if one of them is set, and `retry` if none is: in MessagePack, the values of a
    union need a tag, which the plain dataclasses of core do not have. Likewise at most one of `planned`, `published`
    and `spoiled` is set.
    """

    run: int
    done: Done | None
    discard: Discard | None
    retry: Retry
    seconds: float
    charged: bool
    checksums: dict[str, str]
    evictions: tuple[Eviction, ...]
    planned: PlanReport | None = None
    published: ChunkReport | None = None
    spoiled: Spoiled | None = None
    hopeless: bool = False

    @classmethod
    def of(cls, run: int, *, result: AttemptResult) -> Self:
        """The message for a result."""
        outcome = result.outcome
        return cls(
            run=run,
            done=outcome if isinstance(outcome, Done) else None,
            discard=outcome if isinstance(outcome, Discard) else None,
            retry=outcome if isinstance(outcome, Retry) else Retry(),
            seconds=result.seconds,
            charged=result.charged,
            checksums=dict(result.checksums),
            evictions=result.evictions,
            planned=result.report if isinstance(result.report, PlanReport) else None,
            published=result.report if isinstance(result.report, ChunkReport) else None,
            spoiled=result.report if isinstance(result.report, Spoiled) else None,
            hopeless=result.hopeless,
        )

    def result(self) -> AttemptResult:
        """The result of the message."""
        return AttemptResult(
            outcome=self.done or self.discard or self.retry,
            seconds=self.seconds,
            charged=self.charged,
            checksums=self.checksums,
            evictions=self.evictions,
            report=self.planned or self.published or self.spoiled,
            hopeless=self.hopeless,
        )


class StartCommand(Struct, frozen=True, tag=True):
    """Run a command of an attempt; its standard input, its standard error and its leash come along.

    `env` is added to the environment that the engine was started with.
    """

    argv: list[bytes]
    env: dict[bytes, bytes]


ToNursery = StartHost | KillHost
ToHost = Work | Interrupt
FromHost = Ready | Unfit | Ended
Message = ToNursery | HostEnded | ToHost | FromHost | StartCommand

TO_NURSERY: msgpack.Decoder[ToNursery] = msgpack.Decoder(ToNursery)
FROM_NURSERY = msgpack.Decoder(HostEnded)
TO_HOST: msgpack.Decoder[ToHost] = msgpack.Decoder(ToHost)
FROM_HOST: msgpack.Decoder[FromHost] = msgpack.Decoder(FromHost)
COMMANDS = msgpack.Decoder(StartCommand)

STATUS = struct.Struct("!i")
"""An exit status on a leash: the exit code, or minus the signal."""
