"""Short pauses of the garbage collector, in a process that answers requests.

Theory of operation: now and then Python looks at every object there is for cycles that nobody refers to. A service that
has just started has some 300,000, of modules that stay for ever, and looking at them takes 50 ms, several times in ten
seconds under load; at 500 requests per second that alone decided how long the slowest of a hundred took (`python bench
--only ingest`). So what is there when the service is ready is never looked at again, and what comes later is looked at
in larger portions: most of it is gone by then.
"""

import gc

_YOUNG, _MIDDLE, _OLD = 5_000, 20, 20


def shorten_pauses() -> None:
    """Settle the collector of this process; to be called when everything that stays is there. Takes some 50 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
