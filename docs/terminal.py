"""What a command leaves in a terminal: for the pictures of the docs, and for the tests of what the docs show.

Theory of operation: the command runs in a pseudo-terminal, and a screen of lines follows what a live display does to
it: it goes up, erases lines and writes them anew. Colours stay in the lines as they are.
"""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

COLUMNS = 96

CONTROL = re.compile(r"(\x1b\[2K|\x1b\[\d+A|\x1b\[\?25[lh]|\r|\n)")
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def run(command: str, *, folder: Path) -> list[str]:
    """Run a shell command in `folder`, with `millstream` and `python` on the path; returns the lines it leaves.

    Raises CalledProcessError, with everything it sent, when it fails.
    """
    ours, theirs = pty.openpty()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        text = b"".join(_read(ours)).decode()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output=text)
    return left_on_screen(text)


def left_on_screen(text: str) -> list[str]:
    """The lines that are left when everything was sent, without empty ones at the end."""
    lines, row = [""], 0
    for part in CONTROL.split(text):
        if part == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("A") and CONTROL.fullmatch(part):
            row = max(0, row - int(part[2:-1]))
        elif not CONTROL.fullmatch(part):
            lines[row] += part
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def without_colours(lines: list[str]) -> str:
    """The lines as plain text."""
    return COLOUR.sub("", "\n".join(lines))


def _read(terminal: int) -> Iterator[bytes]:
    with closing(os.fdopen(terminal, "rb", buffering=0)) as output:
        while True:
            try:
                data = output.read(65536)
            except OSError:  # on Linux this is how a terminal ends
                return
            if not data:
                return
            yield data
