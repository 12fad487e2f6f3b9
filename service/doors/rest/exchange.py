"""What the routes share: query parameters in, JSON out."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.errors import JSON, InvalidInput
from service.inference.catalog import LoadedModel

Parser = Callable[[str], Any]


def parse_query(request: Request, parsers: Mapping[str, Parser]) -> dict[str, Any]:
    """The parameters that are given, parsed. Raises InvalidInput for an unknown, repeated or unreadable one."""
    values: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name not in parsers:
            allowed = ", ".join(parsers) or "none"
            raise InvalidInput(f"there is no query parameter {name!r} here; allowed: {allowed}")
        if name in values:
            raise InvalidInput(f"query parameter {name!r} is given twice")
        values[name] = parsers[name](text)
    return values


def whole(name: str, least: int, most: int) -> Parser:
    """Parses a whole number within bounds."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise InvalidInput(f"{name} must be a whole number from {least} to {most}, got {text!r}")
        return int(text)

    return parse


def flag(name: str) -> Parser:
    """Parses true or false."""

    def parse(text: str) -> bool:
        if text not in ("true", "false"):
            raise InvalidInput(f"{name} must be true or false, got {text!r}")
        return text == "true"

    return parse


version = whole("version", 1, 999_999_999)


def answer(document: Any) -> Response:
    """A document as JSON; numpy arrays are lists."""
    return Response(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON)


def reference(model: LoadedModel) -> dict[str, Any]:
    """Which model answered."""
    return {"name": model.name, "version": model.version, "sha256": model.bundle.sha256}
