"""Which dispatcher goes with which ledger and broker, and where passwords may stand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.config.dispatching import (
    DispatchConfig,
    check_dispatching,
    read_broker,
    read_dispatching,
    read_ledger,
    read_target,
)
from millstream.config.reader import Reader
from millstream.config.working import read_working
from millstream.errors import ConfigurationError, InvalidValueError

POSTGRES = "postgresql://mill@db/mill"
RABBIT = "amqp://rabbit"
HERE = {"dispatcher": "rabbitmq", "ledger": POSTGRES, "broker": RABBIT}


def read(document: dict[str, object], environment: dict[str, str] | None = None) -> tuple[DispatchConfig, list[str]]:
    """What is read, and what is wrong with it."""
    reader = Reader(environment or {})
    return read_dispatching(document, reader), reader.problems


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"dispatcher": "embedded", "ledger": "sqlite:state/ledger.db"},
        HERE,
        {"dispatcher": "temporal", "ledger": "postgres://db/mill", "temporal": "temporal:7233"},
        {"dispatcher": "temporal", "ledger": POSTGRES, "temporal": "[::1]:7233", "broker": RABBIT},
    ],
)
@pytest.mark.parametrize("is_worker", [False, True])
def test_what_goes_together(document: dict[str, object], is_worker: bool) -> None:
    """What can work is taken as it is; only a worker needs other machines."""
    config, problems = read(document)

    found = check_dispatching(config, state="state", is_worker=is_worker)

    assert problems == []
    assert bool(found) == (is_worker and config.is_embedded)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"dispatcher": "rabbitmq"}, ["ledger: expected postgresql://", "broker: expected amqp://HOST"]),
        ({"dispatcher": "temporal", "ledger": "sqlite:l.db"}, ["ledger: expected postgresql://", "temporal: expected"]),
        ({"ledger": POSTGRES}, ["two engines on one database would take each other's work"]),
        ({"ledger": "sqlite:elsewhere/ledger.db"}, ["it lies in the state folder"]),
        ({"broker": RABBIT, "temporal": "t:1", "scratch": "s3://b"}, ["broker:", "temporal:", "scratch:"]),
        ({**HERE, "temporal": "t:1"}, ['expected with dispatcher "temporal" alone']),
        ({**HERE, "lease": "1s"}, ["lease: expected at least 3 s"]),
    ],
)
def test_what_does_not(document: dict[str, object], expected: list[str]) -> None:
    """Every combination that cannot work is told, all problems at once."""
    config, problems = read(document)
    assert problems == []

    found = check_dispatching(config, state="state")

    assert len(found) == len(expected)
    assert all(text in line for text, line in zip(expected, found, strict=True))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("ledger", "postgresql://mill:secret@db/mill"),
        ("ledger", "postgresql://mill@db/mill?password=secret"),
        ("broker", "amqp://mill:secret@rabbit"),
    ],
)
def test_passwords_stand_elsewhere(name: str, address: str, tmp_path: Path) -> None:
    """A password in the file is refused without being repeated; the environment and a file of its own may have it."""
    config, problems = read({**HERE, name: address})
    assert len(problems) == 1
    assert f"MILLSTREAM_{name.upper()}" in problems[0]
    assert "secret" not in problems[0]
    assert getattr(config, name) is None

    config, problems = read(
        {**HERE, name: POSTGRES if name == "ledger" else RABBIT}, {f"MILLSTREAM_{name.upper()}": address}
    )
    assert (problems, getattr(config, name)) == ([], address)

    (tmp_path / "secret").write_text(f"{address}\n")
    document = {key: value for key, value in HERE.items() if key != name} | {f"{name}_file": str(tmp_path / "secret")}
    config, problems = read(document)
    assert (problems, getattr(config, name)) == ([], address)


def test_a_file_that_says_nothing(tmp_path: Path) -> None:
    """A file of an address that is missing, empty or no address is told by its name."""
    (tmp_path / "empty").write_text("")
    (tmp_path / "wrong").write_text("mysql://u:secret@db")
    for name in ("missing", "empty", "wrong"):
        _, problems = read({"ledger_file": str(tmp_path / name)})
        assert len(problems) == 1
        assert name in problems[0]
        assert "secret" not in problems[0]
    _, problems = read({"ledger": POSTGRES, "ledger_file": str(tmp_path / "wrong")})
    assert any("found both" in problem for problem in problems)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_told(text: str) -> None:
    """Whatever stands there, it is read or refused in one line, never anything else."""
    for reader in (read_ledger, read_broker, read_target):
        told = "x: expected"
        try:
            reader(text, "x")
        except InvalidValueError as error:
            told = str(error)
        assert told.startswith("x: expected")


def test_a_worker_tells_everything_at_once(tmp_path: Path) -> None:
    """All mistakes of a worker's file are told together, with the file's name."""
    path = tmp_path / "mill.toml"
    path.write_text(
        'dispatcher = "temporl"\nledger = "mysql://db"\nlisten = 3\n[serve]\nworkers = 0\n[[container]]\nname = "A"\n'
    )

    with pytest.raises(ConfigurationError) as caught:
        read_working(path, values={}, engine={}, environment={})

    told = "\n".join(caught.value.problems)
    for word in ("dispatcher", "ledger", "listen", "workers", "container"):
        assert word in told


def test_a_worker_needs_others(tmp_path: Path) -> None:
    """A worker of an embedded service is refused: it has nobody to work for."""
    path = tmp_path / "mill.toml"
    path.write_text('[[container]]\nname = "test"\naddress = "data"\n')

    with pytest.raises(ConfigurationError, match='expected "rabbitmq" or "temporal" for `millstream worker`'):
        read_working(path, values={}, engine={}, environment={})
