"""Lines that are nested deeper than a recursive decoder can follow.

Theory of operation: how deep that is depends on the interpreter and on how deep its own stack is at the moment, and
what counts as a frame must not. So a line that is too deep is cut: every object or array at each hundredth level is
judged by itself and stands as an empty one in what is around it. All pieces together have the syntax of the whole, and
none is deep. Cutting needs only the brackets outside of strings; everything else is left to the decoder.
"""

import re

import msgspec

EVERY = 100
"""Levels in a piece: far below what any interpreter allows, far above the longest path of keys."""

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
"""A whole string, a bracket, or a quote that is never closed."""

_OPENING = (b"[", b"{")
_CLOSING = {b"]": b"[]", b"}": b"{}"}
_PIECE = msgspec.json.Decoder(msgspec.Raw)


def shallow(line: bytes) -> bytes | None:
    """The same line with what is deep cut out of it, or None if that is not JSON.

    What is left still has to be judged. Takes time in proportion to the length of the line.
    """
    open_pieces: list[list[bytes]] = [[]]
    depth = done = 0
    for token in _TOKEN.finditer(line):
        text = token[0]
        if text in _OPENING:
            depth += 1
            if depth % EVERY == 0:
                open_pieces[-1].append(line[done : token.start()])
                open_pieces.append([])
                done = token.start()
        elif text in _CLOSING:
            if depth == 0:
                return None
            if depth % EVERY == 0:
                open_pieces[-1].append(line[done : token.end()])
                done = token.end()
                if not _is_json(b"".join(open_pieces.pop())):
                    return None
                open_pieces[-1].append(_CLOSING[text])
            depth -= 1
        elif text == b'"':
            return None
    return b"".join([*open_pieces[0], line[done:]]) if depth == 0 else None


def _is_json(piece: bytes) -> bool:
    try:
        _PIECE.decode(piece)
    except msgspec.DecodeError:
        return False
    return True
