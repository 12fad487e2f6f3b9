"""The OpenAPI document of the REST door, and a page that shows it without any other host."""

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from service import VERSION, schemas
from service.doors.rest import numbers
from service.doors.rest.digits import DEFAULT_MODEL, DEFAULT_TOP_K, FORM, IMAGE_TYPES, PART
from service.errors import ERRORS, JSON, AxonError

_PAGE = Path(__file__).parents[2] / "web" / "docs.html"
_REFERENCE = "#/components/schemas/"

_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "schema": {"type": "number", "exclusiveMinimum": 0},
    "description": "deadline of this request, milliseconds",
}
_SCHEMAS: tuple[type[BaseModel], ...] = (
    schemas.DigitsRequest,
    schemas.DigitsAnswer,
    schemas.NumberRequest,
    schemas.NumberAnswer,
    schemas.GateRequest,
    schemas.GateAnswer,
    schemas.Gates,
    schemas.GateDetails,
    schemas.Listings,
    schemas.ListingWithManifest,
    schemas.Error,
)


async def openapi(request: Request) -> Response:
    """The document, made at the first request for it."""
    return Response(_rendered(), media_type=JSON)


async def page(request: Request) -> Response:
    """The document as a page."""
    return FileResponse(_PAGE)


@cache
def _rendered() -> bytes:
    return orjson.dumps(describe())


def describe() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every route but the page itself."""
    _, definitions = models_json_schema(
        [(schema, "serialization") for schema in _SCHEMAS], ref_template=_REFERENCE + "{model}"
    )
    gate = _path("gate", "and, or, nand, nor, xor or xnor")
    name = _path("name", "a model, such as cnn")
    version = _query("version", {"type": "integer", "minimum": 1}, "a version other than the default")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Axon",
            "version": VERSION,
            "description": "Reads handwritten digits and evaluates logic gates.",
        },
        "paths": {
            "/v1/digits": {"post": _digits(version)},
            "/v1/numbers": {"post": _numbers(version)},
            "/v1/gates": {"get": _operation("Every gate with its truth table", schemas.Gates)},
            "/v1/gates/{gate}": {
                "get": _operation("One gate: weights and decision surface", schemas.GateDetails, [gate]),
                "post": _operation("A gate's outputs", schemas.GateAnswer, [gate], _content(schemas.GateRequest)),
            },
            "/v1/models": {"get": _operation("Published models and their states", schemas.Listings)},
            "/v1/models/{name}": {
                "get": _operation("One model's manifest", schemas.ListingWithManifest, [name, version])
            },
            "/v1/models/{name}/card": {"get": _text("One model's card, as Markdown", "text/markdown", [name, version])},
            "/metrics": {"get": _text("Metrics in Prometheus's format", "text/plain")},
            "/livez": {"get": _text("200 while the process answers", JSON)},
            "/healthz": {"get": _text("As /livez", JSON)},
            "/readyz": {"get": _text("200 while the required models serve", JSON)},
        },
        "components": {"schemas": definitions["$defs"]},
    }


def _digits(version: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        _query("model", {"type": "string", "default": DEFAULT_MODEL}, "who reads: cnn or rnn"),
        version,
        _query(
            "top_k", {"type": "integer", "minimum": 1, "maximum": 10, "default": DEFAULT_TOP_K}, "candidates listed"
        ),
        _query(
            "explain",
            {"type": "boolean", "default": False},
            "adds what the model saw, and what counted; 16 images at most",
        ),
        _TIMEOUT,
    ]
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"type": "object", "properties": {PART: {"type": "array", "items": binary["schema"]}}, "required": [PART]}
    content = _content(schemas.DigitsRequest) | {FORM: {"schema": form}} | dict.fromkeys(IMAGE_TYPES, binary)
    return _operation("Reads one or many pictures of a digit", schemas.DigitsAnswer, parameters, content)


def _numbers(version: dict[str, Any]) -> dict[str, Any]:
    off = {"type": "boolean", "default": False}
    parameters = [
        _query("model", {"type": "string", "default": numbers.DEFAULT_MODEL}, "who reads lines"),
        version,
        _query("decimal", off, "looks for decimal points"),
        _query("minus", off, "looks for minus signs"),
        _TIMEOUT,
    ]
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"type": "object", "properties": {PART: binary["schema"]}, "required": [PART]}
    content = _content(schemas.NumberRequest) | {FORM: {"schema": form}} | dict.fromkeys(IMAGE_TYPES, binary)
    return _operation("Reads a picture of a number of 1 to 20 digits", schemas.NumberAnswer, parameters, content)


def _operation(
    summary: str,
    result: type[BaseModel],
    parameters: list[dict[str, Any]] | None = None,
    content: dict[str, Any] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {"200": {"description": result.__doc__ or summary, "content": _content(result)}, **_errors()},
    }
    return operation | ({"requestBody": {"required": True, "content": content}} if content else {})


def _text(summary: str, media_type: str, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    responses = {"200": {"description": summary, "content": {media_type: {}}}, **_errors()}
    return {"summary": summary, "parameters": parameters or [], "responses": responses}


def _errors() -> dict[str, Any]:
    """One entry per status, with the codes that it may have."""
    statuses: dict[str, list[type[AxonError]]] = {}
    for error in ERRORS:
        statuses.setdefault(str(error.status), []).append(error)
    return {
        status: {"description": ", ".join(error.code for error in errors), "content": _content(schemas.Error)}
        for status, errors in statuses.items()
    }


def _content(schema: type[BaseModel]) -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": _REFERENCE + schema.__name__}}}


def _path(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": description}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}
