"""The socket that the API listens on."""

import socket

from millstream.web.server import bind


def test_an_answer_is_sent_at_once() -> None:
    """Connections send what is written to them; they do not hold back a body until its head is acknowledged."""
    with (
        bind("127.0.0.1", port=0) as listening,
        socket.create_connection(listening.getsockname()[:2], timeout=10),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
