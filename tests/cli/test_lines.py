"""What a count says on standard error, into a file and in a terminal."""

import os
import pty
import subprocess
import sys

import pytest

from processes import started

CODE = (
    "from millstream.cli.lines import stderr_lines\n"
    "lines = stderr_lines()\n"
    "lines.draw('half of it')\n"
    "lines.say('a \\x1b[2J line', style='red')\n"
    "lines.stop()\n"
    "lines.stop()\n"
    "print(lines.is_drawn)"
)
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"}
}


def said(**variables: str) -> tuple[str, str]:
    """Standard output and standard error, a pipe, of the code above."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=ENVIRONMENT | variables,
    )
    return done.stdout, done.stderr


def test_a_pipe_gets_plain_lines() -> None:
    """Nothing is drawn into a file, no colours, and a message is one line, whatever is in it."""
    assert said() == ("False\n", "a \\x1b[2J line\n")


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_pipe_that_is_said_to_be_a_terminal_is_one(variable: str) -> None:
    """Progress is drawn, in colours."""
    drawn, text = said(**{variable: "1", "TERM": "xterm"})

    assert drawn == "True\n"
    assert "half of it" in text
    assert "\x1b[31ma \\x1b[2J line" in text


def test_a_terminal_sees_progress() -> None:
    """It is drawn and taken away again; messages stay."""
    reader, writer = pty.openpty()
    with started(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=writer, env=ENVIRONMENT | {"TERM": "xterm"}
    ) as process:
        drawn, _ = process.communicate(timeout=60)
    os.close(writer)
    text = os.read(reader, 65_536).decode()
    os.close(reader)

    assert drawn == b"True\n"
    assert "half of it" in text
    assert "a \\x1b[2J line" in text


def test_nobody_has_to_read_it() -> None:
    """Whoever read standard error went away, or it was closed: the command goes on."""
    reader, writer = os.pipe()
    os.close(reader)
    gone = subprocess.run(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=writer, timeout=60, check=False, env=ENVIRONMENT
    )
    os.close(writer)
    closed = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, CODE],
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
        env=ENVIRONMENT,
    )

    assert (gone.stdout, closed.stdout) == (b"False\n", b"False\n")
    assert closed.returncode == 0
