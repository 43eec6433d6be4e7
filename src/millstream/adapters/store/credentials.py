"""Files of credentials.

Theory of operation: such a file holds `name = value` lines, in INI (as in `~/.aws/credentials`, the section
`[default]` or none) or in TOML. The names are those of the environment in small letters: `aws_access_key_id`,
`aws_secret_access_key`, `aws_session_token`, `aws_region`, `aws_endpoint_url`; `azure_storage_account_name`,
`azure_storage_account_key`, `azure_storage_sas_token`, `azure_storage_endpoint`; and so on. No message ever repeats a
value, or a line that cannot be read.
"""

import configparser
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from millstream.errors import CredentialsError

LARGEST_BYTES = 64 << 10
_SECTION = "default"
_OTHER_NAMES = {"region": "aws_region", "endpoint_url": "aws_endpoint_url"}
_FAMILIES = ("aws_", "azure_")


def read_credentials(path: Path) -> dict[str, str]:
    """The credentials of a file, by names such as `aws_access_key_id`.

    Raises CredentialsError when it cannot be read, when others than its owner and its group may read it (or others
    than its owner write), or when it holds something else.
    """
    text = _read(path)
    found = {_OTHER_NAMES.get(name.lower(), name.lower()): value for name, value in _parse(path, text).items()}
    strangers = [name for name in found if not name.startswith(_FAMILIES)]
    if strangers:
        raise _wrong(path, expected="names that begin with aws_ or azure_", found=f"{strangers[0]!r}")
    if not found:
        raise _wrong(path, expected="lines such as aws_access_key_id = ...", found="none")
    return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _wrong(path, expected="a file", found="something else")
            if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
                mode = stat.S_IMODE(status.st_mode)
                raise _wrong(
                    path, expected="a file that others cannot read", found=f"mode {mode:o}; run `chmod 600` on it"
                )
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _wrong(path, expected="a file that can be read", found=error.strerror or "none") from None
    if len(data) > LARGEST_BYTES:
        raise _wrong(path, expected=f"at most {LARGEST_BYTES} bytes", found="more")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(path, expected="text in UTF-8", found="other bytes") from None


def _parse(path: Path, text: str) -> Mapping[str, str]:
    try:
        document: dict[str, object] = tomllib.loads(text)
    except ValueError:
        return _parse_ini(path, text)
    section = document.get(_SECTION)
    if isinstance(section, dict):
        document = section
    values = {name: value for name, value in document.items() if isinstance(value, str)}
    if len(values) < len(document):
        raise _wrong(path, expected=f"text for every name, in [{_SECTION}] or no section", found="other values")
    return values


def _parse_ini(path: Path, text: str) -> Mapping[str, str]:
    parser = configparser.RawConfigParser(delimiters=("=",), default_section="")
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError:
        return _parse_ini(path, f"[{_SECTION}]\n{text}")
    except configparser.Error:  # its text repeats the line
        raise _wrong(path, expected="lines such as aws_access_key_id = ...", found="other text") from None
    if not parser.has_section(_SECTION):
        raise _wrong(path, expected=f"a section [{_SECTION}]", found="others only" if parser.sections() else "nothing")
    return dict(parser.items(_SECTION))


def _wrong(path: Path, *, expected: str, found: str) -> CredentialsError:
    return CredentialsError(path=str(path), expected=expected, found=found)
