"""Makes the pictures of the docs: `python -m docs.pictures`, from the folder of the project.

Theory of operation: each command runs for real, in a temporary folder, and what it leaves in a terminal becomes a
picture. Nothing is drawn by hand, and nothing is fetched when a picture is shown.
"""

import io
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from docs.terminal import COLUMNS, run
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

IMAGES = Path(__file__).parent / "images"
PICTURES = {
    "demo": ("millstream demo",),
    "plan": ("millstream simulate files --dir incoming", "millstream files incoming/ --settle 0s --plan"),
}
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""What would fetch a font from elsewhere."""


def main() -> int:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    for name, commands in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            lines = [line for command in commands for line in (f"$ {command}", *run(command, folder=Path(folder)))]
        (IMAGES / f"{name}.svg").write_text(draw(lines, name=name), encoding="utf-8")
    return 0


def draw(lines: Sequence[str], *, name: str) -> str:
    """Lines with colours as a picture of a terminal, in SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line))
    return FONTS.sub("", console.export_svg(title="millstream", theme=MONOKAI, unique_id=name))


if __name__ == "__main__":
    sys.exit(main())
