"""The OpenAPI document of the REST and the Open Inference door, and a page that shows it without any other host."""

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from service import VERSION
from service.doors.document import open_inference, rest
from service.doors.document.parts import KEYS, REFERENCE
from service.errors import JSON

_PAGE = Path(__file__).parents[2] / "web" / "docs.html"


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
    """The OpenAPI 3.1 document."""
    schemas = [(schema, "serialization") for schema in (*rest.SCHEMAS, *open_inference.SCHEMAS)]
    _, definitions = models_json_schema(schemas, ref_template=REFERENCE + "{model}")  # type: ignore[arg-type]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Axon",
            "version": VERSION,
            "description": "Reads handwritten digits and evaluates logic gates.",
        },
        "security": [{}, *({scheme: []} for scheme in KEYS)],  # a service may be one that takes no keys
        "paths": rest.describe() | open_inference.describe(),
        "components": {"schemas": definitions["$defs"], "securitySchemes": KEYS},
    }
