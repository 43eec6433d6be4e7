"""What a figure was measured on."""

import os
import platform
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

sys.path.append(str(Path(__file__).parents[1]))  # `dev` lies beside this folder

from dev import kafka, postgres, rabbitmq, temporal
from dev.places import ServerError

CLIENTS = ("aio-pika", "confluent-kafka", "temporalio", "psycopg", "fastapi", "uvicorn", "obstore")


def describe() -> dict[str, str]:
    """Hardware and versions, as they stand at the head of every report."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "millstream": version("millstream"),
        "msgspec": version("msgspec"),
    }


def versions_of_servers() -> list[dict[str, str | int | float]]:
    """The servers that can be had here, with what speaks to them: rows of a table."""
    servers = {
        "Kafka, heap of 512 MB": kafka.VERSION,
        "RabbitMQ": _told_by(rabbitmq, "rabbitmqctl", "version"),
        "PostgreSQL, shared buffers of 64 MB": _told_by(postgres, "postgres", "--version").rpartition(") ")[2],
        f"Temporal's development server {temporal.VERSION}, on SQLite": _told_by(temporal, "temporal", "--version")
        .partition("(")[2]
        .rstrip(")"),
    }
    return [
        {"what": name, "version": found}
        for name, found in (servers | {name: version(name) for name in CLIENTS}).items()
    ]


def _told_by(server: ModuleType, program: str, word: str) -> str:
    """What a program of a server says of its version."""
    try:
        found = Path(server.install(), program)
        done = subprocess.run([found, word], capture_output=True, text=True, check=True)
    except (OSError, ServerError, subprocess.CalledProcessError) as error:
        print(f"a version is not known: {error}", file=sys.stderr)
        return "?"
    return done.stdout.strip().partition("\n")[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
