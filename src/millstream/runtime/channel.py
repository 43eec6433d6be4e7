"""How messages travel between processes.

Theory of operation: a message travels through a stream socket behind its length in four bytes. File descriptors that
belong to it travel with its first byte; messages are read in order, so the descriptors that arrived first belong to
the first message that needs some. The engine reads and writes in its event loop and never waits for a host;
nursery and hosts use plain blocking sockets.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import msgpack

from millstream.runtime.wire import Message

_LENGTH = struct.Struct("!I")
_ENCODER = msgpack.Encoder()
_CHUNK_BYTES = 1 << 16
_MOST_DESCRIPTORS = 8
_M = TypeVar("_M")


def send(channel: socket.socket, message: Message, *, descriptors: Sequence[int] = ()) -> None:
    """Send a message through a blocking socket; one sender at a time."""
    data = _frame(message)
    sent = socket.send_fds(channel, [data], descriptors) if descriptors else 0
    channel.sendall(memoryview(data)[sent:])


class Receiver(Generic[_M]):
    """The reading end of a blocking socket."""

    def __init__(self, channel: socket.socket, decoder: msgpack.Decoder[_M]) -> None:
        self.channel = channel
        self._frames = _Frames(decoder)
        self._descriptors: deque[int] = deque()

    def receive(self) -> list[_M] | None:
        """Wait for bytes and return the messages they complete; None at the end, also when the other side died."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.channel, _CHUNK_BYTES, _MOST_DESCRIPTORS)
        except ConnectionError:
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
        self._descriptors += descriptors
        return self._frames.feed(data) if data else None

    def take_descriptor(self) -> int:
        """The next file descriptor, for the message that is being handled; the caller closes it."""
        return self._descriptors.popleft()


class Connection(Generic[_M]):
    """Both ends of a socket in the event loop: `send` never waits, messages and the end are told by callbacks.

    `on_end` is called once, when the other side closed its end or died; not after `close`.
    """

    def __init__(
        self,
        channel: socket.socket,
        decoder: msgpack.Decoder[_M],
        *,
        on_message: Callable[[_M], None],
        on_end: Callable[[], None],
    ) -> None:
        channel.setblocking(False)  # noqa: FBT003 - positional only
        self._channel = channel
        self._frames = _Frames(decoder)
        self._on_message = on_message
        self._on_end = on_end
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel, self._readable)

    def send(self, message: Message) -> None:
        """Hand over a message; nothing happens when the other side is gone."""
        data = _frame(message)
        if self._unsent:
            self._unsent += data
            return
        sent = self._write(data)
        if sent < len(data):
            self._unsent += memoryview(data)[sent:]
            self._loop.add_writer(self._channel, self._writable)

    def drain(self) -> None:
        """Handle everything that has arrived, now."""
        while data := self._read():
            self._handle(data)

    def close(self) -> None:
        """Let go of the socket; idempotent."""
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()

    def _readable(self) -> None:
        data = self._read()
        if data:
            self._handle(data)
        elif data is not None:
            self._loop.remove_reader(self._channel)
            self._on_end()

    def _read(self) -> bytes | None:
        """What has arrived: None when there is nothing yet, empty at the end."""
        try:
            return self._channel.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _handle(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            self._on_message(message)

    def _writable(self) -> None:
        del self._unsent[: self._write(self._unsent)]
        if not self._unsent:
            self._loop.remove_writer(self._channel)

    def _write(self, data: bytes | bytearray) -> int:
        """Write what fits; all of it counts as written when nobody can read it any more, which reading will tell."""
        try:
            return self._channel.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)


class _Frames(Generic[_M]):
    """Cuts what comes out of a stream socket back into messages."""

    def __init__(self, decoder: msgpack.Decoder[_M]) -> None:
        self._decoder = decoder
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[_M]:
        """The messages that `data` completes; an incomplete one is kept for the next call."""
        self._rest += data
        messages = []
        start = 0
        while len(self._rest) >= start + _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, start)
            end = start + _LENGTH.size + length
            if len(self._rest) < end:
                break
            messages.append(self._decoder.decode(self._rest[start + _LENGTH.size : end]))
            start = end
        del self._rest[:start]
        return messages


def _frame(message: Message) -> bytes:
    payload = _ENCODER.encode(message)
    return _LENGTH.pack(len(payload)) + payload
