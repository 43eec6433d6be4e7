"""Pack files into buckets of at most so many bytes: `pack` a list, `pack_stream` a listing without end.

Measured by bench/packing.py; `bounds` says how few buckets there can be, `costs` how long they take to work.
"""

from millstream.core.packing.costs import CostModel, fit_cost_model, makespan_s
from millstream.core.packing.plan import STRATEGY_NAMES, Packing, pack
from millstream.core.packing.strategies import PackStrategy
from millstream.core.packing.stream import pack_stream

__all__ = [
    "STRATEGY_NAMES",
    "CostModel",
    "PackStrategy",
    "Packing",
    "fit_cost_model",
    "makespan_s",
    "pack",
    "pack_stream",
]
