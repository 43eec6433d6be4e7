"""RabbitMQ, as other tests stand on it."""

from pathlib import Path

import pytest
from dev import rabbitmq as node
from dev.process import wait_until

from servers.rabbitmq import OwnRabbitMQ, RabbitMQ

DECLARE = 'rabbit_amqqueue:declare({{resource, <<"/">>, queue, <<"{}">>}}, true, false, [], none, <<"guest">>).'


def test_a_node_knows_its_queues(rabbitmq: RabbitMQ) -> None:
    """A queue that was made is listed, empty."""
    name = rabbitmq.name()

    rabbitmq.control("eval", DECLARE.format(name))

    assert rabbitmq.queues()[name] == 0


@pytest.mark.slow
def test_a_killed_node_comes_back_with_its_data(own_rabbitmq: OwnRabbitMQ) -> None:
    """A node that was killed serves at the same address afterwards, with its durable queues, and goes entirely."""
    own_rabbitmq.control("eval", DECLARE.format("kept"))

    own_rabbitmq.kill()
    was_gone = not node.answers(own_rabbitmq.address)
    own_rabbitmq.start()

    assert was_gone
    assert node.answers(own_rabbitmq.address)
    assert own_rabbitmq.queues() == {"kept": 0}
    own_rabbitmq.kill()
    assert wait_until(lambda: node.forgets_names(Path(own_rabbitmq.running.folder)), limit_s=10)


@pytest.mark.slow
def test_a_frozen_node_goes_on_when_it_is_thawed(own_rabbitmq: OwnRabbitMQ) -> None:
    """A node that is frozen answers nobody, and answers again afterwards."""
    own_rabbitmq.freeze()
    answered = node.answers(own_rabbitmq.address)
    own_rabbitmq.thaw()

    assert not answered
    assert node.answers(own_rabbitmq.address)
