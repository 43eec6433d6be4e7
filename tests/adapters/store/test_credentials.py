"""Files of credentials."""

from pathlib import Path

import pytest

from millstream.adapters.store import read_credentials
from millstream.errors import CredentialsError

SECRET = "verysecret"  # noqa: S105 - it is none


def written(path: Path, text: str, *, mode: int = 0o600) -> Path:
    """A file of credentials."""
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "aws_access_key_id = me\naws_secret_access_key = verysecret\nregion = eu-west-1\n",
        "[default]\naws_access_key_id=me\naws_secret_access_key=verysecret\nregion=eu-west-1\n[other]\nx=y\n",
        "# nightly\n\n[default]\nAWS_ACCESS_KEY_ID = me\nAWS_SECRET_ACCESS_KEY = verysecret\naws_region=eu-west-1",
        'aws_access_key_id = "me"\naws_secret_access_key = "verysecret"\nregion = "eu-west-1"\n',
        '[default]\naws_access_key_id = "me"\naws_secret_access_key = "verysecret"\naws_region = "eu-west-1"\n',
        "\ufeffaws_access_key_id = me\naws_secret_access_key = verysecret\nregion = eu-west-1\n",
    ],
)
def test_ini_and_toml_are_read(tmp_path: Path, text: str) -> None:
    """With or without a section, in small or capital letters."""
    assert read_credentials(written(tmp_path / "keys", text)) == {
        "aws_access_key_id": "me",
        "aws_secret_access_key": SECRET,
        "aws_region": "eu-west-1",
    }


def test_a_key_may_have_any_signs(tmp_path: Path) -> None:
    """Such as those of base64 and of a signature, without interpolation."""
    text = "azure_storage_account_key = a+b/c==\nazure_storage_sas_token = ?sv=1&sig=%2Bx%3D; y\n"

    assert read_credentials(written(tmp_path / "keys", text)) == {
        "azure_storage_account_key": "a+b/c==",
        "azure_storage_sas_token": "?sv=1&sig=%2Bx%3D; y",
    }


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The error says what to do; a group that only reads is fine."""
    path = written(tmp_path / "keys", f"aws_secret_access_key = {SECRET}\n", mode=mode)

    with pytest.raises(CredentialsError, match=rf"found mode {mode:o}; run `chmod 600`"):
        read_credentials(path)
    path.chmod(0o440)
    assert read_credentials(path) == {"aws_secret_access_key": SECRET}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        f"{SECRET}\n",
        f"[other]\naws_secret_access_key = {SECRET}\n",
        f"aws_secret_access_key = {SECRET}\npassword = {SECRET}\n",
        f"[default\naws_secret_access_key = {SECRET}\n",
        f"aws_secret_access_key = {SECRET}\naws_secret_access_key = {SECRET}\n",
        f'aws_secret_access_key = "{SECRET}"\naws_region = 5\n',
        f"aws_secret_access_key: {SECRET}\n",
    ],
)
def test_what_is_something_else_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    """In one line that names the file."""
    path = written(tmp_path / "keys", text)

    with pytest.raises(CredentialsError) as raised:
        read_credentials(path)

    assert str(path) in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Whether it is missing, a folder, not text or much too long."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\xfd")
    binary.chmod(0o600)
    long = written(tmp_path / "long", "a" * 100_000)

    for path in (tmp_path / "missing", tmp_path, binary, long):
        with pytest.raises(CredentialsError, match=path.name):
            read_credentials(path)
