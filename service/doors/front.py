"""The front door: every request passes it on the way in and out, whichever door it is for.

It gives the request an id, asks whether it may pass, bounds its body, sends it to Axon's own routes or to BentoML's,
turns every failure into the one error shape, and counts the answer. It knows routes and statuses; it does not know what
a request means.
"""

import asyncio
import logging
import random
import re
import time
from typing import Any, Protocol

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.doors.access import Access
from service.doors.body import (
    WHOLE,
    BoundedReceive,
    Storage,
    arrival_of,
    deadline_of,
    header,
    media_type_of,
    read_bytes,
    too_large,
)
from service.errors import (
    CLIENT_LEFT,
    JSON,
    AxonError,
    ForeignError,
    InternalError,
    MethodNotAllowed,
    NotAnImage,
    NotReady,
)
from service.telemetry import metrics
from service.telemetry.access_log import AccessLog

log = logging.getLogger(__name__)

REQUEST_ID, DEADLINE, FAILURE = "request_id", "deadline", "failure"  # keys of a request's state
MOST_DETAILS = 10
BENTO_ROUTES = {"/classify", "/gate", "/schema.json", "/docs.json"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
CLIENT_CLOSED = 499  # the client went away before there was an answer; nobody sees this status but the metrics

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Exchange:
    """One request and its answer: what is counted and logged at the end, and what an error needs."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.request_id = _request_id(scope)
        self.status = 0
        self.began = arrival_of(scope)
        self._send = send

    async def send(self, message: Message) -> None:
        """Passes an answer on, with its request id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
        await self._send(message)

    async def refuse(self, error: AxonError) -> None:
        """Answers with an error, unless an answer has begun."""
        if self.status:
            return
        body = error.body(self.request_id)
        headers = {"content-type": JSON, "content-length": str(len(body)), **error.headers()}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})


class House(Protocol):
    """What stands behind the front door."""

    routes: ASGIApp
    access: Access
    access_log: AccessLog
    storage: Storage
    max_body_bytes: int
    timeout_ms: float


class FrontDoor:
    """ASGI middleware around BentoML's application, which has the Bento door's routes; `house` has the others."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._bento = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._bento(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        exchange = Exchange(scope, send)
        state[REQUEST_ID] = exchange.request_id
        try:
            await self._answer(scope, receive, exchange)
        except AxonError as error:
            await exchange.refuse(error)
        except HTTPException as error:
            await exchange.refuse(_foreign(scope, error))
        except ClientDisconnect:
            pass
        except asyncio.CancelledError as error:
            if error.args != (CLIENT_LEFT,):  # the drain is over
                await exchange.refuse(NotReady("the service stopped before it could answer", retry_after_s=1))
        except Exception:
            log.exception("request_failed request_id=%s", exchange.request_id)
            await exchange.refuse(InternalError())
        finally:
            exchange.status = exchange.status or CLIENT_CLOSED
            self._count(scope, exchange)

    async def _answer(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        self._house.access.check(scope)
        bounded = self._bounded(scope, receive)
        if WHOLE in scope["state"]:
            await self._ask(scope, bounded, exchange)
            return
        with self._house.storage.store(bounded) as stored:
            await self._ask(scope, stored, exchange)

    async def _ask(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        if scope["path"] in BENTO_ROUTES:
            await self._ask_bento(scope, receive, exchange)
        else:
            await self._house.routes(scope, receive, exchange.send)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """A receive whose body is within bounds; the server itself sees to it that it is as long as it was declared."""
        limit = self._house.max_body_bytes
        declared = header(scope, b"content-length")
        if not declared.isdigit():
            return BoundedReceive(receive, limit)
        if int(declared) > limit:
            raise too_large(limit, int(declared))
        return receive

    async def _ask_bento(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        """Reads the whole body first, within bounds of bytes and time, which BentoML would not keep."""
        deadline = scope["state"][DEADLINE] = deadline_of(scope, self._house.timeout_ms)
        media_type = media_type_of(scope) or JSON
        if scope["method"] == "POST" and media_type != JSON:
            raise NotAnImage(f"{scope['path']} takes {JSON}, got {media_type}")
        body = await read_bytes(scope, receive, deadline)
        await BentoAnswer(exchange, body, receive).relay(self._bento, scope)

    def _count(self, scope: Scope, exchange: Exchange) -> None:
        seconds = time.monotonic() - exchange.began
        door, route = _place(scope)
        method = scope["method"] if scope["method"] in METHODS else metrics.OTHER
        metrics.record_request(door, route, method, exchange.status, seconds)
        if self._house.access_log.wants(exchange.status):
            ms = round(seconds * 1e3, 3)
            self._house.access_log.record(
                exchange.status, method=method, route=route, ms=ms, request_id=exchange.request_id
            )


class BentoAnswer:
    """Relays BentoML's answer; an error is held back, and given again in the one shape.

    A Bento method leaves the AxonError that it met in the request's state.
    """

    def __init__(self, exchange: Exchange, request_body: bytes, receive: Receive) -> None:
        self._exchange = exchange
        self._request_body: bytes | None = request_body
        self._receive_more = receive
        self._held: Message | None = None
        self._body = bytearray()

    async def relay(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._receive, self._send)
        if self._held is not None:
            raise scope["state"].get(FAILURE) or _reshape(scope, self._held, bytes(self._body))

    async def _receive(self) -> Message:
        if self._request_body is None:
            return await self._receive_more()
        body, self._request_body = self._request_body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._held = message
        elif self._held is not None:
            self._body += message.get("body", b"")
        else:
            await self._exchange.send(message)


def _reshape(scope: Scope, start: Message, body: bytes) -> AxonError:
    """BentoML's errors: an object, a list around an object, or plain text."""
    status = start["status"]
    if status == MethodNotAllowed.status:
        return _wrong_method(scope, Headers(raw=start["headers"]).get("allow", ""))
    if status >= 500:
        return InternalError() if status == 500 else ForeignError(status, "the service cannot answer now")
    document = _loads(body)
    first = document[0] if isinstance(document, list) and document else document
    if not isinstance(first, dict):
        return ForeignError(status, "the request cannot be understood")
    detail = [{"loc": item["loc"], "msg": item["msg"]} for item in first.get("detail", [])[:MOST_DETAILS]]
    sentences = (": ".join(filter(None, (".".join(map(str, item["loc"])), item["msg"]))) for item in detail)
    return ForeignError(status, "; ".join(sentences) or first.get("error", ""), detail=detail)


def _loads(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _foreign(scope: Scope, error: HTTPException) -> AxonError:
    if error.status_code == MethodNotAllowed.status:
        return _wrong_method(scope, (error.headers or {}).get("Allow", ""))
    return ForeignError(error.status_code, error.detail)


def _wrong_method(scope: Scope, allow: str) -> MethodNotAllowed:
    allowed = sorted(allow.split(", "))
    message = f"{scope['path']} takes {' or '.join(allowed)}, got {scope['method']}"
    return MethodNotAllowed(message, headers={"allow": ", ".join(allowed)})


def _place(scope: Scope) -> tuple[str, str]:
    """Door and route template."""
    if scope["path"] in BENTO_ROUTES:
        return "bento", scope["path"]
    route = scope.get("route")
    if route is None:
        return metrics.OTHER, metrics.OTHER
    return "open_inference" if route.path.startswith("/v2") else "rest", route.path


def _request_id(scope: Scope) -> str:
    """The client's X-Request-ID where it is short and plain, else a new one of 16 hexadecimal digits."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{random.getrandbits(64):016x}"
