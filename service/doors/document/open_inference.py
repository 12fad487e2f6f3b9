"""The routes of the Open Inference door in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

from service.doors.document.parts import (
    DUE,
    FOUND,
    MANAGED,
    PICTURES,
    REFERENCE,
    TIMEOUT,
    content,
    header,
    operation,
    path,
    without_key,
)
from service.doors.open_inference import schemas
from service.doors.open_inference.answer import BINARY_TYPE, LEAST
from service.doors.open_inference.request import WINDOW_BITS
from service.errors import JSON, AxonError, NotReady, UnknownModel, UnusableInput

SCHEMAS: tuple[type[BaseModel], ...] = (
    schemas.ServerLive,
    schemas.ServerReady,
    schemas.ModelReady,
    schemas.ServerMetadata,
    schemas.ModelMetadata,
    schemas.ModelConfiguration,
    schemas.ModelStatistics,
    schemas.InferenceRequest,
    schemas.InferenceResponse,
    schemas.IndexRequest,
    schemas.IndexEntry,
    schemas.LoadRequest,
    schemas.Done,
)
_NAME = path("name", "a model, such as cnn or gate-xor", "gate-xor")
_VERSION = path("version", "one of its versions", "1") | {"schema": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}}
_LENGTH = "Inference-Header-Content-Length"
_BYTES = {"type": "integer", "minimum": 0}
_ASKS = [
    TIMEOUT,
    header(_LENGTH, _BYTES, "bytes of JSON, before those of tensors; 0: a raw request, the bytes of the only input"),
    header(
        "Content-Encoding", {"type": "string", "enum": [*WINDOW_BITS, "identity"]}, "how the whole body is compressed"
    ),
    header("Accept-Encoding", {"type": "string"}, f"gzip or deflate: how {LEAST} bytes or more may be compressed")
    | {"example": "gzip, deflate"},
]
_TELLS = {
    _LENGTH: {"schema": _BYTES, "description": "bytes of JSON, before those of tensors; missing where there are none"},
    "Content-Encoding": {
        "schema": {"type": "string", "enum": [*WINDOW_BITS]},
        "description": "how the whole body is compressed",
    },
}
_BINARY = {BINARY_TYPE: {"schema": {"type": "string", "format": "binary"}}}


def describe() -> dict[str, Any]:
    """Every route."""
    model, version = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
    server = {"get": operation("The server and its extensions", schemas.ServerMetadata)}
    live = operation("200 while the process answers", schemas.ServerLive)
    ready = operation("200 while the required models serve", schemas.ServerReady, can=(NotReady,))
    every = operation("What all versions have done", schemas.ModelStatistics, can=(NotReady,))
    load, unload = "Loads what is new, or was unloaded, of a model", "Stops serving a model"
    return {
        "/v2": server,
        "/v2/": server,
        "/v2/health/live": {"get": without_key(live)},
        "/v2/health/ready": {"get": without_key(ready)},
        "/v2/models/stats": {"get": every},
        **_of_model(model, [_NAME]),
        **_of_model(version, [_NAME, _VERSION]),
        "/v2/repository/index": {"post": _index()},
        "/v2/repository/models/{name}/load": {"post": _order(load, UnusableInput)},
        "/v2/repository/models/{name}/unload": {"post": _order(unload)},
    }


def _of_model(route: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """The routes of a model, or of one version of it."""

    def read(summary: str, result: type[BaseModel]) -> dict[str, Any]:
        return operation(summary, result, parameters, can=FOUND)

    return {
        route: {"get": read("A model's tensors", schemas.ModelMetadata)},
        f"{route}/ready": {"get": without_key(read("200 while a model serves", schemas.ModelReady))},
        f"{route}/config": {"get": read("A model's configuration", schemas.ModelConfiguration)},
        f"{route}/stats": {"get": read("What a model has done", schemas.ModelStatistics)},
        f"{route}/infer": {"post": _infer(parameters)},
    }


def _infer(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    accepted = content(schemas.InferenceRequest) | _BINARY
    can = (*DUE, *PICTURES, UnknownModel)
    described = operation(
        "Tensors in, tensors out", schemas.InferenceResponse, [*parameters, *_ASKS], accepted, can=can
    )
    described["responses"]["200"]["content"] |= _BINARY
    described["responses"]["200"]["headers"] = _TELLS
    return described


def _index() -> dict[str, Any]:
    accepted = content(schemas.IndexRequest)
    described = operation("Every version with its state", schemas.IndexEntry, [TIMEOUT], accepted, can=DUE)
    entries = {"type": "array", "items": {"$ref": REFERENCE + schemas.IndexEntry.__name__}}
    described["responses"]["200"]["content"] = {JSON: {"schema": entries}}
    described["requestBody"]["required"] = False
    return described


def _order(summary: str, *more: type[AxonError]) -> dict[str, Any]:
    can = (*DUE, *MANAGED, *more)
    described = operation(summary, schemas.Done, [_NAME, TIMEOUT], content(schemas.LoadRequest), can=can)
    described["requestBody"]["required"] = False
    return described
