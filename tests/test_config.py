"""Settings: how each is read, what overrides what, and that every problem is told, together and with its place."""

import argparse
import json
from collections.abc import Mapping
from datetime import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millstream.cli.settings import add_settings
from millstream.cli.settings import given as given_on_the_command_line
from millstream.config import (
    SOURCES,
    Config,
    EngineConfig,
    FilesConfig,
    StreamConfig,
    WorkConfig,
    options_of,
    read_pipeline,
    read_toml,
)
from millstream.errors import ConfigurationError

KINDS = (EngineConfig, StreamConfig, FilesConfig)


@pytest.fixture
def mill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Reads the text of a `mill.toml`."""
    monkeypatch.chdir(tmp_path)

    def read(text: str, *, environment: Mapping[str, str] | None = None, **overrides: object) -> Config:
        Path("mill.toml").write_text(text, encoding="utf-8")
        return read_toml(Path("mill.toml"), environment=environment or {}, overrides=overrides)

    return read


def stream(values: Mapping[str, object], *, environment: Mapping[str, str] | None = None) -> StreamConfig:
    """A stream as the command line gives it."""
    values = {"source": "-", **values}
    return read_pipeline(StreamConfig, values, engine={}, environment=environment or {}).streams[0]


def files(values: Mapping[str, object]) -> FilesConfig:
    """A files pipeline as the command line gives it."""
    return read_pipeline(FilesConfig, values, engine={}, environment={}).files[0]


def engine(values: Mapping[str, object]) -> EngineConfig:
    """Engine settings as the command line gives them."""
    return read_pipeline(StreamConfig, {"source": "-"}, engine=values, environment={}).engine


def problems_of(read, *args: object, **keywords: object) -> list[str]:
    """What reading complains about."""
    with pytest.raises(ConfigurationError) as raised:
        read(*args, **keywords)
    return raised.value.problems


# --- reading values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "name", "text", "value"),
    [
        (stream, "workers", "12", 12),
        (stream, "workers", 12, 12),
        (stream, "retries", "0", 0),
        (stream, "max_memory", "64KiB", 65_536),
        (stream, "max_host", "off", None),
        (stream, "backoff", "250ms", 0.25),
        (stream, "backoff", 0, 0.0),
        (stream, "timeout", "1h30m", 5400.0),
        (stream, "timeout", "off", None),
        (stream, "handler", "shop.load:Loader.clicks", "shop.load:Loader.clicks"),
        (stream, "handler", len, len),
        (stream, "command", ["gzip", "-c", ""], ("gzip", "-c", "")),
        (stream, "name", "a.B-1_", "a.B-1_"),
        (stream, "window", 1.5, 1.5),
        (stream, "window", "off", None),
        (stream, "key", "user.größe", "user.größe"),
        (stream, "follow", "no", False),
        (stream, "follow", False, False),
        (stream, "rate", "10/min", 10 / 60),
        (stream, "duration", "off", None),
        (files, "paths", "incoming", ("incoming",)),
        (files, "paths", ["a", "b"], ("a", "b")),
        (files, "strategy", "lpt", "lpt"),
        (files, "strategy", "shop.packing:best", "shop.packing:best"),
        (files, "strategy", sorted, sorted),
        (files, "open_cost", "4KB", 4_000),
        (files, "group", "dir", "dir"),
        (files, "at", "2:05", (2, 5, 0)),
        (files, "once", "true", True),
        (files, "merge_format", "csv", "csv"),
        (engine, "speed", "300", 300.0),
        (engine, "speed", 0.5, 0.5),
        (engine, "drain", "close", "close"),
        (engine, "keep", "7d", 604_800.0),
    ],
)
def test_values_are_read(read, name: str, text: object, value: object) -> None:
    """Text of the command line and values of TOML and Python are read as the same settings."""
    assert getattr(read({name: text}), name) == value


@pytest.mark.parametrize(
    ("read", "name", "value", "problem"),
    [
        (stream, "workers", "0", "workers: expected a whole number of at least 1, found '0'"),
        (stream, "workers", True, "workers: expected a whole number of at least 1, found True"),
        (stream, "workers", "1e3", "workers: expected a whole number of at least 1, found '1e3'"),
        (stream, "workers", [10], "workers: expected a value such as 10, found [10]"),
        (stream, "retries", 1.5, "retries: expected a whole number of at least 0, found 1.5"),
        (stream, "max_memory", "0", "max_memory: expected a size above 0 such as 10MB, found '0'"),
        (stream, "max_memory", "10M", "max_memory: expected a whole number of bytes such as 10MB or 64KiB"),
        (stream, "backoff", "5 apples", "backoff: expected a duration such as 5m, 1h30m or 250ms"),
        (stream, "timeout", "0s", "timeout: expected a duration above 0 such as 5m, found '0s'"),
        (stream, "handler", "shop.load", "handler: expected package.module:function, found 'shop.load'"),
        (stream, "handler", "shop load:x", "handler: expected package.module:function, found 'shop load:x'"),
        (stream, "handler", 7, "handler: expected package.module:function, found 7"),
        (stream, "command", "gzip -c", "command: expected a list of words such as"),
        (stream, "command", [], "command: expected a list of words such as"),
        (stream, "command", ["a\0b"], "command: expected a list of words such as"),
        (stream, "name", "a/b", "name: expected 1 to 64 letters, digits, dashes, underscores or dots among them"),
        (stream, "name", "..", "name: expected 1 to 64 letters"),
        (stream, "source", 5, "source: expected some text, found 5"),
        (stream, "source", "a\0b", "source: expected some text, found 'a\\x00b'"),
        (stream, "key", "", "key: expected some text, found ''"),
        (stream, "key", 'us"er', "key: expected a field that JSON names without an escape, such as user.id"),
        (stream, "follow", "maybe", "follow: expected true or false, found 'maybe'"),
        (stream, "rate", "0/min", "rate: expected a rate above 0 such as 10/min"),
        (files, "paths", [], "paths: expected a path or a list of paths, found []"),
        (files, "paths", ["a", ""], "paths: expected a path or a list of paths, found ['a', '']"),
        (files, "strategy", "best", "strategy: expected one of nf, wff, ff, ffd, bf, bfd, lpt, auto, or package."),
        (files, "group", "folder", "group: expected one of dir, found 'folder'"),
        (files, "at", "24:00", "at: expected a time of day such as 02:00, from 00:00 to 23:59:59, found '24:00'"),
        (files, "at", time(2), "at: expected some text, found datetime.time(2, 0)"),
        (files, "zone", "Mars/Base", "zone: expected a time zone such as Europe/Berlin or UTC, found 'Mars/Base'"),
        (engine, "speed", "0", "speed: expected a number above 0 such as 300, found '0'"),
        (engine, "speed", "inf", "speed: expected a number above 0 such as 300, found 'inf'"),
        (engine, "speed", 10**400, "speed: expected a value such as 300, found 1000"),
        (engine, "keep", 10**400, "keep: expected a value such as 7d, found 1000"),
        (engine, "drain", "now", "drain: expected one of keep, close, found 'now'"),
        (engine, "state", "", "state: expected some text, found ''"),
    ],
)
def test_values_that_cannot_be_read_are_told(read, name: str, value: object, problem: str) -> None:
    """One line says the key, what is expected and what was found."""
    (told,) = problems_of(read, {name: value})

    assert told.startswith(problem)
    assert "\n" not in told


def test_defaults_and_examples_can_be_read() -> None:
    """What the documentation shows as default or example of a setting is a value of that setting."""
    for kind in KINDS:
        for name, option in options_of(kind).items():
            example: object = json.loads(option.example) if option.example.startswith("[") else option.example
            option.read(example, name)
            if option.default is not None:
                assert getattr(kind(), name) == option.read(option.default, name)


# --- what overrides what ----------------------------------------------------------------------------------------------

TOML = """
speed = 2
workers = 3
[[stream]]
source = "-"
window = "1m"
"""


def test_a_file_is_overridden_by_the_environment_and_that_by_the_command_line(mill) -> None:
    """TOML, environment, command line: the later one wins, setting by setting."""
    environment = {"MILLSTREAM_SPEED": "4", "MILLSTREAM_WINDOW": "2m", "MILLSTREAM_DRAIN": "close"}

    from_file = mill(TOML)
    from_environment = mill(TOML, environment=environment)
    from_command_line = mill(TOML, environment=environment, speed="8")

    assert (from_file.engine.speed, from_file.streams[0].window, from_file.engine.drain) == (2.0, 60.0, "keep")
    assert (from_environment.engine.speed, from_environment.streams[0].window) == (4.0, 120.0)
    assert (from_command_line.engine.speed, from_command_line.streams[0].window) == (8.0, 120.0)
    assert from_environment.engine.drain == from_command_line.engine.drain == "close"
    assert from_command_line.streams[0].workers == 3


def test_the_command_line_overrides_the_environment_of_a_pipeline() -> None:
    """Also for what is wrong in the environment."""
    environment = {"MILLSTREAM_WINDOW": "nonsense", "MILLSTREAM_MAX_COUNT": "7"}

    read = stream({"window": "3m"}, environment=environment)

    assert (read.window, read.max_count) == (180.0, 7)


def test_a_variable_that_is_wrong_is_named(mill) -> None:
    """A problem with the environment names the variable, once however many pipelines read it."""
    text = TOML + '[[files]]\npaths = "."\n'

    problems = problems_of(mill, text, environment={"MILLSTREAM_QUEUE": "many"})

    assert problems == ["MILLSTREAM_QUEUE: queue: expected a whole number of at least 1, found 'many'"]


def test_variables_of_a_running_attempt_are_no_settings() -> None:
    """A handler may start a mill of its own: what its environment says of its batch configures nothing."""
    read = stream({}, environment={"MILLSTREAM_BATCH_ID": "clicks-1", "MILLSTREAM_ATTEMPT": "1"})

    assert read == StreamConfig(source="-")


def test_settings_of_work_at_the_top_of_a_file_are_for_all_pipelines(mill) -> None:
    """A pipeline's own value goes first."""
    config = mill(
        """
        workers = 4
        retries = 2
        [[stream]]
        source = "-"
        workers = 6
        [[files]]
        paths = ["a", "b"]
        """
    )

    assert [(pipeline.workers, pipeline.retries) for pipeline in config.pipelines] == [(6, 2), (4, 2)]
    assert config.files[0].paths == ("a", "b")


