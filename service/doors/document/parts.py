"""What OpenAPI documents are made of: operations, parameters, contents, and the errors that every route has."""

from typing import Any

from pydantic import BaseModel

from service import schemas
from service.doors.body import MAX_TIMEOUT_MS
from service.errors import ERRORS, JSON, AxonError

REFERENCE = "#/components/schemas/"

TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_MS},
    "description": "deadline of this request, milliseconds",
    "example": 500,
}
KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key, where the service takes keys"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same, in another header"},
}
NO_KEY: dict[str, Any] = {"security": []}


def operation(
    summary: str,
    result: type[BaseModel],
    parameters: list[dict[str, Any]] | None = None,
    accepted: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An operation that answers with JSON."""
    described: dict[str, Any] = {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {"200": {"description": result.__doc__ or summary, "content": content(result)}, **errors()},
    }
    return described | ({"requestBody": {"required": True, "content": accepted}} if accepted else {})


def text(summary: str, media_type: str, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An operation that answers with text, or with a body that needs no words."""
    responses = {"200": {"description": summary, "content": {media_type: {}}}, **errors()}
    return {"summary": summary, "parameters": parameters or [], "responses": responses}


def errors() -> dict[str, Any]:
    """One entry per status, with the codes that it may have."""
    statuses: dict[str, list[type[AxonError]]] = {}
    for error in ERRORS:
        statuses.setdefault(str(error.status), []).append(error)
    return {
        status: {"description": ", ".join(error.code for error in errors), "content": content(schemas.Error)}
        for status, errors in statuses.items()
    }


def content(schema: type[BaseModel]) -> dict[str, Any]:
    """JSON of a schema."""
    return {JSON: {"schema": {"$ref": REFERENCE + schema.__name__}}}


def path(name: str, description: str, example: str) -> dict[str, Any]:
    """A parameter in the path."""
    described = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    return described | {"description": description, "example": example}


def query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A parameter of the query."""
    return {"name": name, "in": "query", "schema": schema, "description": description}
