"""The settings of the service."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.config.serving import Serving, read_serving
from millstream.config.serving_values import Listen, read_listen
from millstream.errors import ConfigurationError, InvalidValueError

SHA = "ab" * 32
KEY = f'[[key]]\nname = "alice"\nsha256 = "{SHA}"\ncontainers = ["test"]\n'
CONTAINER = '[[container]]\nname = "test"\naddress = "s3://bucket/prefix"\n'


def read(
    toml: str | None = None,
    *,
    folder: Path | None = None,
    containers: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
    **values: object,
) -> Serving:
    """The settings of that file, command line and environment."""
    path = None
    if toml is not None:
        assert folder is not None
        path = folder / "mill.toml"
        path.write_text(toml)
    return read_serving(values, engine={}, containers=containers, path=path, environment=environment or {})


def problems(toml: str | None = None, **more: Any) -> list[str]:
    """What is wrong with the settings."""
    with pytest.raises(ConfigurationError) as caught:
        read(toml, **more)
    return caught.value.problems


def test_nothing_has_to_be_said() -> None:
    """Without any setting the service listens on this machine, reads an inbox and writes beside it."""
    serving = read()

    assert str(serving.serve.listen) == "127.0.0.1:8080"
    assert serving.serve.workers == 4
    assert serving.serve.chunk == 4_000_000
    assert [container.name for container in serving.containers] == ["inbox"]
    assert serving.containers[0].address.endswith(".millstream/inbox")
    assert serving.sink == ".millstream/out"
    assert serving.keys == ()


def test_the_file_the_environment_and_the_command_line(tmp_path: Path) -> None:
    """The command line goes before the environment, that before the file; containers are added by name."""
    toml = f'state = "st"\n[serve]\nworkers = 2\nchunk = "1MB"\nto = "out/"\n{CONTAINER}{KEY}'
    serving = read(
        toml,
        folder=tmp_path,
        containers=("test=local/", "more=az://box"),
        environment={"MILLSTREAM_WORKERS": "3", "MILLSTREAM_CHUNK": "2MB"},
        chunk="3MB",
    )

    assert serving.engine.state == "st"
    assert (serving.serve.workers, serving.serve.chunk, serving.sink) == (3, 3_000_000, "out/")
    assert [container.name for container in serving.containers] == ["test", "more"]
    assert serving.containers[0].address == str(Path("local").absolute())
    assert serving.containers[1].address == "az://box"
    assert (serving.keys[0].name, serving.keys[0].containers, serving.keys[0].operator) == ("alice", ("test",), False)


def test_pipelines_in_the_same_file_are_left_alone(tmp_path: Path) -> None:
    """A file may hold what `millstream run` reads; a key that nobody reads is a problem with a hint."""
    read(f'dispatcher = "embedded"\n[[stream]]\nname = "clicks"\nsource = "-"\n{CONTAINER}', folder=tmp_path)

    assert "did you mean 'container'?" in problems("[[contianer]]\n", folder=tmp_path)[0]
    assert "did you mean 'workers'?" in problems("[serve]\nworker = 3\n", folder=tmp_path)[0]


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.8.9.10:1", "8080"])
def test_this_machine_needs_no_keys(listen: str) -> None:
    """An address that only this machine reaches can do without keys."""
    assert read(listen=listen).serve.listen.is_loopback


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "mill.example.org:1", "localhost.example.org:1"]
)
def test_other_machines_need_keys(tmp_path: Path, listen: str) -> None:
    """Without keys no other machine may reach the service; with keys it may."""
    (problem,) = problems(listen=listen)

    assert "no keys" in problem
    assert "millstream key" in problem
    assert not read(CONTAINER + KEY, folder=tmp_path, listen=listen).serve.listen.is_loopback


def test_a_password_is_not_kept_in_a_file(tmp_path: Path) -> None:
    """An address with a password in the file is refused without repeating it; in the environment it is fine."""
    (problem,) = problems('[serve]\nto = "amqp://user:secret@host/queue"\n', folder=tmp_path)

    assert "MILLSTREAM_TO" in problem
    assert "secret" not in problem
    address = "amqp://user:secret@host/queue"
    assert read(environment={"MILLSTREAM_TO": address}).sink == address


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[[container]]\nname = "Test"\naddress = "x"\n', "container[0].name: expected 1 to 63"),
        ('[[container]]\nname = "test"\n', "container[0].address: expected"),
        ('[[container]]\nname = "test"\naddress = "ftp://x"\n', "container[0].address: expected"),
        ('[[container]]\nname = "test"\naddress = "s3://key:secret@bucket"\n', "credentials"),
        (CONTAINER + CONTAINER, "'test' is there 2 times"),
        ("container = 3\n", "[[container]]"),
        ("serve = 3\n", "[serve]"),
        (CONTAINER + KEY + KEY, "key: name: expected another"),
        (KEY, "containers: expected names of containers, found 'test'"),
        ('[[key]]\nname = "a"\nsha256 = "the-key-itself"\ncontainers = ["*"]\n', "64 hexadecimal digits"),
        ('[[key]]\nname = "a"\n', "sha256: expected"),
        ("[serve]\nworkers = 1\nprocesses = 2\n", "processes: expected at most as many as workers"),
        ('[serve]\nchunk = "1GB"\n', "1KB to 64MB"),
        ("[serve\n", "expected TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, toml: str, said: str) -> None:
    """Each problem names the file, the table and the key; what may be a secret is not repeated."""
    found = problems(toml, folder=tmp_path)

    assert any(said in problem for problem in found)
    assert all(str(tmp_path) in problem for problem in found)
    assert not any("the-key-itself" in problem or ":secret" in problem for problem in found)


@given(host=st.ip_addresses(), port=st.integers(0, 65_535))
def test_an_address_is_read_as_it_is_shown(host: Any, port: int) -> None:
    """What is shown of an address can be read again."""
    listen = Listen(host=str(host), port=port)

    assert read_listen(str(listen), "listen") == listen


@pytest.mark.parametrize(
    "text", ["", ":", "a:", "a:b", "a:65536", "a:-1", "::1:80", "http://a:80", "a b:80", True, 1.5]
)
def test_what_is_no_address(text: object) -> None:
    """What names no host and port is refused."""
    with pytest.raises(InvalidValueError):
        read_listen(text, "listen")
