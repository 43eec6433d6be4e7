"""Results of a live count on standard output, beside the topic that they go to.

Theory of operation: a topic takes results exactly once, standard output cannot. So results go to the topic, and whoever
wants to see them here as well gets what a reader of committed records finds there from the start of this run on.
"""

import sys
from types import TracebackType
from typing import Self

from millstream.adapters.kafka.linesink import ensure_results
from millstream.adapters.kafka.reader import TopicReader
from millstream.core.address import TopicAddress
from millstream.core.moment import Edge

_LAST_S = 1.0
"""A topic that has nothing new for so long, once its writers have ended, has nothing more."""


class ResultsEcho:
    """Shows as JSON lines what is written to a topic from now on; as a context, shows what is left at the end.

    The topic is made if it is missing. Raises BrokerError when no broker answers.
    """

    def __init__(self, address: TopicAddress) -> None:
        ensure_results(address)
        self._reader = TopicReader(address, start=Edge.LATEST)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while kind is None and self._show(_LAST_S):
                pass
        finally:
            self._reader.close()

    def show(self) -> None:
        """Show what has arrived; does not wait."""
        self._show(0.0)

    def _show(self, timeout_s: float) -> bool:
        values = [record.value for record in self._reader.poll(timeout_s) if record.value is not None]
        sys.stdout.buffer.writelines(value + b"\n" for value in values)
        sys.stdout.buffer.flush()
        return bool(values)
