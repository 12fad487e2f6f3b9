"""The routes of the REST door in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

from service import schemas
from service.doors.document.parts import NO_KEY, TIMEOUT, content, operation, path, query, text
from service.doors.rest import numbers
from service.doors.rest.digits import DEFAULT_MODEL, DEFAULT_TOP_K, FORM, IMAGE_TYPES, PART
from service.errors import JSON

SCHEMAS: tuple[type[BaseModel], ...] = (
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
    schemas.PinRequest,
    schemas.Error,
)


def describe() -> dict[str, Any]:
    """Every route but the page itself."""
    gate = path("gate", "and, or, nand, nor, xor or xnor", "xor")
    name = path("name", "a model, such as cnn", "cnn")
    whole = {"type": "integer", "minimum": 1, "maximum": schemas.MOST_VERSION}
    version = query("version", whole, "a version other than the default")
    return {
        "/v1/digits": {"post": _digits(version)},
        "/v1/numbers": {"post": _numbers(version)},
        "/v1/gates": {"get": operation("Every gate with its truth table", schemas.Gates)},
        "/v1/gates/{gate}": {
            "get": operation("One gate: weights and decision surface", schemas.GateDetails, [gate]),
            "post": operation("A gate's outputs", schemas.GateAnswer, [gate], content(schemas.GateRequest)),
        },
        "/v1/models": {"get": operation("Published models and their states", schemas.Listings)},
        "/v1/models/{name}": {"get": operation("One model's manifest", schemas.ListingWithManifest, [name, version])},
        "/v1/models/{name}/pin": {
            "put": operation("Makes a version the default", schemas.Listings, [name], content(schemas.PinRequest)),
            "delete": operation("Makes the newest version the default again", schemas.Listings, [name]),
        },
        "/v1/models/{name}/rollback": {
            "post": operation("Pins the version before the one that serves", schemas.Listings, [name])
        },
        "/v1/models/{name}/card": {"get": text("One model's card, as Markdown", "text/markdown", [name, version])},
        "/metrics": {"get": text("Metrics in Prometheus's format", "text/plain") | NO_KEY},
        "/livez": {"get": text("200 while the process answers", JSON) | NO_KEY},
        "/healthz": {"get": text("As /livez", JSON) | NO_KEY},
        "/readyz": {"get": text("200 while the required models serve", JSON) | NO_KEY},
    }


def _digits(version: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        query("model", {"type": "string", "default": DEFAULT_MODEL}, "who reads: cnn or rnn"),
        version,
        query("top_k", {"type": "integer", "minimum": 1, "maximum": 10, "default": DEFAULT_TOP_K}, "candidates listed"),
        query(
            "explain",
            {"type": "boolean", "default": False},
            "adds what the model saw, and what counted; 16 images at most",
        ),
        TIMEOUT,
    ]
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"type": "object", "properties": {PART: {"type": "array", "items": binary["schema"]}}, "required": [PART]}
    accepted = content(schemas.DigitsRequest) | {FORM: {"schema": form}} | dict.fromkeys(IMAGE_TYPES, binary)
    return operation("Reads one or many pictures of a digit", schemas.DigitsAnswer, parameters, accepted)


def _numbers(version: dict[str, Any]) -> dict[str, Any]:
    off = {"type": "boolean", "default": False}
    parameters = [
        query("model", {"type": "string", "default": numbers.DEFAULT_MODEL}, "who reads lines"),
        version,
        query("decimal", off, "looks for decimal points"),
        query("minus", off, "looks for minus signs"),
        TIMEOUT,
    ]
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"type": "object", "properties": {PART: binary["schema"]}, "required": [PART]}
    accepted = content(schemas.NumberRequest) | {FORM: {"schema": form}} | dict.fromkeys(IMAGE_TYPES, binary)
    return operation("Reads a picture of a number of 1 to 20 digits", schemas.NumberAnswer, parameters, accepted)
