"""What is known of a window: from the state topic of a live count, or from the checkpoint of a count of files."""

import json
import time
from pathlib import Path

import msgspec

from millstream.core.address import TopicAddress, parse_address
from millstream.core.moment import Edge
from millstream.core.units import parse_duration
from millstream.counting.files.checkpoint import Checkpoint, Checkpoints
from millstream.counting.files.explain import explain_files_window
from millstream.counting.live.explain import explain_window
from millstream.counting.live.status import read_status
from millstream.counting.model import SIZES, Result, Status
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.windows import Emit, Windows
from millstream.errors import NoCountError

LAST_COUNT = "last-count.json"
"""In the state folder: which live count ran here last, so that nobody need name it."""

_PATIENCE_S = 15.0


def explain_count(key: str, *, state: Path, address: str | None, group: str | None) -> list[str]:
    """Lines about a window of the count that `address` and `group` name, or of the last one of the state folder.

    Raises NoCountError when there is none, BrokerError, CountStateError, CheckpointError.
    """
    if address is None:
        checkpoint = Checkpoints(state).read()
        if checkpoint is not None:
            return _explain_files(checkpoint, key)
        last = _last_count(state)
        address, group = last["source"], group or last["group"]
    return _explain_live(parse_address(address), group or "millstream-count", key)


def _last_count(state: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode((state / LAST_COUNT).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        raise NoCountError(state=str(state)) from None


def note_last_count(state: Path, *, source: str, group: str) -> None:
    """Remember which live count ran here."""
    (state / LAST_COUNT).write_text(json.dumps({"source": source, "group": group}), encoding="utf-8")


def _explain_live(address: TopicAddress, group: str, key: str) -> list[str]:
    from millstream.adapters.kafka.reader import TopicReader  # noqa: PLC0415 - an optional extra

    reader = TopicReader(address.beside(f"{group}-state"), start=Edge.EARLIEST)
    state: dict[str, bytes] = {}
    until_s = time.monotonic() + _PATIENCE_S
    try:
        while not reader.is_caught_up and time.monotonic() < until_s:
            for record in reader.poll(0.2):
                name = (record.key or b"").decode()
                if record.value is None:
                    state.pop(name, None)
                else:
                    state[name] = record.value
    finally:
        reader.close()
    status = read_status(state, now_s=time.time())
    if status is None:
        return [f"group {group} has not put anything out yet: its merger has not committed"]
    return explain_window(status, key, now_s=time.time())


def _explain_files(checkpoint: Checkpoint, key: str) -> list[str]:
    settings = checkpoint.settings
    grace_s = int(parse_duration(settings["grace"]))
    windows = Windows.load(
        checkpoint.windows,
        sizes=sum(size.bit for size in SIZES if size in settings["by"].split(",")),
        calendar=Calendar(settings["zone"].rpartition(":")[2]),
        grace_s=grace_s,
        emit=Emit(settings["emit"]),
        exact=settings["exact"] == "true",
    )

    def find(wanted: str) -> Result | None:
        return _final_in(Path(settings["output"]), wanted, length=checkpoint.output_bytes)

    return explain_files_window(checkpoint, windows, key, find=find, grace_s=grace_s)


def _final_in(output: Path, key: str, *, length: int) -> Result | None:
    """The final result of a window in the first `length` bytes of an output."""
    size, _, start = key.partition(":")
    marks = (f'"by":"{size}"'.encode(), f'"start":{start},'.encode())
    try:
        with output.open("rb") as file:
            while file.tell() < length and (line := file.readline()):
                if all(mark in line for mark in marks):
                    result = msgspec.json.decode(line, type=Result)
                    if result.key == key and result.status is Status.FINAL:
                        return result
    except (OSError, msgspec.MsgspecError):
        return None
    return None
