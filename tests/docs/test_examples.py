"""The examples run, each in a folder of its own, and do what they say."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.config.elsewhere import read_run
from millstream.config.serving import read_serving
from millstream.config.working import read_working
from millstream.simulate import write_files

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the examples, with twenty files to work."""
    copy = shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    write_files(copy / "incoming", count=20, mean_bytes=500_000, seed=3)
    return copy


def python(*words: str, folder: Path) -> str:
    """Run Python there; returns what it put on standard output."""
    ended = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def loaded(folder: Path) -> list[tuple[int]]:
    """The ids of the messages in the warehouse, in order."""
    return sqlite3.connect(folder / "warehouse.db").execute("SELECT id FROM message ORDER BY id").fetchall()


def test_the_warehouse_has_every_message_once(folder):
    """All messages of a simulated stream end up in the table, none of them twice."""
    words = ("stream", "sim:messages", "--speed", "3000", "--handler", "warehouse:load", "--json")
    summary = json.loads(python("-m", "millstream", *words, folder=folder))

    assert loaded(folder) == [(number,) for number in range(summary["records_accepted"])]
    assert summary["batches_ok"] > 1


def test_the_nightly_report_counts_every_line(folder):
    """There is a report for each bucket, and together they have all lines of all files."""
    python("nightly.py", folder=folder)
    reports = [json.loads(path.read_text()) for path in (folder / "reports").glob("*.json")]

    lines = sum(path.read_bytes().count(b"\n") for path in (folder / "incoming").iterdir())
    assert sum(report["lines"] for report in reports) == lines
    assert sum(report["files"] for report in reports) == 20


def test_both_jobs_run_from_one_file(folder):
    """The stream is loaded and the files are merged."""
    summary = json.loads(python("-m", "millstream", "run", "mill.toml", "--speed", "3000", "--json", folder=folder))
    clicks, nightly = summary["pipelines"]

    assert len(loaded(folder)) == clicks["records_accepted"] == clicks["messages_processed"]
    assert nightly["files_processed"] == 20
    assert len(list((folder / "lake").glob("*.manifest.json"))) == nightly["buckets_ok"]


def test_a_strategy_of_ones_own_packs(folder):
    """It is compared with those that are built in, and `files --plan` takes it by name."""
    compared = python("custom_packing.py", folder=folder)
    words = ("files", "incoming", "--plan", "--settle", "0s", "--strategy", "custom_packing:one_large_each", "--json")
    plan = json.loads(python("-m", "millstream", *words, folder=folder))

    assert "one_large_each: " in compared
    assert plan["strategy"] == "one_large_each"
    assert sum(len(bucket["files"]) for bucket in plan["buckets"]) == 20


def test_the_example_of_a_test_passes(folder):
    """What shows how to test a handler tests it."""
    output = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_handler.py", folder=folder)

    assert "3 passed" in output


def test_the_settings_of_the_service_are_right():
    """`millstream serve` takes the file of one machine as it is: a container, no key, so this machine alone."""
    serving = read_serving({}, engine={}, path=EXAMPLES / "service.toml", environment={})

    assert [container.name for container in serving.containers] == ["test"]
    assert serving.serve.listen.is_loopback
    assert not serving.keys


@pytest.mark.parametrize(("name", "dispatcher"), [("grown.toml", "rabbitmq"), ("compose.toml", "temporal")])
def test_the_settings_of_many_machines_are_right(name, dispatcher):
    """Service and workers take the same file, and it names a way to reach each other that works."""
    path = EXAMPLES / name
    serving = read_serving({}, engine={}, path=path, environment={})
    working = read_working(path, values={}, engine={}, environment={})

    assert working.serving == serving
    assert working.dispatch.dispatcher == dispatcher


def test_the_pipelines_of_many_machines_are_right():
    """`millstream run` takes the same file, too."""
    config, elsewhere = read_run(EXAMPLES / "grown.toml", environment={}, overrides={})

    assert [pipeline.name for pipeline in config.pipelines] == ["clicks", "nightly"]
    assert elsewhere.dispatch.dispatcher == "rabbitmq"


def test_the_compose_file_mounts_what_is_there():
    """Every file of the project that a compose file mounts or builds from is in the project."""
    for compose in ROOT.glob("compose*.yaml"):
        mounted = re.findall(r"^\s+- \./([^:\s]+):", compose.read_text("utf-8"), flags=re.MULTILINE)

        assert mounted or "dockerfile_inline" in compose.read_text("utf-8")
        assert [path for path in mounted if not (ROOT / path).exists()] == []
