"""The zone of the machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from millstream.adapters import localzone
from millstream.adapters.localzone import local_zone

SUMMER = datetime(2026, 7, 1)  # noqa: DTZ001 - a local time


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any setting; returns where its /etc/localtime would be."""
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(localzone, "LOCALTIME", tmp_path / "localtime")
    return tmp_path / "localtime"


def write_zone(path: Path, *, hours: int) -> None:
    """Write the zone file of a zone that is always so many hours from UTC."""
    seconds = (hours * 3600).to_bytes(4, "big", signed=True)
    header = b"TZif" + bytes(16) + b"".join(n.to_bytes(4, "big") for n in (0, 0, 0, 0, 1, 4))
    path.write_bytes(header + seconds + b"\0\0" + b"LMT\0")


@pytest.mark.parametrize("name", ["Europe/Zurich", ":Europe/Zurich"])
def test_the_environment_names_the_zone(monkeypatch: pytest.MonkeyPatch, machine: Path, name: str) -> None:
    """`TZ` goes before /etc/localtime, with or without the colon."""
    write_zone(machine, hours=5)
    monkeypatch.setenv("TZ", name)

    assert local_zone() == ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize("name", ["", ":", "Mars/Base", "/etc/localtime", "../../etc/passwd", "Europe"])
def test_a_name_that_is_no_zone_is_passed_over(monkeypatch: pytest.MonkeyPatch, machine: Path, name: str) -> None:
    """Then the machine's file says which it is."""
    write_zone(machine, hours=5)
    monkeypatch.setenv("TZ", name)

    assert local_zone().utcoffset(SUMMER) == timedelta(hours=5)


def test_without_any_setting_it_is_utc() -> None:
    """A machine in a container may have no /etc/localtime."""
    assert local_zone() is UTC


def test_a_file_that_is_no_zone_is_passed_over(machine: Path) -> None:
    """It is UTC then, and no crash at two in the morning."""
    machine.write_text("no zone")

    assert local_zone() is UTC
