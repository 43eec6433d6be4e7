"""How a plan is shown: as the document that scripts rely on, and as bars."""

import json

import pytest
from rich.console import Console

from millstream.cli.plan import BAR_WIDTH, draw_plan, show_plan
from millstream.core.model import FileRef
from millstream.core.packing import CostModel
from millstream.runtime.files import FilesSettings, Plan, make_plan

COST = CostModel(seconds_per_byte=1e-3, seconds_per_file=0.0, seconds_per_bucket=0.0)


def plan_of(*sizes: int, unsettled: int = 0) -> Plan:
    """A plan for two workers of files with these sizes, in buckets of 1 kB, first fit."""
    files = [
        FileRef(path=f"/in/{number}", size_bytes=size, mtime_ns=1, inode=number) for number, size in enumerate(sizes)
    ]
    settings = FilesSettings(name="nightly", capacity=1_000, strategy="ff", workers=2)
    plan = make_plan(files, settings=settings, cost=COST, at=0.0)
    return Plan(files=plan.files, packing=plan.packing, buckets=plan.buckets, unsettled=unsettled)


def drawn(plan: Plan, screen: Console) -> list[str]:
    """The lines of the drawing."""
    draw_plan(plan, workers=2, console=screen)
    return [line.rstrip() for line in screen.file.getvalue().splitlines()]


def test_the_document_is_what_scripts_rely_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly these keys; files are a number for the plan and paths for a bucket, costliest bucket first."""
    plan = plan_of(600, 300, 600, 2_000)

    show_plan(plan, workers=2, as_json=True)

    ids = [bucket.batch_id for bucket in plan.buckets]
    assert json.loads(capsys.readouterr().out) == {
        "strategy": "ff",
        "capacity_bytes": 1_000,
        "files": 4,
        "buckets": [
            {"id": ids[0], "bytes": 2_000, "oversize": True, "files": ["/in/3"]},
            {"id": ids[1], "bytes": 900, "oversize": False, "files": ["/in/0", "/in/1"]},
            {"id": ids[2], "bytes": 600, "oversize": False, "files": ["/in/2"]},
        ],
        "lower_bound": 3,
        "optimal": True,
        "est_makespan_s": 2.0,
    }


def test_a_person_sees_how_full_each_bucket_is(screen: Console) -> None:
    """A bar for each bucket, a word for the one that is too large, and how good the plan is."""
    _, oversize, full, half, verdict = drawn(plan_of(2_000, 1_000, 500), screen)

    assert oversize.split()[1:] == ["1", "2", "kB", "━" * BAR_WIDTH, "2s", "oversize"]
    assert full.split()[1:] == ["1", "1", "kB", "━" * BAR_WIDTH, "1s"]
    assert half.split()[1:] == ["1", "500", "B", "━" * (BAR_WIDTH // 2), "500ms"]
    assert verdict == "3 buckets for 3 files; fewer are impossible; est. makespan 2s with 2 workers; strategy ff"


def test_a_plan_that_may_not_be_the_best_says_so(screen: Console) -> None:
    """Where the lower bound is lower than the number of buckets, it is told."""
    verdict = drawn(plan_of(300, 300, 700, 700), screen)[-1]

    assert verdict.startswith("3 buckets for 4 files; at least 2 are needed; ")


def test_a_long_plan_is_cut(screen: Console) -> None:
    """A person sees the costliest hundred, and how many more there are."""
    lines = drawn(plan_of(*[1_000] * 102), screen)

    assert len(lines) == 1 + 100 + 2
    assert lines[-2] == "and 2 more buckets that cost no more than these"


def test_an_empty_plan_says_why(screen: Console) -> None:
    """Nothing new is one thing, files that are still being written are another."""
    assert drawn(plan_of(unsettled=2), screen) == [
        "no new files: nothing to pack",
        "2 files not in the plan: still being written",
    ]


def test_a_terminal_gets_the_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without JSON the drawing is the result, on standard output."""
    show_plan(plan_of(500), workers=2, as_json=False)

    assert "1 bucket for 1 file; fewer are impossible" in capsys.readouterr().out
