"""The composition root: settings in, a running engine out. The only room that knows all others."""

from millstream.wiring.engine import CLOCK_ANCHOR, LEDGER, Report, engine_clock, plan_files, run
from millstream.wiring.handlers import handler_of, import_function
from millstream.wiring.inputs import check_inputs, source_of

__all__ = [
    "CLOCK_ANCHOR",
    "LEDGER",
    "Report",
    "check_inputs",
    "engine_clock",
    "handler_of",
    "import_function",
    "plan_files",
    "run",
    "source_of",
]
