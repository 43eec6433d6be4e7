"""What is known of a live count from outside: read out of the merger's state, which anybody may read.

Theory of operation: every commit of the merger writes `control` (partitions and positions), the numbers of windows that
changed, and the results that became final into a ring of `CLOSED` places. All of it is one transaction, so what is read
here fits together, and fits the results.
"""

from collections.abc import Iterable, Mapping

import msgspec

from millstream.counting.live.frontier import Frontier, Known
from millstream.counting.model import Result, Totals
from millstream.counting.windows.openwindow import Standing
from millstream.counting.windows.state import standings_in
from millstream.errors import CountStateError

CONTROL_KEY = "control"
CLOSED = 1000
"""Final results that are kept at hand."""
STATE_VERSION = 1

_CLOSED_PREFIX = "closed:"


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """The merger's own record.

    `identity` are the rules by which frames became deltas, `partitions` the number of the input's, `known` what each
    reported last, `read` up to where the saved state has its deltas, `needed` the first delta that has to be replayed,
    `closed` how many results became final.
    """

    version: int = STATE_VERSION
    group: str
    input: str
    identity: str
    at_s: float
    grace_s: int
    partitions: int
    known: dict[int, Known]
    read: dict[int, int]
    needed: dict[int, int]
    watermark: int | None
    closed: int
    refused: int


class CountStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a live count stands: `watermark` in Unix seconds of event time, `at_s` of wall-clock time.

    `held_by` is the partition that holds the watermark back most. `refused` are frames whose minute was final already
    when their delta came. `closed` are the last final results by key.
    """

    control: Control
    held_by: int | None
    totals: Totals
    open: tuple[Standing, ...]
    closed: dict[str, Result]

    @property
    def frontier(self) -> Frontier:
        """What every partition reported last."""
        return Frontier(self.control.known)


def closed_records(results: Iterable[Result], *, first: int) -> list[tuple[str, bytes]]:
    """Final results as records of the state, the first of which is number `first`."""
    numbered = list(enumerate(results, start=first))[-CLOSED:]
    return [(f"{_CLOSED_PREFIX}{number % CLOSED}", result.encode()) for number, result in numbered]


def control_in(state: Mapping[str, bytes]) -> Control | None:
    """The merger's record in its state; None when there is none yet.

    Raises:
        CountStateError: it is damaged, or of another version.
    """
    value = state.get(CONTROL_KEY)
    if value is None:
        return None
    expected = f"the record of a merger of version {STATE_VERSION}"
    try:
        control = msgspec.json.decode(value, type=Control)
    except msgspec.MsgspecError as error:
        raise CountStateError(key=CONTROL_KEY, expected=expected, found=str(error)) from None
    if control.version != STATE_VERSION:
        raise CountStateError(key=CONTROL_KEY, expected=expected, found=f"version {control.version}")
    return control


def read_status(state: Mapping[str, bytes], *, now_s: float) -> CountStatus | None:
    """How the count stands by its state, None when no merger has committed yet. Raises CountStateError when damaged."""
    control = control_in(state)
    if control is None:
        return None
    frontier = Frontier(control.known)
    results = [_result(key, value) for key, value in state.items() if key.startswith(_CLOSED_PREFIX)]
    return CountStatus(
        control=control,
        held_by=frontier.holder(partitions=control.partitions, now_s=now_s),
        totals=frontier.totals,
        open=tuple(standings_in(state)),
        closed={result.key: result for result in results},
    )


def _result(key: str, value: bytes) -> Result:
    try:
        return msgspec.json.decode(value, type=Result)
    except msgspec.MsgspecError as error:
        raise CountStateError(key=key, expected="a result", found=str(error)) from None
