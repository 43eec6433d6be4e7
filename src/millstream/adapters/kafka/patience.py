"""Waiting for a broker that does not answer.

Theory of operation: at the start a silent broker is an error within seconds, since its address is probably wrong. Once
it has answered, it will come back: every call is repeated for as long as that takes, and one line now and then says
so. Python runs between two attempts, so signals are served, and `give_up` ends the waiting.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from millstream.adapters.kafka.client import Complaints, broker_error
from millstream.core.silence import Silence
from millstream.errors import BrokerError, FencedError, MillstreamError

Tell = Callable[[str], None]
"""Takes one line for a person."""

_ATTEMPT_S = 2.0
_PAUSE_S = 0.1
_LOOK_S = 1.0

Answer = TypeVar("Answer")

_PASSING = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - the names librdkafka gives its own errors
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError._IN_PROGRESS,  # noqa: SLF001
        KafkaError._PREV_IN_PROGRESS,  # noqa: SLF001
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)


def error_of(exception: KafkaException) -> KafkaError:
    """The error that an exception of the client carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError)  # noqa: S101 - the client's own contract
    return error


def is_fatal(error: KafkaError) -> bool:
    """Whether a client is done for good. What a reader gets as a message says so by its code alone."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL  # noqa: SLF001 - the name librdkafka gives it


def is_passing(error: KafkaError) -> bool:
    """Whether the same call may succeed later."""
    return not is_fatal(error) and not error.txn_requires_abort() and (error.retriable() or error.code() in _PASSING)


def service_error(exception: KafkaException, *, brokers: str) -> MillstreamError:
    """What to raise for an error of a reader that repeating does not help."""
    error = error_of(exception)
    if is_fatal(error):
        return FencedError(reason=error.str())
    return broker_error(error, brokers=brokers, complaints=Complaints())


class Patience:
    """Repeats calls until the broker answers, and tells that it waits."""

    def __init__(self, *, brokers: str, tell: Tell, now: Callable[[], float] = time.monotonic) -> None:
        self._brokers = brokers
        self._tell = tell
        self._now = now
        self._silence = Silence()
        self._looked_at = 0.0
        self._given_up = False

    def give_up(self) -> None:
        """Wait no longer: what waits, now or later, raises BrokerError after its attempt; safe in a signal handler."""
        self._given_up = True

    def ask(self, call: Callable[[float], Answer], *, within_s: float | None = None) -> Answer:
        """The answer of `call(timeout_s)`, repeated while its error may pass.

        Raises KafkaException for any other error, and BrokerError after `within_s` without an answer (None: never).
        """
        until = None if within_s is None else self._now() + within_s
        while True:
            attempt_s = _ATTEMPT_S if until is None else max(0.1, min(_ATTEMPT_S, until - self._now()))
            try:
                answer = call(attempt_s)
            except KafkaException as exception:
                error = error_of(exception)
                if not is_passing(error):
                    raise
                self._wait(error, until)
            else:
                self.answered()
                return answer

    def check(self) -> None:
        """Raises BrokerError if nobody wants to wait any longer."""
        if self._given_up:
            raise BrokerError(brokers=self._brokers, reason="it was waited for, and given up")

    def on_error(self, error: KafkaError) -> None:
        """What a client reports of its own accord: its `error_cb`."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - the name librdkafka gives it
            self.silent(error.str())

    def look(self, call: Callable[[float], object]) -> None:
        """After a silence: is somebody there again? Does nothing while nobody was missed."""
        if not self._silence.is_on or self._now() < self._looked_at + _LOOK_S:
            return
        self._looked_at = self._now()
        try:
            call(_LOOK_S)
        except KafkaException as exception:
            self.silent(error_of(exception).str())
            self.check()
        else:
            self.answered()

    def silent(self, reason: str) -> None:
        """The broker does not answer: say so when it lasts, and again now and then."""
        waited_s = self._silence.lasts(at=self._now())
        if waited_s is not None:
            self._tell(
                f"kafka: {self._brokers}: no answer for {waited_s:.0f} s ({reason}); waiting for it, nothing is lost"
            )

    def answered(self) -> None:
        """The broker answers; say so if its silence was told."""
        waited_s = self._silence.ends(at=self._now())
        if waited_s is not None:
            self._tell(f"kafka: {self._brokers}: answers again after {waited_s:.0f} s")

    def _wait(self, error: KafkaError, until: float | None) -> None:
        if self._given_up or (until is not None and self._now() >= until):
            raise broker_error(error, brokers=self._brokers, complaints=Complaints())
        if until is None:
            self.silent(error.str())
        if error.code() not in (KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE):  # noqa: SLF001
            time.sleep(_PAUSE_S)  # an error that comes at once must not be asked for again at once
