"""Which ledger a command means: the nearest word counts."""

import argparse
from pathlib import Path

import pytest

from millstream.cli.place import Place, place_of
from millstream.errors import ConfigurationError, InvalidValueError

SHARED = "postgresql://mill:secret@db:5433/mill?sslmode=require&password=secret"
GROWN = 'dispatcher = "rabbitmq"\nledger = "postgresql://mill@db/mill"\n'


def place(
    *, config: Path | None = None, ledger: str | None = None, state: str | None = None, **environment: str
) -> Place:
    """What is meant by these options and variables."""
    args = argparse.Namespace(config=None if config is None else str(config), ledger=ledger, state=state)
    return place_of(args, environment={f"MILLSTREAM_{name}": value for name, value in environment.items()})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a grown service whose broker is known to the machines of the service alone."""
    path = tmp_path / "mill.toml"
    path.write_text(f'{GROWN}state = "own"\n[serve]\nto = "out"\n')
    return path


def test_the_default_is_the_state_folder() -> None:
    """Without a word it is the folder that engines use."""
    assert place() == Place(folder=".millstream")
    assert place(STATE="there") == Place(folder="there")


def test_the_environment_names_a_shared_ledger() -> None:
    """MILLSTREAM_LEDGER goes before MILLSTREAM_STATE, and a folder that is said on the command line before both."""
    assert place(LEDGER=SHARED, STATE="there").address == SHARED
    assert place(LEDGER=SHARED, state="here") == Place(folder="here")


def test_an_address_goes_before_the_environment() -> None:
    """What is typed now is meant."""
    other = "postgresql://mill@other/mill"

    assert place(ledger=other, LEDGER=SHARED).address == other


def test_an_address_can_be_that_of_a_state_folder() -> None:
    """The ledger of a state folder has an address, too, and is one of the folder."""
    assert place(ledger="sqlite:here/ledger.db") == Place(folder="here")
    with pytest.raises(InvalidValueError, match=r"--ledger: expected postgresql://.* or sqlite:STATE/ledger.db"):
        place(ledger="sqlite:here/other.db")


@pytest.mark.parametrize("address", ["mysql://mill:secret@db/mill", "postgresql://mill:secret@[::1/mill", "db/mill"])
def test_what_is_no_address_is_told_without_its_password(address: str) -> None:
    """In one line that says what was expected."""
    with pytest.raises(InvalidValueError, match=r"--ledger: expected postgresql://") as refused:
        place(ledger=address)

    assert "secret" not in str(refused.value)


def test_a_state_folder_and_an_address_are_two_ledgers() -> None:
    """Both on one command line are refused."""
    with pytest.raises(ConfigurationError, match=r"^--ledger: expected without --state"):
        place(ledger=SHARED, state="here")


def test_the_file_of_a_service_names_its_ledger(file: Path) -> None:
    """A broker that only the service has the password of is not asked for; MILLSTREAM_LEDGER goes before the file."""
    assert place(config=file).address == "postgresql://mill@db/mill"
    assert place(config=file, LEDGER=SHARED).address == SHARED


def test_the_file_of_one_machine_names_its_folder(file: Path) -> None:
    """Its `state`, unless the environment or the command line says another."""
    file.write_text('state = "own"\n[[stream]]\nsource = "-"\n')

    assert place(config=file) == Place(folder="own")
    assert place(config=file, STATE="there") == Place(folder="there")
    assert place(config=file, STATE="there", state="here") == Place(folder="here")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('dispatcher = "rabbitmq"', "ledger: expected postgresql://..., which all machines reach"),
        ('ledger = "postgresql://mill@db/mill"', "ledger: expected sqlite:.*with dispatcher 'embedded'"),
        (f'{GROWN}lease = "soon"', "lease: expected"),
        ('ledger = "postgresql://mill:secret@db/mill"', "ledger: expected no password in the file"),
        ('dispatcher = "rabbitmq"\nledger = "postgresql://[::1/mill"', "ledger: expected .*postgresql://"),
        ("ledger = ", "expected TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused(file: Path, text: str, problem: str) -> None:
    """As by the processes that read it, with its name."""
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=f"mill.toml: .*{problem}") as refused:
        place(config=file)
    assert "secret" not in str(refused.value)


def test_what_is_shown_has_no_secret() -> None:
    """Neither user nor password nor options."""
    assert place(ledger=SHARED).shown == place(ledger=SHARED).ledger == "postgresql://db:5433/mill"
    assert "secret" not in repr(place(ledger=SHARED))
    assert place(state="here").ledger == "sqlite:here/ledger.db"
