"""RabbitMQ, through aio-pika; an optional part."""

from millstream.errors import MissingExtraError

try:
    import aio_pika  # noqa: F401 - asked for here, so that one line says what is missing
except ImportError:
    raise MissingExtraError(extra="rabbitmq", feature="amqp://") from None

from millstream.adapters.rabbitmq.sink import RabbitSink

__all__ = ["RabbitSink"]
