"""What OpenAPI documents are made of: operations, parameters, contents, and the errors that an operation can have.

Which errors those are is said where a route is described; what the front door says of any request is said here.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from service import schemas
from service.doors.body import MAX_TIMEOUT_MS
from service.errors import (
    ERRORS,
    JSON,
    AxonError,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    InvalidImage,
    InvalidInput,
    NotAnImage,
    NotReady,
    Overloaded,
    TooLarge,
    Unauthorized,
    UnknownModel,
)

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

Errors = tuple[type[AxonError], ...]
# Of any request: a body is refused by the length that it declares, also where nobody would read it.
FRONT: Errors = (Unauthorized, TooLarge, InternalError)
# NotReady is also what the end of a drain makes of whatever waits: for a body, an engine, metrics or other workers.
FOUND: Errors = (UnknownModel, NotReady)  # a model is looked up that has to serve
# A body is read, or an engine is asked, until a deadline; of either there may be too many on the way.
DUE: Errors = (InvalidInput, Overloaded, NotReady, DeadlineExceeded)
PICTURES: Errors = (InvalidImage, NotAnImage)
MANAGED: Errors = (Forbidden, UnknownModel, NotReady)  # every worker carries out an order


def operation(
    summary: str,
    result: type[BaseModel],
    parameters: list[dict[str, Any]] | None = None,
    accepted: dict[str, Any] | None = None,
    *,
    can: Errors = (),
) -> dict[str, Any]:
    """An operation that answers with JSON, or with the errors that it `can` give besides those of the front door."""
    described: dict[str, Any] = {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {"200": {"description": result.__doc__ or summary, "content": content(result)}, **errors(can)},
    }
    return described | ({"requestBody": {"required": True, "content": accepted}} if accepted else {})


def text(
    summary: str, media_type: str, parameters: list[dict[str, Any]] | None = None, *, can: Errors = ()
) -> dict[str, Any]:
    """An operation that answers with text, or with a body that needs no words."""
    responses = {"200": {"description": summary, "content": {media_type: {}}}, **errors(can)}
    return {"summary": summary, "parameters": parameters or [], "responses": responses}


def without_key(described: dict[str, Any]) -> dict[str, Any]:
    """An operation that anybody may ask for, and that is refused to nobody."""
    refused = str(Unauthorized.status)
    responses = {status: response for status, response in described["responses"].items() if status != refused}
    return described | {"security": [], "responses": responses}


def errors(can: Iterable[type[AxonError]]) -> dict[str, Any]:
    """One entry per status, with the codes that it may have: of these errors, and of those that any request can get."""
    statuses: dict[str, list[type[AxonError]]] = {}
    for error in ERRORS:
        if error in {*FRONT, *can}:
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


def header(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A header of a request."""
    return {"name": name, "in": "header", "schema": schema, "description": description}
