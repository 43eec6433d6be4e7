"""Input that looks real and is the same for the same seed: messages, files and frames.

Theory of operation: messages are drawn in blocks that each have a generator of their own, seeded by seed and block
number; so message n is the same wherever one starts, and starting at n costs at most one block. Files and frames are
drawn from one generator from the start. Nothing here reads a clock: times begin at a fixed moment, or where the
caller says.
"""

import itertools
import json
from collections.abc import Iterator
from math import log
from pathlib import Path
from random import Random

START_S = 1_468_244_340
"""When simulated time begins, in Unix seconds: 2016-07-11 13:39:00 UTC, a full minute."""

MESSAGES_PER_BLOCK = 1_024
MAX_FRAME_DELAY_S = 30.0
SMALLEST_FILE_BYTES = 64

_PAGES = ("/", "/search", "/product", "/basket", "/checkout", "/account", "/help", "/news")
_MESSAGE_USERS = 1_000
_FILE_RECORD_BYTES = 200
_FRAME_TEMPLATES = 512
_FRAME_FILL_BYTES = 215
_TIMESTAMP_BITS = 31
_USER_BITS = 80
_USER_STRIDE = 0x9E3779B97F4A7C15F39D
_TEXT = (
    "stream mill water wheel river bucket grain stone sluice weir race pond flour sack cart miller axle gear cog "
    "shaft hopper sieve spout chute gate paddle sail mast brake rope pulley beam "
)
_WORDS = _TEXT.split()
_FILE_TEXT = _TEXT * 3  # longer than the longest record
_PHRASES = (
    "the wheel turns while the water runs",
    'a "quoted" word and a back\\slash',
    "two\nlines and\ta tab",
    "Getreidemühle am Fluß",
    "Свобода, слава и любовь",
    "水車が回る",
    "a/path/to/some/thing and back",
    "grain goes in, flour comes out, nothing is lost",
)


