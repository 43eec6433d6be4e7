"""How notes and dead letters travel.

Theory of operation: a note is the metadata of a committed position, which has a limit of its own, and a broker that
gets a longer one refuses the positions of all partitions; so it is checked before. A dead letter has the frame's bytes
as its value and everything else in its headers; one that is too long for a record is cut, since a frame of megabytes
must not stop the count.
"""

from millstream.adapters.kafka.connection import RECORD_BYTES
from millstream.adapters.kafka.transactions import Record
from millstream.errors import InvalidValueError
from millstream.ports.framelog import NOTE_LIMIT, DeadLetter


def check_note(partition: int, note: str) -> None:
    """Raise InvalidValueError for a note that a broker would refuse."""
    if len(note) > NOTE_LIMIT or not note.isascii():
        raise InvalidValueError(
            name=f"note of partition {partition}",
            expected=f"at most {NOTE_LIMIT} ASCII characters",
            found=f"{len(note)} characters" + ("" if note.isascii() else ", not ASCII"),
        )


def copy_of(letter: DeadLetter, *, source: str, topic: str) -> Record:
    """The record for `topic` of a frame of the topic `source`.

    Its key is `partition:offset`; its headers are `reason`, `topic`, `partition`, `offset`, and `cut-from-bytes` with
    the whole length where the value is cut.
    """
    value = letter.value
    headers = {"reason": letter.reason, "topic": source}
    headers |= {"partition": str(letter.partition), "offset": str(letter.offset)}
    if value is not None and len(value) > RECORD_BYTES:
        headers["cut-from-bytes"] = str(len(value))
        value = value[:RECORD_BYTES]
    encoded = [(name, text.encode()) for name, text in headers.items()]
    return Record(topic, value, key=f"{letter.partition}:{letter.offset}", headers=encoded)
