"""What the OpenAPI document says of every route: problems, headers, links, keys."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from millstream.web.gate import OPEN_FOLDER, OPEN_PATHS
from millstream.web.models import Event, Problem
from millstream.web.problems import MEDIA_TYPE

DESCRIPTION = (
    "Takes on files in containers, publishes every record of them once as JSON, and tells at any time how far it is. "
    "Every problem is answered as RFC 9457 describes."
)
_MEANINGS = {
    400: "The request cannot be read.",
    401: "A key is needed.",
    403: "The key does not allow it, or another site's page asks.",
    404: "It is not there, or not for this caller: the answer is the same.",
    408: "The body did not come in time.",
    409: "It does not fit what is there now.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The server has another name.",
    422: "A field cannot be used; `errors` names it.",
    429: "Too much at once; `Retry-After` says when to come back.",
    500: "The server failed at this request.",
    503: "Something behind the server is down; `Retry-After` says when to come back.",
}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "How to come in.", "schema": {"type": "string"}}}
_HEADERS = {401: _CHALLENGE, 429: _RETRY, 503: _RETRY}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The problems that a route can answer with, besides those of every route."""
    return {status: _problem(status) for status in sorted({*statuses, 421, 429, 500, 503})}


def _problem(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _HEADERS:
        answer["headers"] = _HEADERS[status]
    return answer


def link(operation: str, *, text: str, **parameters: str) -> dict[str, Any]:
    """Where an answer leads: an operation with parameters taken from it."""
    return {"operationId": operation, "description": text, "parameters": parameters}


def describe(app: FastAPI, *, has_keys: bool) -> dict[str, Any]:
    """The OpenAPI document."""
    document = get_openapi(
        title="Millstream", version=app.version, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem, Event):  # that no route returns as its model
        schemas[model.__name__] = _schema_of(model, schemas)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _tidy(operation)
            if has_keys and path not in OPEN_PATHS and not path.startswith(OPEN_FOLDER):
                operation["security"] = [{"bearer": []}, {"header": []}]
                operation["responses"].setdefault("401", _problem(401))
    if has_keys:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return document


def _schema_of(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    return schema


def _tidy(operation: dict[str, Any]) -> None:
    """Take out what the framework adds for answers that are not given."""
    for parameter in operation.get("parameters", ()):
        choices = parameter["schema"].pop("anyOf", [])  # one that is left out has no value, not null
        for choice in choices:
            parameter["schema"] |= {} if choice == {"type": "null"} else choice
    found = operation.get("responses", {}).get("422", {})
    if "application/json" in found.get("content", {}):
        operation["responses"]["422"] = _problem(422)
