"""Narrow Protocols between the rooms and the outside world; each has a conformance suite in `testing`."""

from millstream.ports.engine import Acknowledging, Clock, Ledger, Lister, Listing, Pool, Source, Spool

__all__ = ["Acknowledging", "Clock", "Ledger", "Lister", "Listing", "Pool", "Source", "Spool"]