# --- problems ---------------------------------------------------------------------------------------------------------


def test_all_problems_are_told_together(mill) -> None:
    """Each with its file, its table and its key, those of the whole included."""
    problems = problems_of(
        mill,
        """
        sped = 3
        drain = 5
        workers = "ten"
        [[stream]]
        name = "clicks"
        widow = "5m"
        max_count = "few"
        [[stream]]
        name = "clicks"
        source = "mqtt://localhost/clicks"
        processes = 30
        [[files]]
        verify = true
        merge_to = "lake"
        """,
    )

    assert problems == [
        "mill.toml: sped: unknown key; did you mean 'speed'?",
        "mill.toml: workers: expected a whole number of at least 1, found 'ten'",
        "mill.toml: drain: expected one of keep, close, found 5",
        "mill.toml: stream[0].widow: unknown key; did you mean 'window'?",
        f"mill.toml: stream[0].source: expected {SOURCES}, found nothing",
        "mill.toml: stream[0].max_count: expected a whole number of at least 1, found 'few'",
        "mill.toml: clicks: processes: expected at most as many as workers (10), found 30",
        f"mill.toml: clicks: source: expected {SOURCES}, found 'mqtt://localhost/clicks'",
        "mill.toml: files: merge_to and verify: expected one way to work a batch, found 2",
        "mill.toml: name: 'clicks' is used by more than one pipeline",
    ]


