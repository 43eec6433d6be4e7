"""Millstream turns streams and files into batches and gets every batch worked once."""

from millstream.core.model import CutReason, Discard, Done, FileRef, Kind, Outcome, Retry
from millstream.core.packing import CostModel, Packing, PackStrategy, pack
from millstream.errors import ConfigurationError, MillstreamError
from millstream.mill import Millstream
from millstream.runtime.batch import Batch, Context
from millstream.runtime.engine import Exit
from millstream.runtime.summary import Tally
from millstream.wiring import Report

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
