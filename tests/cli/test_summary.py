"""The summary at the end of a run: a document for scripts, a table that adds up for people."""

import json
from collections import Counter

import pytest
from rich.console import Console

from millstream.cli.summary import draw_summary, show_summary
from millstream.core.model import Kind
from millstream.runtime.summary import Tally

CLICKS = Tally(
    name="clicks",
    kind=Kind.MINIBATCH,
    ok=10,
    failed=1,
    discarded=2,
    retries=3,
    kept=1,
    worked=1_100,
    worked_bytes=110_000,
    accepted=1_234,
    accepted_bytes=123_400,
    closed=Counter({"time": 12, "end": 1}),
    lateness_s=[0.012],
    seconds=2.0,
    intake_s=1.0,
)
NIGHTLY = Tally(
    name="nightly",
    kind=Kind.BUCKET,
    ok=9,
    failed=1,
    worked=99,
    worked_bytes=50_000_000,
    planned=10,
    lower_bound=6,
    refused=1,
    unsettled=2,
    changed=3,
    gone=4,
    seconds=65.0,
)


@pytest.mark.parametrize("is_quiet", [False, True])
def test_one_pipeline_is_the_document(is_quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary of the only pipeline is not wrapped, and --quiet never silences it."""
    show_summary([CLICKS], as_json=True, is_quiet=is_quiet)

    assert json.loads(capsys.readouterr().out) == CLICKS.as_dict()


def test_several_pipelines_are_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them together are one document."""
    show_summary([CLICKS, NIGHTLY], as_json=True, is_quiet=False)

    assert json.loads(capsys.readouterr().out) == {"pipelines": [CLICKS.as_dict(), NIGHTLY.as_dict()]}


def test_a_person_sees_a_table_that_adds_up(screen: Console) -> None:
    """What became of the batches adds up to their number, and each pipeline has a line on how it went."""
    draw_summary([CLICKS, NIGHTLY], console=screen)

    lines = [" ".join(line.split()) for line in screen.file.getvalue().splitlines()]
    assert lines == [
        "pipeline done dead discarded kept batches worked size retries",
        "clicks 10 1 2 1 14 1,100 records 110 kB 3",
        "nightly 9 1 0 0 10 99 files 50 MB 0",
        (
            "clicks: 1,234 records accepted, 123 kB, at 1,234/s; closed by end 1, time 12; "
            "99 % of those that were due closed within 12ms; 2s in all"
        ),
        (
            "nightly: 10 buckets planned, at least 6 were needed; 1 file refused; 2 files still being written; "
            "3 files changed before being worked; 4 files disappeared before being worked; 1m5s in all"
        ),
    ]


def test_a_stream_without_records_has_little_to_say(screen: Console) -> None:
    """Nothing is told that did not happen."""
    draw_summary([Tally(name="clicks", kind=Kind.MINIBATCH)], console=screen)

    assert screen.file.getvalue().splitlines()[-1] == "clicks: 0 records accepted, 0 B; 0s in all"


@pytest.mark.parametrize(("is_quiet", "lines"), [(False, 3), (True, 0)])
def test_quiet_is_for_people(is_quiet: bool, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet a terminal gets no table."""
    show_summary([CLICKS], as_json=False, is_quiet=is_quiet)

    out = capsys.readouterr().out
    assert (len(out.splitlines()) >= lines) if lines else out == ""
