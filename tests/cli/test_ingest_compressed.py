"""`millstream ingest` and `serve` with compressed files: what they may unpack to, and how far they are."""

import gzip
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cli.serving import Server, run

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.slow

CSV = b"a,b\n" + b"".join(b"%d,some text\n" % number for number in range(20_000))
PACKED = gzip.compress(CSV)


def ingest(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Ingest the file of the folder."""
    (folder / "data.csv.gz").write_bytes(PACKED)
    path, to, state = (str(folder / name) for name in ("data.csv.gz", "out.jsonl", "state"))
    return run("ingest", path, "--to", to, "--state", state, "--json", *words)


def test_what_a_file_may_unpack_to_can_be_said(tmp_path: Path) -> None:
    """One that unpacks to more fails with the option's name; with a higher limit the same command does it."""
    first = ingest(tmp_path, "--max-unpacked", "100KB")
    second = ingest(tmp_path, "--max-unpacked", "1MB", "--max-ratio", "1000")

    assert first.returncode == 1
    assert "unpacks to at most 100000 bytes" in first.stderr
    assert "raise max_unpacked" in first.stderr
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["records_published"] == 20_000


def test_progress_is_told_in_bytes_of_the_file(tmp_path: Path) -> None:
    """The size of a compressed file is what it has where it is stored, and that is what is done in the end."""
    document = json.loads(ingest(tmp_path).stdout)

    assert (document["size_bytes"], document["bytes_done"]) == (len(PACKED), len(PACKED))


def _ended(client: httpx.Client, name: str) -> dict[str, Any]:
    wanted = {"file_name": name, "file_container": "test", "chunk_bytes": 10_000}
    about = {"message_id": client.post("/read-and-publish-data", json=wanted).json()["message_id"]}
    until_s = time.monotonic() + 60
    while (job := client.get("/track", params=about).json())["ended_at"] is None and time.monotonic() < until_s:
        assert job["bytes_done"] <= (job["size_bytes"] or 0)
        time.sleep(0.05)
    return dict(job)


def test_a_service_has_limits_and_tells_bytes_of_the_file(tmp_path: Path) -> None:
    """Its limit is in its settings; sizes are those of files as they are stored."""
    settings = tmp_path / "mill.toml"
    settings.write_text('[serve]\nmax_unpacked = "500KB"\nmax_ratio = 1000\n')
    with Server(tmp_path, "--config", str(settings)) as server, server.client() as client:
        (server.data / "fits.csv.gz").write_bytes(PACKED)
        (server.data / "bomb.csv.gz").write_bytes(gzip.compress(CSV * 2))
        fits, bomb = _ended(client, "fits.csv.gz"), _ended(client, "bomb.csv.gz")

    assert (fits["status"], fits["records_published"]) == ("succeeded", 20_000), fits
    assert (fits["size_bytes"], fits["bytes_done"]) == (len(PACKED), len(PACKED))
    assert bomb["status"] == "failed", bomb
    assert "unpacks to at most 500000 bytes" in bomb["error"]
