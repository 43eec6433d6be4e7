"""What all clients of Kafka share: their settings, and what they say when it does not work.

Theory of operation: librdkafka retries by itself and for ever, writing to standard error meanwhile. Here it is silent;
what it has to say is kept by `Complaints`, and becomes the reason in the one error that a person sees.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from millstream.errors import BrokerError

ANSWER_LIMIT_S = 5.0
"""How long a broker may take for an answer. The first connection is tried again and again meanwhile."""
TROUBLE_LASTS_S = 4.0
_RECONNECT_MS = 1_000

_UNREACHABLE = {
    KafkaError._TRANSPORT,  # noqa: SLF001 - the only names they have
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
}
_WHY = re.compile(r"(?:.*failed|.*Failed to resolve '[^']*'): (?P<why>[^(]+?)(?: \(.*)?")


class Complaints:
    """Collects what a client reports of its own accord: an `error_cb`. The last reason is kept, and a fatal error.

    A client that cannot connect says so every second, so one that is silent for longer is connected again.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.reason = ""
        self.fatal: KafkaError | None = None
        self._now = now
        self._at_s = 0.0

    @property
    def trouble(self) -> str:
        """Why the broker does not answer at the moment, or nothing."""
        return self.reason if self._now() - self._at_s < TROUBLE_LASTS_S else ""

    def __call__(self, error: KafkaError) -> None:
        """Keep what matters."""
        found = _WHY.fullmatch(error.str())
        if found is not None:
            self.reason, self._at_s = found["why"], self._now()
        if error.fatal():
            self.fatal = error


def settings(brokers: str, complaints: Complaints, **more: object) -> dict[str, Any]:
    """The configuration of any client; `more` has its other settings, with `_` for `.`, except in callbacks."""
    return {
        "bootstrap.servers": brokers,
        "client.id": "millstream",
        "log_level": 0,
        "reconnect.backoff.max.ms": _RECONNECT_MS,
        "error_cb": complaints,
        **{name if callable(value) else name.replace("_", "."): value for name, value in more.items()},
    }


@contextlib.contextmanager
def translated(brokers: str, complaints: Complaints) -> Iterator[None]:
    """The border: what confluent-kafka raises inside becomes a BrokerError."""
    try:
        yield
    except KafkaException as error:
        raise broker_error(error.args[0], brokers=brokers, complaints=complaints) from None


def broker_error(error: KafkaError, *, brokers: str, complaints: Complaints) -> BrokerError:
    """One line for a person."""
    if error.code() in _UNREACHABLE:
        reason = f" ({complaints.reason})" if complaints.reason else ""
        return BrokerError(
            brokers=brokers,
            reason=f"expected a Kafka broker, found none that answers{reason}",
            hint="start it, or check the address",
            code=error.name(),
        )
    said = error.str().strip()
    reason = f"{said} {error.name()}" if not said or said.endswith(":") else said
    return BrokerError(brokers=brokers, reason=reason, code=error.name())
