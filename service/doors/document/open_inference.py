"""The routes of the Open Inference door in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

from service.doors.document.parts import NO_KEY, REFERENCE, TIMEOUT, content, operation, path
from service.doors.open_inference import schemas
from service.doors.open_inference.answer import BINARY_TYPE
from service.errors import JSON

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
_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "bytes of JSON, before those of tensors; 0: a raw request, the bytes of the only input",
}
_BINARY = {BINARY_TYPE: {"schema": {"type": "string", "format": "binary"}}}


def describe() -> dict[str, Any]:
    """Every route."""
    model, version = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
    server = {"get": operation("The server and its extensions", schemas.ServerMetadata)}
    return {
        "/v2": server,
        "/v2/": server,
        "/v2/health/live": {"get": operation("200 while the process answers", schemas.ServerLive) | NO_KEY},
        "/v2/health/ready": {"get": operation("200 while the required models serve", schemas.ServerReady) | NO_KEY},
        "/v2/models/stats": {"get": operation("What all versions have done", schemas.ModelStatistics)},
        **_of_model(model, [_NAME]),
        **_of_model(version, [_NAME, _VERSION]),
        "/v2/repository/index": {"post": _index()},
        "/v2/repository/models/{name}/load": {"post": _order("Loads what is new, or was unloaded, of a model")},
        "/v2/repository/models/{name}/unload": {"post": _order("Stops serving a model")},
    }


def _of_model(route: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """The routes of a model, or of one version of it."""
    return {
        route: {"get": operation("A model's tensors", schemas.ModelMetadata, parameters)},
        f"{route}/ready": {"get": operation("200 while a model serves", schemas.ModelReady, parameters) | NO_KEY},
        f"{route}/config": {"get": operation("A model's configuration", schemas.ModelConfiguration, parameters)},
        f"{route}/stats": {"get": operation("What a model has done", schemas.ModelStatistics, parameters)},
        f"{route}/infer": {"post": _infer(parameters)},
    }


def _infer(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    parameters = [*parameters, TIMEOUT, _LENGTH]
    accepted = content(schemas.InferenceRequest) | _BINARY
    described = operation("Tensors in, tensors out", schemas.InferenceResponse, parameters, accepted)
    described["responses"]["200"]["content"] |= _BINARY
    return described


def _index() -> dict[str, Any]:
    described = operation("Every version with its state", schemas.IndexEntry, [], content(schemas.IndexRequest))
    entries = {"type": "array", "items": {"$ref": REFERENCE + schemas.IndexEntry.__name__}}
    described["responses"]["200"]["content"] = {JSON: {"schema": entries}}
    described["requestBody"]["required"] = False
    return described


def _order(summary: str) -> dict[str, Any]:
    described = operation(summary, schemas.Done, [_NAME], content(schemas.LoadRequest))
    described["requestBody"]["required"] = False
    return described
