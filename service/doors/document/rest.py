"""The routes of the REST door in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

from service import schemas
from service.doors.document.parts import (
    DUE,
    FOUND,
    MANAGED,
    PICTURES,
    TIMEOUT,
    content,
    operation,
    path,
    query,
    text,
    without_key,
)
from service.doors.rest import numbers
from service.doors.rest.digits import DEFAULT_MODEL, DEFAULT_TOP_K, FORM, IMAGE_TYPES, PART
from service.errors import JSON, InvalidInput, NotReady, UnknownModel, UnusableInput

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
_READING = (*DUE, *PICTURES, UnknownModel, UnusableInput)


def describe() -> dict[str, Any]:
    """Every route but the page itself."""
    name = path("name", "a model, such as cnn", "cnn")
    whole = {"type": "integer", "minimum": 1, "maximum": schemas.MOST_VERSION}
    version = query("version", whole, "a version other than the default")
    return {
        "/v1/digits": {"post": _digits(version)},
        "/v1/numbers": {"post": _numbers(version)},
        **_gates(),
        **_models(name, version),
        **_defaults(name),
        "/metrics": {"get": without_key(text("Metrics in Prometheus's format", "text/plain", can=(NotReady,)))},
        "/livez": {"get": without_key(text("200 while the process answers", JSON))},
        "/healthz": {"get": without_key(text("As /livez", JSON))},
        "/readyz": {"get": without_key(text("200 while the required models serve", JSON, can=(NotReady,)))},
    }


def _gates() -> dict[str, Any]:
    one, can = [path("gate", "and, or, nand, nor, xor or xnor", "xor"), TIMEOUT], (*DUE, UnknownModel)
    details = operation("One gate: weights and decision surface", schemas.GateDetails, one, can=can)
    outputs = operation("A gate's outputs", schemas.GateAnswer, one, content(schemas.GateRequest), can=can)
    return {
        "/v1/gates": {"get": operation("Every gate with its truth table", schemas.Gates, [TIMEOUT], can=DUE)},
        "/v1/gates/{gate}": {"get": details, "post": outputs},
    }


def _models(name: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
    """What is published. A query that is not understood is all that can be wrong with a question for all of it."""
    one = [name, version]
    manifest = operation("One model's manifest", schemas.ListingWithManifest, one, can=(InvalidInput, UnknownModel))
    card = text("One model's card, as Markdown", "text/markdown", one, can=(InvalidInput, *FOUND))
    return {
        "/v1/models": {"get": operation("Published models and their states", schemas.Listings, can=(InvalidInput,))},
        "/v1/models/{name}": {"get": manifest},
        "/v1/models/{name}/card": {"get": card},
    }


def _defaults(name: dict[str, Any]) -> dict[str, Any]:
    """Which version answers who names none."""
    pin = operation(
        "Makes a version the default",
        schemas.Listings,
        [name, TIMEOUT],
        content(schemas.PinRequest),
        can=(*DUE, *MANAGED, UnusableInput),
    )
    unpin = operation(
        "Makes the newest version the default again", schemas.Listings, [name], can=(InvalidInput, *MANAGED)
    )
    roll_back = operation(
        "Pins the version before the one that serves",
        schemas.Listings,
        [name],
        can=(InvalidInput, *MANAGED, UnusableInput),
    )
    return {"/v1/models/{name}/pin": {"put": pin, "delete": unpin}, "/v1/models/{name}/rollback": {"post": roll_back}}


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
    return operation("Reads one or many pictures of a digit", schemas.DigitsAnswer, parameters, accepted, can=_READING)


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
    summary = "Reads a picture of a number of 1 to 20 digits"
    return operation(summary, schemas.NumberAnswer, parameters, accepted, can=_READING)
