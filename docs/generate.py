"""Writes the generated parts of the docs: `python -m docs.generate`; `--check` only says whether they are right.

Theory of operation: a page marks a generated part with comments, `<!-- begin: NAME -->` before and `<!-- end -->`
after it; `PARTS` knows who writes what under that name, and `millstream WORDS --help` is a name for what that says. So
prose stays in the pages, and facts come from the code.
"""

import argparse
import inspect
import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path

from millstream.cli import main as millstream
from millstream.config import EngineConfig, FilesConfig, Option, StreamConfig, WorkConfig, options_of, word_of
from millstream.config.dispatching import DispatchConfig
from millstream.config.elsewhere import PayloadConfig
from millstream.config.ingesting import IngestConfig
from millstream.config.serving import ContainerConfig, KeyConfig, ServeConfig
from millstream.core.lifecycle import diagram
from millstream.runtime import shutdown

DOCS = Path(__file__).parent
PART = re.compile(r"(<!-- begin: (?P<name>[^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)
HELP = re.compile(r"millstream(.*) --help")
HELP_COLUMNS = "110"
VERBS = (
    "stream",
    "files",
    "run",
    "demo",
    "simulate",
    "status",
    "explain",
    "dead",
    "retry",
    "pause",
    "resume",
    "cancel",
)


def main() -> int:
    """Write or check all pages; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=inspect.getdoc(main))
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a page is out of date")
    args = parser.parse_args()
    os.environ["COLUMNS"] = HELP_COLUMNS  # argparse wraps help at the width of the terminal
    outdated = [page for page in sorted(DOCS.glob("*.md")) if generated(text := page.read_text("utf-8")) != text]
    for page in outdated:
        if args.check:
            sys.stderr.write(f"docs/{page.name} is out of date: run `make docs`\n")
        else:
            page.write_text(generated(page.read_text("utf-8")), encoding="utf-8")
    return int(args.check and bool(outdated))


def generated(text: str) -> str:
    """A page with every generated part as it should be; raises KeyError for a part that nobody knows."""
    return PART.sub(lambda part: f"{part[1]}{write(part['name'])}\n{part[3]}", text)


def write(name: str) -> str:
    """The generated part of that name."""
    command = HELP.fullmatch(name)
    return help_of(*command[1].split()) if command else PARTS[name]()


def life_of_a_batch() -> str:
    """The table of `core.lifecycle` as a picture."""
    drawn = diagram().replace(";", ",")  # at a semicolon Mermaid would end the label
    return f"```mermaid\n{drawn}\n```"


def drain_order() -> str:
    """The numbered steps in the docstring of `runtime.shutdown`."""
    text = inspect.getdoc(shutdown) or ""
    return text[text.index("1. ") :]


def settings_table(kind: type[object], *, without: type[object] | None = None) -> str:
    """A row for each setting of `kind`, those of `without` left out."""
    inherited = options_of(without) if without else {}
    rows = [_row(word_of(name), option) for name, option in options_of(kind).items() if name not in inherited]
    return "\n".join(["| setting | default | meaning | example |", "| --- | --- | --- | --- |", *rows])


def _row(name: str, option: Option) -> str:
    default = f"`{option.default}`" if option.default else "-"
    return f"| `{name}` | {default} | {option.help} | `{name} = {_as_toml(option.example)}` |"


def _as_toml(example: str) -> str:
    return example if re.fullmatch(r"true|false|\[.*\]|\d+", example) else f'"{example}"'


def help_of(*words: str) -> str:
    """What `millstream WORDS --help` says."""
    output = io.StringIO()
    with redirect_stdout(output), suppress(SystemExit):
        millstream([*words, "--help"])
    return f"```text\n{output.getvalue().rstrip()}\n```"


PARTS: dict[str, Callable[[], str]] = {
    "life of a batch": life_of_a_batch,
    "drain order": drain_order,
    "settings of the engine": partial(settings_table, EngineConfig),
    "settings of every pipeline": partial(settings_table, WorkConfig),
    "settings of a stream": partial(settings_table, StreamConfig, without=WorkConfig),
    "settings of files": partial(settings_table, FilesConfig, without=WorkConfig),
    "settings of an ingestion": partial(settings_table, IngestConfig),
    "settings of the service": partial(settings_table, ServeConfig),
    "settings of a container": partial(settings_table, ContainerConfig),
    "settings of a key": partial(settings_table, KeyConfig),
    "settings of dispatchers": partial(settings_table, DispatchConfig),
    "settings of payloads": partial(settings_table, PayloadConfig),
}


if __name__ == "__main__":
    sys.exit(main())
