"""An interrupt ends its attempt and never anything else."""

import random
import threading
import time

import pytest

from millstream.runtime.interrupt import AttemptInterrupted, Interruptible
from runtime.hosts import untraced

pytestmark = untraced


def test_an_interrupt_before_the_begin_ends_the_attempt():
    """An attempt that was interrupted before it began is not begun."""
    attempt = Interruptible()
    calls = []

    attempt.interrupt("cancelled")
    with pytest.raises(AttemptInterrupted):
        attempt.run(lambda: calls.append(1))

    assert calls == []
    assert attempt.cancelled.is_set()


def test_an_interrupt_after_the_end_does_nothing():
    """An attempt that has ended keeps its result, and its thread goes on."""
    attempt = Interruptible()

    result = attempt.run(lambda: 42)
    attempt.interrupt("timed out")

    assert result == 42
    assert attempt.reason is None


def test_only_the_first_interrupt_counts():
    """The reason of an interrupted attempt is that of the first interrupt."""
    attempt = Interruptible()

    attempt.interrupt("timed out")
    attempt.interrupt("cancelled")

    assert attempt.reason == "timed out"


def test_what_can_be_stopped_is_stopped_instead():
    """While an attempt waits for something that can be stopped, that is stopped, and the exception follows."""
    attempt = Interruptible()
    stopped = threading.Event()

    def wait():
        with attempt.stopped_by(stopped.set):
            threading.Thread(target=attempt.interrupt, args=("cancelled",)).start()
            assert stopped.wait(10)
        raise AssertionError("not reached")

    with pytest.raises(AttemptInterrupted, match="cancelled"):
        attempt.run(wait)


def test_no_interrupt_hits_what_comes_after_its_attempt():
    """However late an interrupt comes, the thread that ran the attempt is not hit by it afterwards."""
    draw = random.Random(1)
    rounds = 500
    interrupted = 0
    for _ in range(rounds):
        attempt = Interruptible()
        end = time.perf_counter() + draw.random() * 1e-3

        def work(end=end):
            while time.perf_counter() < end:
                time.sleep(0)  # lets the other thread have the interpreter

        killer = threading.Timer(draw.random() * 5e-4, attempt.interrupt, args=("timed out",))
        killer.start()
        try:
            attempt.run(work)
        except AttemptInterrupted:
            interrupted += 1
        assert (attempt.reason is None) or attempt.cancelled.is_set()
        killer.join()  # an exception that was still on its way would come up in here

    assert 0 < interrupted < rounds
