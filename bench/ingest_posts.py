"""How long a POST takes that is answered with an id, at a steady rate of requests.

Requests are sent at their times whether or not earlier ones were answered (an open loop), so a pause of the server
shows in all of them. The client is a process of its own on the same machine, which has two cores for everything. Each
request names a file of a few rows that is there, so jobs are worked meanwhile.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Row = dict[str, str | int | float]

TITLE = "POST to its answer, at a steady rate, jobs worked meanwhile"
CONNECTIONS = 64


def run(folder: Path, *, quick: bool) -> dict[str, list[Row]]:
    """A row for each rate."""
    seconds = 2 if quick else 20
    rows: list[Row] = []
    for rate in (50,) if quick else (100, 500):
        state = folder / f"posts-{rate}"
        inbox = state / "inbox"
        inbox.mkdir(parents=True)
        (inbox / "few.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
        with service(state, "--container", f"inbox={inbox}") as url:
            rows.append(_measured(url, rate=rate, seconds=seconds))
    return {TITLE: rows}


@contextmanager
def service(state: Path, *options: str) -> Iterator[str]:
    """A service of its own while it is needed; its address."""
    command = [sys.executable, "-m", "millstream", "serve", "--listen", "127.0.0.1:0", "--state", str(state)]
    log = (state.parent / f"{state.name}.log").open("w+b")
    process = subprocess.Popen(
        [*command, "--request-rate", "100000/s", "--max-jobs", "1000000", *options], stdout=log, stderr=log
    )
    try:
        yield _address(process, Path(log.name))
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"http://[0-9.]+:\d+", log.read_text(encoding="utf-8"))
        if found:
            return found[0]
        time.sleep(0.05)
    raise RuntimeError(f"the service did not start: {log.read_text(encoding='utf-8')}")


def _measured(url: str, *, rate: int, seconds: float) -> Row:
    command = [sys.executable, __file__, url, str(rate), str(seconds)]
    answer = subprocess.run(command, check=True, capture_output=True, env=os.environ)
    took = json.loads(answer.stdout)
    delays = sorted(took["delays_ms"])
    return {
        "requests/s": rate,
        "answered 202": len(delays),
        "other answers": took["others"],
        "ms, half within": round(delays[len(delays) // 2], 1),
        "99 % within": round(delays[int(len(delays) * 0.99)], 1),
        "all within": round(delays[-1], 1),
    }


# --- the client -------------------------------------------------------------------------------------------------------


async def _client(url: str, *, rate: int, seconds: float) -> dict[str, object]:
    host, _, port = url.removeprefix("http://").partition(":")
    body = json.dumps({"file_name": "few.csv", "file_container": "inbox"}).encode()
    request = (
        f"POST /read-and-publish-data HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    due: asyncio.Queue[float | None] = asyncio.Queue()
    delays: list[float] = []
    others: list[int] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (at := await due.get()) is not None:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            await reader.readexactly(int(length[1]) if length else 0)
            if b" 202 " in head.split(b"\r\n", 1)[0]:
                delays.append((time.perf_counter() - at) * 1e3)
            else:
                others.append(int(head.split(b" ", 2)[1]))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(connection())
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            at = began + number / rate
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.put_nowait(at)
        for _ in range(CONNECTIONS):
            due.put_nowait(None)
    return {"delays_ms": delays, "others": len(others)}


if __name__ == "__main__":
    found = asyncio.run(_client(sys.argv[1], rate=int(sys.argv[2]), seconds=float(sys.argv[3])))
    print(json.dumps(found))
