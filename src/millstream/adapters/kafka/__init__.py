"""Kafka, through confluent-kafka; an optional part."""

from millstream.errors import MissingExtraError

try:
    import confluent_kafka  # noqa: F401 - asked for here, so that one line says what is missing
except ImportError:
    raise MissingExtraError(extra="kafka", feature="kafka://") from None
