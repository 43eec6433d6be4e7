"""Which scanner counts: the compiled one where it is installed and fits, otherwise the one in Python.

Theory of operation: both have the same answers, so the choice is one of speed only. Which one it is, is known before
numpy is loaded, for `--version`.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from millstream.core.native import PACKAGE, VERSION
from millstream.errors import NativeScannerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.counting.frames.headstart import HeadStart
    from millstream.counting.frames.scanner import FrameScanner


class Wanted(StrEnum):
    """What is asked for."""

    AUTO = "auto"
    PYTHON = "python"
    NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The scanner that counts, by its name: python or native; `remark` is a line for a person, if there is a reason."""

    name: Wanted
    remark: str | None = None

    def maker(self, *, uid: str, ts: str, head_start: "HeadStart | None" = None) -> "Callable[[], FrameScanner]":
        """Makes scanners for these fields, also in another process; `head_start` is for compiled ones."""
        if self.name is Wanted.NATIVE and head_start is not None:
            return partial(_make_native, uid=uid, ts=ts, head_start=head_start)
        return partial(make_scanner, self.name, uid=uid, ts=ts)


def choose_scanner(wanted: str = Wanted.AUTO) -> Choice:
    """The scanner that is asked for, or the fastest one that can be had.

    Raises NativeScannerError when the compiled one is asked for and cannot be used.
    """
    if wanted == Wanted.PYTHON:
        return Choice(name=Wanted.PYTHON)
    problem = native_problem()
    if problem is None:
        return Choice(name=Wanted.NATIVE)
    if wanted == Wanted.NATIVE:
        raise problem
    remark = f"{problem}; the scanner in Python counts" if problem.is_installed else None
    return Choice(name=Wanted.PYTHON, remark=remark)


def make_scanner(name: str, *, uid: str, ts: str) -> "FrameScanner":
    """The scanner of that name, which must be there. Raises InvalidValueError for fields that cannot be."""
    if name == Wanted.NATIVE:
        return _make_native(uid=uid, ts=ts)
    from millstream.counting.frames.scanner import PythonScanner  # noqa: PLC0415 - not for `--version`

    return PythonScanner(uid=uid, ts=ts)


def _make_native(*, uid: str, ts: str, head_start: "HeadStart | None" = None) -> "FrameScanner":
    from millstream.counting.frames.native import NativeScanner  # noqa: PLC0415 - an optional package

    return NativeScanner(uid=uid, ts=ts, head_start=head_start)


def native_problem() -> NativeScannerError | None:
    """Why the compiled scanner cannot be used, None when it can."""
    if find_spec(PACKAGE) is None:
        return NativeScannerError(found="none", is_installed=False)
    try:
        package = import_module(PACKAGE)
    except ImportError as error:  # made for another interpreter or machine
        return NativeScannerError(found=f"one that cannot be loaded ({error})", is_installed=True)
    version = getattr(package, "VERSION", "unknown")
    if version != VERSION:
        return NativeScannerError(found=f"version {version}", expected=f"version {VERSION}", is_installed=True)
    return None
