"""The settings of an ingestion: how a file is read, cut and put out."""

from collections.abc import Mapping
from dataclasses import dataclass

from millstream.config.option import _option
from millstream.config.reader import Reader, _without
from millstream.config.readers import OFF, one_of, read_count, read_flag, read_positive_size, read_text
from millstream.core.splitting import DEFAULT_CHUNK_BYTES, DEFAULT_MAX_RECORD_BYTES, Dialect, Format, Policy
from millstream.core.tasks import Compression, OnChange
from millstream.core.units import format_size
from millstream.errors import ConfigurationError, InvalidValueError

SMALLEST_CHUNK_BYTES = 1_000
LARGEST_CHUNK_BYTES = 64_000_000
LARGEST_RECORD_BYTES = 256_000_000
NAMED_MARKS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}

FORMATS: Mapping[str, tuple[Format, str]] = {
    ".csv": (Format.CSV, ","),
    ".tsv": (Format.CSV, "\t"),
    ".jsonl": (Format.JSONL, ","),
    ".ndjson": (Format.JSONL, ","),
    ".txt": (Format.LINES, ","),
    ".log": (Format.LINES, ","),
}
"""What an extension says of a file: its format and delimiter."""

COMPRESSED = (".gz", ".zst")


def read_chunk_size(value: str | float, name: str) -> int:
    """Bytes of a chunk."""
    size = read_positive_size(value, name)
    if not SMALLEST_CHUNK_BYTES <= size <= LARGEST_CHUNK_BYTES:
        raise InvalidValueError(name=name, expected="a size from 1KB to 64MB", found=value)
    return size


def read_record_size(value: str | float, name: str) -> int:
    """Bytes of the longest record; it is held in memory, several times over."""
    size = read_positive_size(value, name)
    if not SMALLEST_CHUNK_BYTES <= size <= LARGEST_RECORD_BYTES:
        raise InvalidValueError(name=name, expected="a size from 1KB to 256MB", found=value)
    return size


def read_delimiter(value: object, name: str) -> str:
    """One character, or the name of one that a shell makes hard to write."""
    text = read_text(value, name)
    return Dialect(delimiter=NAMED_MARKS.get(text.lower(), text)).delimiter


def read_quote(value: object, name: str) -> str | None:
    """One character; `off` for none."""
    text = read_text(value, name)
    return None if text == OFF else Dialect(quote=text, delimiter="\t").quote


def read_encoding(value: object, name: str) -> str:
    """The name of an encoding."""
    return Dialect(encoding=read_text(value, name)).encoding


def max_unpacked_option() -> int:
    """The field of a limit against bombs, for one file and for a service."""
    size: int = _option(read_positive_size, "100GB", example="500GB", text="most that a compressed file may unpack to")
    return size


def max_ratio_option() -> int:
    """The field of the other one."""
    meaning = "how many times its size a compressed file may unpack to, above 100 MB"
    ratio: int = _option(read_count, "250", example="1000", text=meaning)
    return ratio


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """How a file becomes records, and where these go."""

    to: str = _option(
        read_text,
        None,
        example="OUT.jsonl",
        text="where records go: a file OUT.jsonl, amqp://HOST/QUEUE or kafka://HOST:PORT/TOPIC",
        is_required=True,
    )
    format: str | None = _option(
        one_of(*Format), None, example="csv", text="csv, jsonl or lines (default: what the name ends with)"
    )
    chunk: int = _option(
        read_chunk_size,
        format_size(DEFAULT_CHUNK_BYTES).replace(" ", ""),
        example="4MB",
        text="least size of a chunk, 1KB to 64MB; never more than the longest record",
    )
    policy: str = _option(
        one_of(*Policy),
        Policy.STRICT.value,
        example="skip",
        text="malformed records are rejected and end with exit code 1 (strict), or are rejected (skip), "
        "or short ones are filled (pad)",
    )
    delimiter: str | None = _option(
        read_delimiter, None, example=";", text="what separates values of a CSV: a character, or tab (default: ,)"
    )
    quote: str | None = _option(read_quote, '"', example="off", text="what quotes values of a CSV; off: nothing does")
    encoding: str = _option(
        read_encoding, "utf-8", example="latin-1", text="of the file; UTF-16 and UTF-32 are known by their first bytes"
    )
    no_header: bool = _option(
        read_flag, "false", example="true", text="a CSV without names of columns: column_1, ...", is_flag=True
    )
    max_record: int = _option(
        read_record_size,
        format_size(DEFAULT_MAX_RECORD_BYTES).replace(" ", ""),
        example="1MB",
        text="longest record; a longer one is rejected",
    )
    compression: str = _option(
        one_of(*Compression), Compression.AUTO.value, example="gzip", text="auto (by the first bytes), none, gzip, zstd"
    )
    max_unpacked: int = max_unpacked_option()
    max_ratio: int = max_ratio_option()
    on_change: str = _option(
        one_of(*OnChange), OnChange.FAIL.value, example="restart", text="if the file changes meanwhile: fail or restart"
    )
    one_per_message: bool = _option(
        read_flag, "false", example="true", text="RabbitMQ: one record in each message", is_flag=True
    )
    workers: int = _option(read_count, "4", example="4", text="how many chunks are worked at once")


def read_ingest_config(values: Mapping[str, object], *, environment: Mapping[str, str]) -> IngestConfig:
    """The settings as given on the command line, which overrides the environment.

    Raises ConfigurationError with all problems.
    """
    reader = Reader(_without(environment, set(values)))
    config = reader.read(IngestConfig, values, where="")
    if config.quote is not None and config.quote == config.delimiter:
        reader.problems.append(f"quote: expected another character than the delimiter, found {config.quote!r}")
    reader.raise_problems()
    return config


def dialect_of(config: IngestConfig, *, name: str) -> Dialect:
    """How a file of that name is read; raises ConfigurationError when its format has to be said."""
    guessed = guess_format(name)
    if config.format is None and guessed is None:
        known = ", ".join(FORMATS)
        raise ConfigurationError(
            [f"format: expected csv, jsonl or lines, found none; {name!r} does not tell ({known}, or with .gz or .zst)"]
        )
    format_, delimiter = guessed or (Format.CSV, ",")
    return Dialect(
        format=Format(config.format) if config.format else format_,
        encoding=config.encoding,
        delimiter=config.delimiter or delimiter,
        quote=config.quote,
        header=not config.no_header,
        max_record_bytes=config.max_record,
    )


def guess_format(name: str) -> tuple[Format, str] | None:
    """What the name of a file says of its format and delimiter, what it is compressed with left aside."""
    lower = name.lower()
    for ending in COMPRESSED:
        lower = lower.removesuffix(ending)
    return next((known for ending, known in FORMATS.items() if lower.endswith(ending)), None)
