"""`millstream serve` as a process of its own."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

START_S = 60.0


class Server:
    """A server on a free port of this machine; a context manager that ends it as a person would."""

    def __init__(self, folder: Path, *words: str, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.state = folder / "state"
        self._words = words
        self._environment = environment or {}
        self.errors = folder / "errors.txt"

    def __enter__(self) -> Self:
        command = [
            sys.executable, "-m", "millstream", "serve", "--state", str(self.state), "--listen", "127.0.0.1:0",
            "--container", f"test={self.data}", *self._words,
        ]  # fmt: skip
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **self._environment}
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_S)
        line = self.process.stdout.readline() if readable else b""
        assert line, self.errors.read_text()
        self.ready: dict[str, Any] = json.loads(line)
        self.url: str = self.ready["url"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def client(self, **headers: str) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def put(self, name: str, *, rows: int) -> None:
        """A CSV with so many rows, each with a newline in quotes."""
        lines = ["number,text\n", *(f'{number},"row\n{number}"\n' for number in range(rows))]
        (self.data / name).write_text("".join(lines))

    @property
    def memory_bytes(self) -> int:
        """What the serving process holds in memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("a process has a size")


def run(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of Millstream to its end."""
    return subprocess.run(
        [sys.executable, "-m", "millstream", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **(environment or {})},
    )
