"""The page about frames says what the scanner does: each row of its tables is tried."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from counting.frames.by_json import Answer, answers, hash_of
from millstream.counting.model import Reason

PAGE = Path(__file__).parents[3] / "docs/frames.md"
ROW = re.compile(r"^\| (?:`(?P<line>[^`]+)`)? ?\| (?P<answer>.+?) \| .*\|$")
FRAME = re.compile(r"`(?P<user>[^`]+)` (?P<time>\d+)")
BYTE, REPEAT = re.compile("⟨([0-9a-f]{2})⟩"), re.compile("⟨([0-9]+)\u00d7(.)⟩")
PLAIN = b'{"uid":"zoe","ts":9}\n' * 300
ZOE = [(9, hash_of("zoe"))] * 300


def rows() -> Iterator[tuple[str, str, str]]:
    heading = ""
    for text in PAGE.read_text("utf-8").splitlines():
        if text.startswith("#"):
            heading = text.strip("# ")
        elif text.startswith("|") and not text.startswith(("| ---", "| line", "| value")):
            row = ROW.match(text)
            assert row, f"a row that is not understood: {text}"
            yield heading, row["line"] or "", row["answer"]


ROWS = list(rows())


def bytes_of(shown: str) -> bytes:
    shown = REPEAT.sub(lambda found: found[2] * int(found[1]), shown)
    pieces = BYTE.split(shown)
    return b"".join(bytes.fromhex(piece) if at % 2 else piece.encode() for at, piece in enumerate(pieces))


def answers_of(shown: str) -> list[Answer]:
    found: list[Answer] = []
    for answer in shown.split(", "):
        frame = FRAME.fullmatch(answer)
        if frame:
            found.append((int(frame["time"]), hash_of(frame["user"])))
        elif answer != "-":
            found.append(Reason(answer))
    return found


def test_the_page_has_the_tables():
    """Five tables, and every reason why a line can be rejected has its row."""
    assert {heading for heading, _, _ in ROWS} == {"Lines", "Users", "Times", "Several lines", "Values of messages"}
    said = {answer for _, _, answer in ROWS}
    assert {Reason.MALFORMED, Reason.NO_USER, Reason.NO_TIME, Reason.TOO_LONG} <= said


@pytest.mark.parametrize(("heading", "line", "answer"), ROWS, ids=[f"{row[0]}: {row[1][:60]}" for row in ROWS])
def test_a_row_is_what_the_scanner_answers(kind, heading, line, answer):
    """By itself, and among plain lines, with any expectation of the scanner."""
    data, wanted = bytes_of(line), answers_of(answer)
    scanner = kind()
    if heading == "Values of messages":
        assert answers(scanner.scan_values([data])) == wanted
        return

    assert answers(scanner.scan_lines(data)) == wanted
    assert answers(kind().scan_lines(PLAIN + data + b"\n" + PLAIN)) == [*ZOE, *wanted, *ZOE]
    scanner.scan_lines(b'{"uid":1,"ts":1}')
    assert answers(scanner.scan_lines(PLAIN + data + b"\n" + PLAIN)) == [*ZOE, *wanted, *ZOE]
    if heading != "Several lines" and wanted:
        assert answers(kind().scan_values([data])) == wanted


def test_all_rows_together(kind):
    """Every line of the page in one block has the same answer as by itself."""
    lines = [(bytes_of(line), answers_of(answer)) for heading, line, answer in ROWS if heading != "Values of messages"]
    lines = [(line, wanted) for line, wanted in lines if len(line) < 2_000_000]

    found = answers(kind().scan_lines(b"\n".join(line for line, _ in lines)))

    assert found == [answer for _, wanted in lines for answer in wanted]
