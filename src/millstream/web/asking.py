"""What a request may hold, and what of it is refused by form alone."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from millstream.core.ingestion import Compression, OnChange
from millstream.core.splitting import Format, Policy
from millstream.web.naming import CONTAINER, FILE_NAME, wrong_container, wrong_file_name

SMALLEST_CHUNK = 1_000
LARGEST_CHUNK = 64_000_000

ChunkBytes = Annotated[int, Field(ge=SMALLEST_CHUNK, le=LARGEST_CHUNK, strict=True)]
Encoding = Literal[
    "utf-8", "ascii", "latin-1", "iso-8859-2", "iso-8859-5", "iso-8859-15",
    "cp437", "cp850", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257", "koi8-r", "koi8-u", "mac-roman",
]  # fmt: skip


def _whole(value: object) -> object:
    """JSON has one kind of number: 4000000.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class IngestRequest(BaseModel):
    """One file to be read and published; what is left out is guessed from its name, or as the server is configured."""

    model_config = ConfigDict(
        extra="forbid",
        strict=False,
        json_schema_extra={"examples": [{"file_name": "data.csv", "file_container": "test"}]},
    )

    file_name: Annotated[
        str,
        Field(
            description="The path of the file inside of its container, at most 1,024 bytes of UTF-8.",
            json_schema_extra={"pattern": FILE_NAME, "minLength": 1, "maxLength": 1024},
            examples=["data.csv"],
        ),
    ]
    file_container: Annotated[
        str,
        Field(
            description="The name of a container that the server is configured with.",
            json_schema_extra={"pattern": CONTAINER, "minLength": 1, "maxLength": 63},
            examples=["test"],
        ),
    ]
    format: Annotated[Format | None, Field(description="What a record is; null: by the file's name.")] = None
    chunk_bytes: Annotated[
        ChunkBytes | None, BeforeValidator(_whole), Field(description="How large the chunks are, about.")
    ] = None
    policy: Annotated[Policy | None, Field(description="What becomes of a malformed record.")] = None
    delimiter: Annotated[Literal[",", ";", "\t", "|", ":", " "] | None, Field(description="Between the fields.")] = None
    quote: Annotated[
        Literal['"', "'", ""] | None, Field(description='Around a field; "": quotes are ordinary characters.')
    ] = None
    header: Annotated[bool | None, Field(strict=True, description="Whether the first record holds the names.")] = None
    encoding: Annotated[Encoding | None, Field(description="How the text of the file is encoded.")] = None
    compression: Annotated[Compression | None, Field(description="How the file is compressed.")] = None
    on_change: Annotated[
        OnChange | None, Field(description="What becomes of the job if the file changes while it is read.")
    ] = None

    @field_validator("file_name")
    @classmethod
    def _check_file_name(cls, value: str) -> str:
        return _unless(wrong_file_name(value), value)

    @field_validator("file_container")
    @classmethod
    def _check_container(cls, value: str) -> str:
        return _unless(wrong_container(value), value)


def _unless(problem: str | None, value: str) -> str:
    if problem is not None:
        raise ValueError(problem)
    return value
