"""Everything that `make bench` measures of `millstream count`, as tables by their titles, with pictures beside them."""

from importlib.metadata import version
from pathlib import Path

import counting_errors
import counting_example
import counting_formats
import counting_instructions
import counting_lateness
import counting_peers
import counting_plots
import counting_profile

Row = dict[str, str | int | float]

IMAGES = Path("docs/images")
PACKAGES = ("numpy", "xxhash", "datasketches", "duckdb", "polars", "pyarrow", "fastavro")


def run(*, quick: bool) -> dict[str, list[Row]]:
    """All tables; pictures are drawn unless `quick`."""
    waiting = counting_lateness.waiting(seconds=120 if quick else 3_600)
    sketches, errors, width = counting_errors.sketches(quick=quick)
    stages = counting_profile.stages(quick=quick)
    tables: dict[str, list[Row]] = {
        "Versions of what counts": [{"package": name, "version": version(name)} for name in PACKAGES],
        counting_peers.SPEED: counting_peers.speed(quick=quick),
        counting_instructions.TITLE: counting_instructions.instructions(quick=quick),
        counting_peers.MEMORY: counting_peers.memory(quick=quick),
        counting_profile.TITLE: stages,
        counting_formats.TITLE: counting_formats.formats(quick=quick),
        counting_lateness.WAITING: waiting,
        counting_lateness.DAMAGE: counting_lateness.damage(seconds=120 if quick else 1_800),
        counting_errors.SKETCHES: sketches,
        counting_errors.COLLISIONS: counting_errors.collisions(quick=quick),
    }
    if not quick:
        counting_plots.lateness_plot(waiting, IMAGES / "count-lateness.svg")
        counting_plots.sketch_plot(errors, width, IMAGES / "count-sketches.svg")
        counting_example.draw(IMAGES / "count-users.svg")
        counting_plots.stage_plot(stages, IMAGES / "count-stages.svg")
    return tables
