"""The commands: where each lives, and what it does in a sentence. Known before any of them is loaded."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Verb(NamedTuple):
    """A command: the module of this package that holds it, and its summary."""

    module: str
    summary: str


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "stream": Verb("stream", "Cut a stream of lines into minibatches and have each worked once."),
        "files": Verb("files", "Pack files into buckets and have each bucket worked once."),
        "count": Verb("count", "Count unique users per minute, hour, day, week, month and year in JSON frames."),
        "ingest": Verb(
            "ingest",
            "Publish the records of a big file as JSON, in chunks; run again, it goes on where it was.",
        ),
        "serve": Verb("serve", "Serve an HTTP API and a page: POST the name of a file, follow it to the last record."),
        "worker": Verb(
            "worker",
            "Work what services and engines on other machines took on, beside any number of other workers.",
        ),
        "track": Verb("track", "Show how far a job of a server is: state, progress, rate, and when it will be done."),
        "key": Verb("key", "Make an API key for `millstream serve`; it is shown once and kept nowhere."),
        "run": Verb("run", "Run several pipelines from one TOML file, checked as a whole before anything starts."),
        "demo": Verb(
            "demo",
            "Show all jobs on real input: messages at 300 times their speed, 100 files, and 96,000 frames.",
        ),
        "simulate": Verb("simulate", "Make messages, files or frames to try things out with."),
        "status": Verb("status", "Show what there is and where it is: everything, a batch, an ingestion or a file."),
        "explain": Verb("explain", "Say in plain words why a batch, an ingestion, a file or a window is where it is."),
        "dead": Verb("operate", "List the dead batches with their errors."),
        "retry": Verb(
            "operate",
            "Make a dead batch, what is dead of an ingestion, or all, ready again with fresh retries.",
        ),
        "pause": Verb("operate", "Hold a batch, an ingestion or all work back; an attempt that runs goes on."),
        "resume": Verb("operate", "Let a paused batch, a paused ingestion or all work go on."),
        "cancel": Verb(
            "operate",
            "Give up a batch, an ingestion or all that are not at their end; an attempt that runs is ended.",
        ),
        "tournament": Verb(
            "tournament",
            "Seat players at tables for some rounds, so that all meet many others and one wins.",
        ),
        "plot": Verb(
            "plot",
            "Draw unique users over time, a panel for each size of windows, from results of `millstream count`.",
        ),
        "produce": Verb("produce", "Write the lines of files or of standard input to a Kafka topic, each as a record."),
        "results": Verb(
            "results",
            "Show the results of `millstream count` in a topic: a live table of the newest windows, or JSON lines.",
        ),
        "topics": Verb("topics", "Make, list or delete Kafka topics."),
        "reset": Verb("reset", "Set where a consumer group reads on in a topic, while none of its members is at work."),
    }
)
"""By name, in the order of the help."""
