"""Millstream turns streams and files into batches and gets every batch worked once."""

from millstream.core.model import CutReason, Discard, Done, FileRef, Kind, Outcome, Retry
from millstream.core.packing import CostModel, Packing, pack
from millstream.errors import ConfigurationError, MillstreamError
from millstream.mill import Millstream
from millstream.runtime.batch import Batch, Context
from millstream.runtime.engine import Exit
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
    "Packing",
    "Report",
    "Retry",
    "pack",
]
