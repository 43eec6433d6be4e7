"""Which scanner counts, with and without the compiled package."""

import pickle
import sys
from pathlib import Path

import pytest

from counting.frames.kinds import need_native
from millstream.core.native import PACKAGE, VERSION
from millstream.counting.frames import choosing
from millstream.counting.frames.choosing import choose_scanner
from millstream.errors import NativeScannerError

CRATE = Path(__file__).parents[3] / "native/Cargo.toml"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as a file of Python that is found first."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    file = tmp_path / f"{PACKAGE}.py"
    yield file
    sys.modules.pop(PACKAGE, None)


def test_the_version_is_that_of_the_crate() -> None:
    """What is built from this checkout fits to it."""
    assert f'[workspace.package]\nversion = "{VERSION}"\n' in CRATE.read_text(encoding="utf-8")


def test_the_installed_one_is_chosen_by_itself() -> None:
    """And scans, under its name."""
    need_native()

    choice = choose_scanner()

    assert (choice.name, choice.remark) == ("native", None)
    assert choice.maker(uid="uid", ts="ts")().name == "native"


def test_python_is_always_there() -> None:
    """Whatever is installed, it can be asked for, and its maker goes to other processes."""
    choice = choose_scanner("python")

    maker = pickle.loads(pickle.dumps(choice.maker(uid="id", ts="at")))  # noqa: S301 - of our own

    assert maker().name == "python"


def test_without_the_package_python_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word, as nothing is wrong; only who asks for the native one is told."""
    monkeypatch.setitem(sys.modules, PACKAGE, None)

    choice = choose_scanner("auto")

    assert (choice.name, choice.remark) == ("python", None)
    with pytest.raises(NativeScannerError) as refused:
        choose_scanner("native")
    assert str(refused.value) == (
        "scanner: expected native to be installed, found none; "
        "build it with `make native`, or count with --scanner python"
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('VERSION = "0.0.9"\n', f"expected version {VERSION}, found version 0.0.9"),
        ("", "found version unknown"),
        ('raise ImportError("made for another interpreter")\n', "(made for another interpreter)"),
        ("import package_that_nobody_has\n", "(No module named 'package_that_nobody_has')"),
    ],
    ids=["another version", "no version", "does not load", "lacks something"],
)
def test_one_that_does_not_fit_is_told(package: Path, content: str, found: str) -> None:
    """Python counts with a line that says why and what to do; asked for by name it is an error."""
    package.write_text(content, encoding="utf-8")

    choice = choose_scanner("auto")

    assert choice.name == "python"
    assert choice.remark is not None
    assert found in choice.remark
    assert "build it again with `make native`" in choice.remark
    assert choice.remark.endswith("; the scanner in Python counts")
    assert "\n" not in choice.remark
    with pytest.raises(NativeScannerError) as refused:
        choose_scanner("native")
    assert found in str(refused.value)


def test_the_choices_are_those_of_the_setting() -> None:
    """The words on the command line are the words here."""
    assert [str(one) for one in choosing.Wanted] == ["auto", "python", "native"]