def test_unknown_keys_get_a_suggestion_or_the_known_ones(mill) -> None:
    """A key that is like a known one is taken for it; tables and shared settings are known at the top, too."""
    problems = problems_of(mill, 'worker = 3\nxyz = 1\n[[strem]]\nsource = "-"\n[[files]]\ncolour = "red"\n')

    assert problems[0] == "mill.toml: worker: unknown key; did you mean 'workers'?"
    assert problems[1].startswith("mill.toml: xyz: unknown key; known are stream, files, state, speed, ")
    assert problems[2] == "mill.toml: strem: unknown key; did you mean 'stream'?"
    assert problems[3].startswith("mill.toml: files[0].colour: unknown key; known are workers, processes, queue, ")
    assert len(problems) == 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "mill.toml: expected at least one [[stream]] or [[files]], found none"),
        ("workers = 3", "mill.toml: expected at least one [[stream]] or [[files]], found none"),
        ('[stream]\nsource = "-"', "mill.toml: stream: expected tables written [[stream]], found {'source': '-'}"),
        ("files = 3", "mill.toml: files: expected tables written [[files]], found 3"),
        ("speed = ", "mill.toml: expected TOML: Invalid value (at end of document)"),
        ("a = [" * 5000, "mill.toml: expected TOML: "),
        (f"speed = {'9' * 5000}", "mill.toml: expected TOML: "),
    ],
    ids=["nothing", "no pipeline", "one table", "no table", "no value", "deep", "long number"],
)
def test_files_that_are_no_settings(mill, text: str, problem: str) -> None:
    """One line says what is wrong with the file."""
    (told,) = problems_of(mill, text)

    assert told.startswith(problem)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are no UTF-8 are problems of the configuration."""
    (tmp_path / "latin.toml").write_bytes(b'state = "\xe4"')

    def read(name: str) -> None:
        read_toml(tmp_path / name, environment={}, overrides={})

    assert problems_of(read, "missing.toml") == [f"{tmp_path}/missing.toml: cannot be read: No such file or directory"]
    assert problems_of(read, "") == [f"{tmp_path}: cannot be read: Is a directory"]
    assert problems_of(read, "latin.toml")[0].startswith(f"{tmp_path}/latin.toml: expected TOML: 'utf-8' codec")


# --- what goes together -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "values", "problem"),
    [
        (stream, {"source": "sim:files"}, f"stream: source: expected {SOURCES}, found 'sim:files'"),
        (
            stream,
            {"source": "kafka://localhost"},
            (
                "stream: source: expected a topic at the end, as in kafka://localhost:9092/clicks, "
                "found 'kafka://localhost'"
            ),
        ),
        (
            stream,
            {"source": "amqp://me:secret@localhost"},
            (
                "stream: source: expected a queue at the end, as in amqp://localhost/orders or "
                "amqp://localhost/vhost/orders, found 'amqp://localhost'"
            ),
        ),
        (
            stream,
            {"source": "amqp://me:secret@localhost/orders", "follow": True},
            "stream: follow: expected a file as source, found 'amqp://localhost/orders'",
        ),
        (
            stream,
            {"from": "latest"},
            "stream: from: expected a source kafka://HOST:PORT/TOPIC, found '-'",
        ),
        (
            stream,
            {"group": "lag"},
            "stream: group: expected a source kafka://HOST:PORT/TOPIC, found '-'",
        ),
        (
            stream,
            {"from": "soon"},
            (
                "from: expected earliest, latest or a time such as 2025-07-20T12:00:00Z, 2025-07-20 (UTC) "
                "or Unix seconds, found 'soon'"
            ),
        ),
        (stream, {"follow": True}, "stream: follow: expected a file as source, found '-'"),
        (
            stream,
            {"source": "sim:messages", "follow": True},
            "stream: follow: expected a file as source, found 'sim:messages'",
        ),
        (
            stream,
            {"handler": "a:b", "command": ["c"]},
            "stream: handler and command: expected one way to work a batch, found 2",
        ),
        (
            stream,
            {"workers": 2, "processes": 3},
            "stream: processes: expected at most as many as workers (2), found 3",
        ),
        (
            files,
            {"copy_to": "a", "merge_to": "b", "handler": "a:b"},
            "files: copy_to and merge_to and handler: expected one way to work a batch, found 3",
        ),
        (files, {"at": "02:00", "every": "1h"}, "files: at and every: expected one of them, found 2"),
        (files, {"at": "00:00", "once": True}, "files: at and once: expected one of them, found 2"),
        (files, {"every": "1h", "once": True}, "files: every and once: expected one of them, found 2"),
        (files, {"zone": "UTC"}, "files: zone: expected together with at, found alone"),
    ],
)
def test_settings_that_do_not_go_together(read, values: Mapping[str, object], problem: str) -> None:
    """Settings that are each right by themselves may still contradict each other."""
    assert problems_of(read, values) == [problem]


def test_only_one_stream_reads_standard_input(mill) -> None:
    """Two could not share it."""
    problems = problems_of(mill, '[[stream]]\nname="a"\nsource="-"\n[[stream]]\nname="b"\nsource="-"\n')

    assert problems == ["mill.toml: source: standard input can feed only one stream"]


def test_a_file_with_a_colon_in_its_name_is_a_source() -> None:
    """Only what looks like an address or a simulation is refused."""
    assert stream({"source": "log:2026.jsonl", "follow": True}).source == "log:2026.jsonl"


# --- whatever comes ---------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["-", "off", "5m", "10MB", "02:00", "a:b", "dir", "UTC", "sim:messages", "kafka://x"])
    | st.times()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
NAMES = sorted({name for kind in KINDS for name in options_of(kind)})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_written_is_read_or_told(mill, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    """Any value under any key is either a setting or a line of a ConfigurationError, never another exception."""
    names = st.sampled_from([*NAMES, "stream", "files", "other"])
    tables = st.lists(st.dictionaries(names, VALUES, max_size=4), max_size=2)
    document = data.draw(st.dictionaries(names, VALUES, max_size=3))
    document |= data.draw(st.fixed_dictionaries({}, optional={"stream": tables | VALUES, "files": tables | VALUES}))
    monkeypatch.setattr("millstream.config.reading.tomllib.loads", lambda _: document)

    problems = []
    try:
        assert mill("").pipelines
    except ConfigurationError as error:
        problems = error.problems

    assert len(set(problems)) == len(problems)
    assert all(problem.startswith("mill.toml: ") and "\n" not in problem for problem in problems)


@settings(max_examples=200, deadline=None)
@given(
    values=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12), max_size=5),
    kind=st.sampled_from([StreamConfig, FilesConfig]),
)
def test_whatever_stands_in_the_environment_is_read_or_told(values: Mapping[str, str], kind) -> None:
    """Any text in any variable is either a setting or a problem that names the variable."""
    environment = {f"MILLSTREAM_{name.upper()}": text for name, text in values.items()}
    known = {*options_of(kind), *options_of(EngineConfig)}
    names = [f"MILLSTREAM_{name.upper()}" for name in values if name in known]

    problems = []
    try:
        read_pipeline(kind, {"source": "-"} if kind is StreamConfig else {}, engine={}, environment=environment)
    except ConfigurationError as error:
        problems = error.problems

    assert names or not problems
    assert all(problem.startswith((*names, "stream: ", "files: ")) for problem in problems)


# --- one word everywhere ----------------------------------------------------------------------------------------------


def test_the_command_line_has_an_option_for_every_setting() -> None:
    """Its name is the key with dashes; flags take no value; what was not given is not there."""
    parser = argparse.ArgumentParser()
    for kind in (EngineConfig, StreamConfig):
        add_settings(parser, kind, title="", without=options_of(WorkConfig))
    add_settings(parser, WorkConfig, title="")

    args = parser.parse_args(["--max-count", "7", "--follow", "--workers", "3"])

    assert given_on_the_command_line(args, StreamConfig) == {"max_count": "7", "follow": True, "workers": "3"}
    assert given_on_the_command_line(args, EngineConfig) == {}
