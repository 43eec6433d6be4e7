"""Settings of pipelines whose batches are worked on other machines."""

from pathlib import Path

import pytest

from millstream.config.elsewhere import has_service, read_bench, read_run
from millstream.errors import ConfigurationError

STREAM = '[[stream]]\nname = "clicks"\nsource = "kafka://localhost/clicks"\n'
FILES = '[[files]]\nname = "nightly"\npaths = ["incoming/"]\n'
TOP = 'dispatcher = "rabbitmq"\nledger = "postgresql://mill@db/mill"\nbroker = "amqp://rabbit"\n'
PAYLOADS = 'payloads = "s3://bucket/payloads"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mill.toml"


def problems_of(file: Path, text: str, *, is_worker: bool = False) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read_run(file, environment={}, overrides={}, is_worker=is_worker)
    return [problem.removeprefix(f"{file}: ") for problem in raised.value.problems]


def test_engine_and_workers_read_the_same_file(file: Path) -> None:
    """Tables and keys of other commands may stand in it, too."""
    file.write_text(f'{TOP}{PAYLOADS}{STREAM}[[container]]\nname = "test"\naddress = "data/"\n[serve]\nworkers = 2\n')

    config, elsewhere = read_run(file, environment={}, overrides={})
    bench, payload = read_bench(file, environment={})

    assert elsewhere.dispatch.dispatcher == "rabbitmq"
    assert elsewhere.payload == payload
    assert payload.payloads == "s3://bucket/payloads"
    assert config.streams == bench.streams
    assert has_service(file)


def test_without_pipelines_there_is_nothing_to_bring(file: Path) -> None:
    """A worker of the ingestion service alone needs no payloads."""
    file.write_text(TOP)

    bench, payload = read_bench(file, environment={})

    assert bench.pipelines == ()
    assert payload.payloads is None
    assert has_service(file)


def test_a_file_of_pipelines_alone_is_no_service(file: Path) -> None:
    """So its workers wait for no ingestions."""
    file.write_text(f"{TOP}{PAYLOADS}{STREAM}")

    assert not has_service(file)


def test_without_a_dispatcher_everything_is_as_ever(file: Path) -> None:
    """In one process."""
    file.write_text(STREAM + FILES)

    _, elsewhere = read_run(file, environment={}, overrides={})

    assert elsewhere.dispatch.is_embedded


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TOP + STREAM, "payloads: expected a store that all machines reach, such as s3://BUCKET/payloads"),
        (PAYLOADS + STREAM, 'payloads: expected with dispatcher "rabbitmq" or "temporal", found it with "embedded"'),
        (
            TOP + FILES,
            "nightly: paths: expected s3:// or az://, or a folder that all machines have under the same name",
        ),
        (f"speed = 2\n{TOP}{PAYLOADS}{STREAM}", "speed: expected 1"),
        (f'dashboard = "127.0.0.1:1"\n{TOP}{PAYLOADS}{STREAM}', "dashboard: expected with dispatcher"),
        (
            f'dispatcher = "temporal"\nledger = "postgresql://db/mill"\n{PAYLOADS}{STREAM}',
            "temporal: expected HOST:PORT",
        ),
        (f'{TOP}payloads = "gs://bucket"\n{STREAM}', "payloads: expected a folder, s3://BUCKET[/PREFIX]"),
        (f"{TOP}{PAYLOADS}wrong = 1\n{STREAM}", "wrong: unknown key"),
    ],
)
def test_what_workers_could_not_reach_is_refused(file: Path, text: str, problem: str) -> None:
    """In one line that says what is expected."""
    (found,) = problems_of(file, text)

    assert found.startswith(problem)


def test_all_problems_are_told_together(file: Path) -> None:
    """Those of the pipelines and those of the dispatcher."""
    found = problems_of(file, 'dispatcher = "pigeons"\nsped = 1\n' + STREAM)

    assert len(found) == 2


def test_shared_folders_and_object_stores_are_fine(file: Path) -> None:
    """Both are where all machines find them."""
    file.write_text(f'{TOP}{FILES}shared = true\n[[files]]\nname = "far"\npaths = ["s3://bucket/in"]\n')

    config, _ = read_run(file, environment={}, overrides={})

    assert [files.name for files in config.files] == ["nightly", "far"]
