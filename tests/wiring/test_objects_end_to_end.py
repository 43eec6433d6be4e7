"""`millstream files` on objects of real servers, as a user runs it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers.objects import S3, Azurite, OwnAzurite

LIMIT_S = 60
FAST = ("--backoff", "100ms", "--strategy", "ffd")
BLOB = {"x-ms-blob-type": "BlockBlob"}


@dataclass(frozen=True)
class Place:
    """A new bucket: its address, how to put an object into it, and the environment that leads there."""

    address: str
    put: Callable[[str, bytes], object]
    environment: Mapping[str, str]


def s3_place(s3: S3) -> Place:
    """A bucket of S3."""
    bucket = s3.bucket()
    environment = {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_REGION": s3.region,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
    }
    return Place(f"s3://{bucket}", lambda name, data: s3.ask("PUT", f"/{bucket}/{name}", data), environment)


@pytest.fixture(params=["s3", "az"])
def place(request: pytest.FixtureRequest) -> Place:
    """A bucket of each kind."""
    if request.param == "s3":
        return s3_place(request.getfixturevalue("s3"))
    return azure_place(request.getfixturevalue("azurite"))


def azure_place(azurite: Azurite) -> Place:
    """A container of Azure Blob Storage."""
    container = azurite.container()
    environment = {
        "AZURE_STORAGE_ENDPOINT": azurite.endpoint,
        "AZURE_STORAGE_ACCOUNT_NAME": azurite.account,
        "AZURE_STORAGE_ACCOUNT_KEY": azurite.key,
    }
    return Place(
        f"az://{container}",
        lambda name, data: azurite.ask("PUT", f"/{container}/{name}", data, headers=BLOB),
        environment,
    )


def run(place: Place, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `millstream files` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "millstream", "files", "--state", str(folder / "state"), *FAST, *words],
        env=os.environ | dict(place.environment),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def merged(folder: Path) -> tuple[dict[str, str], bytes]:
    """Of a folder with one merged file: the addresses of its pieces with what they are, and all of it."""
    (manifest,) = (json.loads(path.read_text()) for path in folder.glob("*.manifest.json"))
    data = (folder / manifest["file"]).read_bytes()
    pieces = {piece["path"]: data[piece["offset"] :][: piece["length"]].decode() for piece in manifest["files"]}
    return pieces, data


def left_in_scratch(folder: Path) -> list[Path]:
    """What attempts left behind."""
    return list((folder / "state" / "scratch").iterdir())


def test_objects_are_merged_once(place: Place, tmp_path: Path) -> None:
    """All below the prefix, with the header once; a second run finds nothing new, and then only what is."""
    place.put("in/a.csv", b"id,name\n1,one\n")
    place.put("in/deep/b.csv", b"id,name\n2,two")
    place.put("in/.hidden.csv", b"id,name\n0,no\n")
    place.put("inside.csv", b"id,name\n0,no\n")
    place.put("other/c.csv", b"id,name\n0,no\n")
    words = (f"{place.address}/in/", "--merge-to", "out")

    first = run(place, tmp_path, *words)

    assert first.returncode == 0, first.stderr
    pieces, data = merged(tmp_path / "out")
    assert data == b"id,name\n1,one\n2,two\n"
    assert pieces == {
        f"{place.address}/in/a.csv": "id,name\n1,one\n",
        f"{place.address}/in/deep/b.csv": "2,two\n",
    }
    assert left_in_scratch(tmp_path) == []
    assert '"done"' in told(tmp_path, "status", f"{place.address}/in/a.csv", "--json")
    assert run(place, tmp_path, *words).returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == 2
    place.put("in/a.csv", b"id,name\n3,three\n")
    assert run(place, tmp_path, *words).returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_objects_are_copied(place: Place, tmp_path: Path) -> None:
    """Under their names below the prefix; with several prefixes, below what these have in common."""
    place.put("a/x/1.txt", b"one")
    place.put("b/1.txt", b"two")

    assert run(place, tmp_path, f"{place.address}/a", "--copy-to", "one").returncode == 0
    both = run(
        place, tmp_path, f"{place.address}/a/x/1.txt", f"{place.address}/b", "--copy-to", "two", "--name", "second"
    )

    assert both.returncode == 0, both.stderr
    assert (tmp_path / "one" / "x" / "1.txt").read_bytes() == b"one"
    assert (tmp_path / "two" / "a" / "x" / "1.txt").read_bytes() == b"one"
    assert (tmp_path / "two" / "b" / "1.txt").read_bytes() == b"two"


def test_a_command_gets_files_that_are_there(place: Place, tmp_path: Path) -> None:
    """With their suffix, as long as it runs; afterwards they are gone."""
    place.put("in/a.txt", b"one\n")
    place.put("in/b.txt", b"two\n")
    script = tmp_path / "work.sh"
    script.write_text('#!/bin/sh\nset -e\nwhile read -r path; do echo "$path" >> seen; cat "$path" >> joined; done\n')
    script.chmod(0o700)

    ended = run(place, tmp_path, f"{place.address}/in", "--", str(script))

    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "joined").read_text() == "one\ntwo\n"
    seen = (tmp_path / "seen").read_text().splitlines()
    assert [Path(path).name for path in seen] == ["a.txt", "b.txt"]
    assert not any(Path(path).exists() for path in seen)
    assert left_in_scratch(tmp_path) == []


def test_a_plan_shows_objects(place: Place, tmp_path: Path) -> None:
    """Without working any."""
    place.put("in/a.txt", b"one\n")

    ended = run(place, tmp_path, f"{place.address}/in", "--plan", "--json")

    assert ended.returncode == 0, ended.stderr
    assert f"{place.address}/in/a.txt" in ended.stdout


def test_an_object_that_is_replaced_meanwhile_is_worked_as_it_is(place: Place, tmp_path: Path) -> None:
    """A bucket that was planned for another version lets it go; the new version gets a bucket of its own."""
    place.put("in/a.txt", b"one\n")
    place.put("in/b.txt", b"two\n")
    script = tmp_path / "work.py"
    script.write_text(
        "import sys\n"
        "paths = sys.stdin.read().split()\n"
        "if not open('tries', 'a').tell():\n"
        "    open('tries', 'a').write('x')\n"
        "    sys.exit('not yet')\n"
        "for path in paths:\n"
        "    open('joined', 'a').write(open(path).read())\n"
    )
    words = (f"{place.address}/in", "--retries", "0", "--", sys.executable, str(script))
    assert run(place, tmp_path, *words).returncode == 1

    place.put("in/a.txt", b"three\n")
    told(tmp_path, "retry", "--dead")
    ended = run(place, tmp_path, *words)

    assert ended.returncode == 0, ended.stderr
    assert sorted((tmp_path / "joined").read_text().split()) == ["three", "two"]


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("s3://UPPER/x",), "paths: expected s3://BUCKET"),
        (("s3:bucket/x",), "paths: expected s3://BUCKET"),
        (("gs://bucket/x",), "paths: expected a folder, s3://BUCKET[/PREFIX] or az://CONTAINER[/PREFIX]"),
        (("s3://bucket/x", "."), "paths: expected folders or object stores, found both"),
        ((".", "--credentials", "keys.ini"), "credentials: expected paths such as s3://BUCKET/PREFIX, found none"),
        (("s3://bucket/x", "--copy-to", "s3://bucket/y"), "copy_to: expected a folder"),
        (("s3://bucket/x", "--credentials", "nothing.ini"), "nothing.ini: expected a file that can be read"),
    ],
)
def test_settings_that_cannot_be_right_are_told(tmp_path: Path, words: tuple[str, ...], problem: str) -> None:
    """In one line, before anything begins."""
    ended = run(Place("", lambda name, data: None, {}), tmp_path, *words)

    assert ended.returncode == 2
    assert problem in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bucket_that_is_not_there_is_told(s3: S3, tmp_path: Path) -> None:
    """In one line that names it."""
    ended = run(s3_place(s3), tmp_path, "s3://nobody-made-it/in", "--merge-to", "out")

    assert ended.returncode != 0
    assert "source: s3://nobody-made-it/in: cannot be listed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_credentials_may_stand_in_a_file(s3: S3, tmp_path: Path) -> None:
    """Which the configuration names."""
    place = s3_place(s3)
    place.put("a.txt", b"one\n")
    keys = tmp_path / "keys.ini"
    keys.write_text(
        f"[default]\naws_access_key_id = mill\naws_secret_access_key = mill\nregion = us-east-1\n"
        f"endpoint_url = {s3.endpoint}\n"
    )
    keys.chmod(0o600)
    (tmp_path / "mill.toml").write_text(
        f'[[files]]\npaths = ["{place.address}"]\ncredentials = "keys.ini"\nmerge_to = "out"\n'
    )

    ended = subprocess.run(
        [sys.executable, "-m", "millstream", "run", "mill.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert merged(tmp_path / "out")[1] == b"one\n"


def test_a_store_that_goes_down_is_waited_for(own_azurite: OwnAzurite, tmp_path: Path) -> None:
    """No attempt is charged for it, and the work goes on by itself when the store is back."""
    place = azure_place(own_azurite)
    for number in range(3):
        place.put(f"{number}.txt", b"1\n")
    work = tmp_path / "work.sh"
    # The first bucket takes long enough for the store to be gone before the second one is fetched.
    work.write_text("#!/bin/sh\ncat > /dev/null\necho x >> begun\nwhile ! test -e go; do sleep 0.05; done\n")
    work.chmod(0o700)
    words = (place.address, "--max-files", "1", "--workers", "1", "--retries", "0", "--", str(work))
    running = subprocess.Popen(
        [sys.executable, "-m", "millstream", "files", "--state", "state", *words],
        env=os.environ | dict(place.environment),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for((tmp_path / "begun").exists)
        own_azurite.stop()
        (tmp_path / "go").touch()
        wait_for(lambda: "cannot be reached" in told(tmp_path, "status", "--all", "--json"))
        own_azurite.start()
        _, errors = running.communicate(timeout=LIMIT_S)
    finally:
        running.kill()
        running.wait()

    assert running.returncode == 0, errors
    assert (tmp_path / "begun").read_text().count("x") >= 3


def told(folder: Path, *words: str) -> str:
    """What another command says of the state."""
    ended = subprocess.run(
        [sys.executable, "-m", "millstream", *words, "--state", "state"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def wait_for(condition: Callable[[], object]) -> None:
    """Ask again and again, as another process cannot signal."""
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
