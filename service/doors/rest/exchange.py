"""What the routes share: query parameters in, JSON out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import JSON, InvalidInput
from service.inference.catalog import LoadedModel
from service.schemas import MOST_VERSION

Parser = Callable[[str], Any]
Handler = Callable[[Request], Awaitable[ASGIApp]]  # what it returns sends itself


def parse_query(request: Request, parsers: Mapping[str, Parser]) -> dict[str, Any]:
    """The parameters that are given, parsed. Raises InvalidInput for an unknown, repeated or unreadable one."""
    values: dict[str, Any] = {}
    if not request.scope["query_string"]:
        return values
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


version = whole("version", 1, MOST_VERSION)


class Endpoint:
    """Calls a handler. Starlette's own wrapping would look after exceptions, which the front door does."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._handler(Request(scope, receive))
        await answer(scope, receive, send)


class Answer:
    """A JSON body on its way out."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", JSON.encode()), (b"content-length", str(len(self._body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def answer(document: Any) -> Answer:
    """A document as JSON."""
    return Answer(dump(document))


def dump(document: Any) -> bytes:
    """JSON; numpy arrays are lists."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def reference(model: LoadedModel) -> dict[str, Any]:
    """Which model answered."""
    return {"name": model.name, "version": model.version, "sha256": model.bundle.sha256}
