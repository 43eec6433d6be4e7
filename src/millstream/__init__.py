"""Millstream turns streams and files into batches and gets every batch worked once.

What is public is imported when it is first used: processes that only read and scan frames start several times sooner.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from millstream.core.exits import Exit
    from millstream.core.model import CutReason, Discard, Done, FileRef, Kind, Outcome, Retry
    from millstream.core.packing import CostModel, Packing, PackStrategy, pack
    from millstream.errors import ConfigurationError, MillstreamError
    from millstream.mill import Millstream
    from millstream.runtime.batch import Batch, Context
    from millstream.runtime.summary import Tally
    from millstream.wiring.engine import Report

__all__ = [
    "Batch",
    "ConfigurationError",
    "Context",
    "CostModel",
    "CutReason",
    "Discard",
    "Done",
    "Exit",
    "FileRef",
    "Kind",
    "Millstream",
    "MillstreamError",
    "Outcome",
    "PackStrategy",
    "Packing",
    "Report",
    "Retry",
    "Tally",
    "pack",
]

_HOMES = {
    "Batch": "millstream.runtime.batch",
    "ConfigurationError": "millstream.errors",
    "Context": "millstream.runtime.batch",
    "CostModel": "millstream.core.packing",
    "CutReason": "millstream.core.model",
    "Discard": "millstream.core.model",
    "Done": "millstream.core.model",
    "Exit": "millstream.core.exits",
    "FileRef": "millstream.core.model",
    "Kind": "millstream.core.model",
    "Millstream": "millstream.mill",
    "MillstreamError": "millstream.errors",
    "Outcome": "millstream.core.model",
    "PackStrategy": "millstream.core.packing",
    "Packing": "millstream.core.packing",
    "Report": "millstream.wiring.engine",
    "Retry": "millstream.core.model",
    "Tally": "millstream.runtime.summary",
    "pack": "millstream.core.packing",
}


def __getattr__(name: str) -> object:
    """The public name, from the module that it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