def arrivals(
    *, rate_per_s: float, seed: int, started_at: float, index: int = 0, elapsed_s: float = 0.0
) -> Iterator[tuple[float, bytes]]:
    """An endless Poisson process of messages: pairs of (seconds since `started_at`, JSON line).

    To continue after `index` messages, pass also the `elapsed_s` of the last of them; what follows is then equal, to
    the byte, to what followed without the interruption.
    """
    for block in itertools.count(index // MESSAGES_PER_BLOCK):
        draw = _generator(f"messages:{seed}:{block}").random
        first = block * MESSAGES_PER_BLOCK
        for number in range(first, first + MESSAGES_PER_BLOCK):
            gap_s = -log(1.0 - draw()) / rate_per_s
            user = int(draw() * _MESSAGE_USERS)
            page = _PAGES[int(draw() * len(_PAGES))]
            amount = draw() * 100.0
            if number < index:
                continue
            elapsed_s += gap_s
            yield (
                elapsed_s,
                f'{{"id":{number},"sent_at":{started_at + elapsed_s:.3f},"user":"u{user}","page":"{page}",'
                f'"amount":{amount:.2f}}}\n'.encode(),
            )


def messages(*, rate_per_s: float, duration_s: float, seed: int) -> Iterator[bytes]:
    """The messages of the first `duration_s` seconds from START_S on, as JSON lines."""
    for elapsed_s, line in arrivals(rate_per_s=rate_per_s, seed=seed, started_at=START_S):
        if elapsed_s > duration_s:
            return
        yield line


def write_files(folder: Path, *, count: int, mean_bytes: int, seed: int, suffix: str = ".jsonl") -> list[Path]:
    """Write `count` JSONL files with exponentially distributed sizes; returns their paths in order of name.

    Files are named `part-000` and so on. A size below SMALLEST_FILE_BYTES, which holds one record, is raised to it.
    Each file appears whole under its name, and replaces one that was there. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = _generator(f"files:{seed}")
    width = max(3, len(str(count - 1)))
    paths = []
    for number in range(count):
        size_bytes = max(SMALLEST_FILE_BYTES, round(rng.expovariate(1.0) * mean_bytes))
        path = folder / f"part-{number:0{width}d}{suffix}"
        hidden = folder / f".{path.name}.tmp"
        with hidden.open("wb") as file:
            file.writelines(_file_records(number, size_bytes=size_bytes, rng=rng))
        paths.append(hidden.replace(path))
    return paths


def frames(*, count: int, rate_per_s: float, users: int, late: float, flip: float, seed: int) -> Iterator[bytes]:
    """JSON lines of about 290 bytes with a `uid` and a `ts` (Unix seconds), the keys repeated in nested objects.

    `rate_per_s` frames share a second of event time, from START_S on. A share `late` of the frames is older than its
    neighbours by up to MAX_FRAME_DELAY_S; in a share `flip` one bit of `ts` is wrong. Users are drawn evenly from
    `users`.
    """
    rng = _generator(f"frames:{seed}")
    templates = [_frame_template(rng) for _ in range(_FRAME_TEMPLATES)]
    shift = rng.getrandbits(_USER_BITS)
    mask = (1 << _USER_BITS) - 1
    draw = rng.random
    for number in range(count):
        event_s = number / rate_per_s
        if draw() < late:
            event_s = max(0.0, event_s - draw() * MAX_FRAME_DELAY_S)
        ts = START_S + int(event_s)
        if draw() < flip:
            ts ^= 1 << int(draw() * _TIMESTAMP_BITS)
        # An odd stride modulo a power of two gives every user a uid of its own without a table of them.
        uid = (int(draw() * users) * _USER_STRIDE + shift) & mask
        yield (templates[int(draw() * _FRAME_TEMPLATES)] % {"uid": uid, "ts": ts}).encode()


def _generator(name: str) -> Random:
    return Random(name)  # noqa: S311 - to be the same every time is what it is for


def _file_records(number: int, *, size_bytes: int, rng: Random) -> Iterator[bytes]:
    """JSON lines of `size_bytes` together, all of one length but the last, which takes the rest."""
    records = max(1, size_bytes // _FILE_RECORD_BYTES)
    for record in range(records):
        last = record == records - 1
        length = size_bytes - record * _FILE_RECORD_BYTES if last else _FILE_RECORD_BYTES
        user, start = int(rng.random() * _MESSAGE_USERS), int(rng.random() * len(_WORDS))
        head = f'{{"file":{number},"record":{record},"user":"u{user}","text":"'
        text = _FILE_TEXT[start : start + length - len(head) - len('"}\n')]
        yield f'{head}{text}"}}\n'.encode()


def _frame_template(rng: Random) -> str:
    """A frame with `%(uid)x` and `%(ts)d` left open, among members that are fixed."""
    members = [f'"uid":"%(uid)0{_USER_BITS // 4}x"', '"ts":%(ts)d']
    for word in rng.sample(_WORDS, k=len(_WORDS)):
        if sum(map(len, members)) >= _FRAME_FILL_BYTES:
            break
        value = json.dumps(_value(rng, depth=2), ensure_ascii=False, separators=(",", ":"))
        members.append(f'"{word}":{value}')
    rng.shuffle(members)
    return "{" + ",".join(members) + "}\n"


def _value(rng: Random, *, depth: int) -> object:
    """Any JSON value; objects have members named `uid` and `ts` too."""
    scalars = (rng.choice(_PHRASES), rng.randrange(200), round(rng.random(), 6), rng.choice((True, False, None)))
    if depth == 0 or rng.random() < 2 / 3:
        return rng.choices(scalars, weights=(2, 1, 1, 1))[0]
    if rng.random() < 1 / 4:
        return [_value(rng, depth=depth - 1) for _ in range(rng.randrange(3))]
    keys = rng.sample(("uid", "ts", rng.choice(_WORDS)), k=rng.randrange(1, 4))
    return {key: _value(rng, depth=depth - 1) for key in keys}
