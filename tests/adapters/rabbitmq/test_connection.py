"""What the client says when a connection is lost."""

import asyncio

import pytest

pytest.importorskip("aio_pika")

from aiormq.base import FutureStore

from millstream.adapters.rabbitmq.connection import TROUBLE, losses_named, losses_passed_over, reason_of


async def _wait_for_a_lost_answer() -> None:
    """As a call of the client does whose connection ends without a reason."""
    store = FutureStore(asyncio.get_running_loop())
    answer = store.create_future()
    await store.reject_all(None)
    await answer


def test_a_connection_that_ends_without_a_reason_is_one_that_was_lost():
    """The client says so with an error without a name, which nobody could tell from a fault."""
    with pytest.raises(ConnectionResetError) as told, losses_named():
        asyncio.run(_wait_for_a_lost_answer())

    assert isinstance(told.value, TROUBLE)
    assert reason_of(told.value) == "the connection was lost"


def test_a_lost_connection_may_be_passed_over():
    """What was to be told to it comes again by another one."""
    with losses_passed_over():
        asyncio.run(_wait_for_a_lost_answer())
        pytest.fail("it goes on")


@pytest.mark.parametrize("border", [losses_named, losses_passed_over])
def test_faults_are_never_taken_for_a_lost_connection(border):
    """They go on as they are."""
    with pytest.raises(KeyError), border():
        raise KeyError("a fault")
