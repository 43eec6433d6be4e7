"""Parameters that several routes have."""

import re
from typing import Annotated, Any
from urllib.parse import unquote_plus

from fastapi import Header, Path, Query, Request

from millstream.web.models import EXAMPLE_ID
from millstream.web.naming import CURSOR, MESSAGE_ID, PLACE
from millstream.web.problems import invalid

MOST = 1000
_MESSAGE_ID = re.compile(MESSAGE_ID)

MESSAGE_ID_PARAMETER: dict[str, Any] = {
    "name": "message_id",
    "in": "query",
    "required": True,
    "description": "The id of the job; `?ID` alone works, too.",
    "schema": {"type": "string", "pattern": MESSAGE_ID, "examples": [EXAMPLE_ID]},
}
WITH_MESSAGE_ID: dict[str, Any] = {"parameters": [MESSAGE_ID_PARAMETER]}

JobInPath = Annotated[str, Path(alias="message_id", pattern=MESSAGE_ID, description="The id of the job.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
CursorParameter = Annotated[
    str | None, Query(alias="cursor", pattern=CURSOR, description="`next_cursor` of the page before.")
]
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", pattern=PLACE, description="The id of the last event that was seen.")
]


async def message_id_of(request: Request) -> str:
    """The message id of the query: `?message_id=X`, or `?X` alone."""
    values = request.query_params.getlist("message_id")
    first = request.url.query.partition("&")[0]
    if not values and first and "=" not in first:
        values = [unquote_plus(first)]
    if not values:
        raise invalid("message_id", detail="expected the id of a job, found none")
    if len(values) > 1 or _MESSAGE_ID.fullmatch(values[0]) is None:
        raise invalid("message_id", detail="expected one id of 1 to 64 letters, digits and dashes")
    return values[0]
