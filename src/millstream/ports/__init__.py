"""Narrow Protocols between the rooms and the outside world; each has a conformance suite in `testing`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.ports.engine import Acknowledging, Clock, Ledger, Lister, Listing, Pool, Source, Spool

__all__ = ["Acknowledging", "Clock", "Ledger", "Lister", "Listing", "Pool", "Source", "Spool"]


def __getattr__(name: str) -> object:
    """The engine's ports, when somebody asks: a count needs another port, and not the values that these are about."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from millstream.ports import engine  # noqa: PLC0415 - see above

    return getattr(engine, name)
