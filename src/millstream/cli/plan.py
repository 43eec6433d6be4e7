"""How `millstream files --plan` is shown: which files go together, how full each bucket is, how good that is."""

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from millstream.cli.output import counted, make_table, print_json, rough_duration, say, stdout_console
from millstream.core.units import format_size
from millstream.runtime.files import Plan

BUCKETS_DRAWN = 100
BAR_WIDTH = 30


def show_plan(plan: Plan, *, workers: int, as_json: bool) -> None:
    """Put a plan for so many workers on standard output."""
    if as_json:
        print_json(plan_document(plan))
    else:
        draw_plan(plan, workers=workers, console=stdout_console())


def plan_document(plan: Plan) -> dict[str, object]:
    """The document of `files --plan --json`; "files" is a number for the plan, paths for a bucket."""
    packing = plan.packing
    return {
        "strategy": packing.strategy,
        "capacity_bytes": packing.capacity_bytes,
        "files": len(plan.files),
        "buckets": [
            {
                "id": bucket.batch_id,
                "bytes": bucket.size_bytes,
                "oversize": bucket.oversize,
                "files": [file.path for file in bucket.files],
            }
            for bucket in plan.buckets
        ],
        "lower_bound": packing.lower_bound,
        "optimal": packing.optimal,
        "est_makespan_s": packing.est_makespan_s,
    }


def draw_plan(plan: Plan, *, workers: int, console: Console) -> None:
    """Draw a plan for a person: a bar for each bucket, in the order in which they are dispatched, and a verdict."""
    if plan.buckets:
        console.print(_bucket_table(plan))
        hidden = len(plan.buckets) - BUCKETS_DRAWN
        if hidden > 0:
            say(console, f"and {counted(hidden, 'more bucket')} that cost no more than these", style="dim")
        say(console, _verdict(plan, workers=workers), style="bold")
    else:
        say(console, "no new files: nothing to pack", style="bold")
    if plan.unsettled:
        say(console, f"{counted(plan.unsettled, 'file')} not in the plan: still being written", style="yellow")


def _bucket_table(plan: Plan) -> Table:
    table = make_table("bucket", "files", "size", "full", "est. cost", "", numbers=("files", "size", "est. cost"))
    capacity = plan.packing.capacity_bytes
    for bucket in plan.buckets[:BUCKETS_DRAWN]:
        style = "red" if bucket.oversize else "green"
        table.add_row(
            bucket.batch_id,
            str(len(bucket.files)),
            format_size(bucket.size_bytes),
            ProgressBar(
                total=capacity,
                completed=min(bucket.size_bytes, capacity),
                width=BAR_WIDTH,
                complete_style=style,
                finished_style=style,
            ),
            rough_duration(bucket.cost_s),
            "oversize" if bucket.oversize else "",
        )
    return table


def _verdict(plan: Plan, *, workers: int) -> str:
    packing = plan.packing
    bound = "fewer are impossible" if packing.optimal else f"at least {packing.lower_bound:,} are needed"
    parts = [f"{counted(len(plan.buckets), 'bucket')} for {counted(len(plan.files), 'file')}", bound]
    if packing.est_makespan_s is not None:
        parts.append(f"est. makespan {rough_duration(packing.est_makespan_s)} with {counted(workers, 'worker')}")
    return "; ".join([*parts, f"strategy {packing.strategy}"])
