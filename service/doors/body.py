"""Reads request bodies within bounds: of bytes, and of time."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from service.errors import JSON, DeadlineExceeded, InvalidInput, Overloaded, TooLarge

# Keys of a request's state, which a worker sets; other servers don't.
ARRIVED = "arrived"  # when its head was read (`time.monotonic`)
AHEAD = "ahead"  # seconds of work that the worker had in hand then
WHOLE = "whole"  # its body is here, and nobody has to wait for it
TIMEOUT_HEADER = b"x-request-timeout-ms"
MAX_TIMEOUT_MS = 600_000.0


class BoundedReceive:
    """An ASGI receive that raises TooLarge once a body has more than `max_bytes`."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = self._max_bytes = max_bytes

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise too_large(self._max_bytes)
        return message


class Storage:
    """Bytes of bodies that arrive in pieces, of all requests that a worker has yet to answer: bounded together."""

    def __init__(self, max_bytes: int) -> None:
        self._left = self._max_bytes = max_bytes

    @contextmanager
    def store(self, receive: Receive) -> Iterator[Receive]:
        """A receive whose bytes count until the request is answered; it raises Overloaded where they are too many."""
        taken = 0

        async def stored() -> Message:
            nonlocal taken
            message = await receive()
            size = len(message.get("body", b""))
            if size > self._left:
                said = f"requests on the way hold {self._max_bytes - self._left} of {self._max_bytes} bytes"
                raise Overloaded(f"{said}; {size} more do not fit", retry_after_s=1)
            self._left -= size
            taken += size
            return message

        try:
            yield stored
        finally:
            self._left += taken


def too_large(max_bytes: int, declared: int | None = None) -> TooLarge:
    """The error for a body over the bound."""
    got = "more" if declared is None else f"{declared} bytes"
    return TooLarge(f"the request body may have {max_bytes} bytes, got {got}")


def header(scope: Scope, name: bytes) -> str:
    """The first header of this name (lower case), empty where there is none. Starlette's `headers` cost more."""
    for known, value in scope["headers"]:
        if known == name:
            return str(value, "latin-1")
    return ""


def media_type_of(scope: Scope) -> str:
    """The Content-Type without its parameters, in lower case; empty where there is none."""
    return header(scope, b"content-type").partition(";")[0].strip().lower()


def rows_in(scope: Scope, most: int) -> int:
    """About how many images a body holds, 1 to `most`, told by its length: in JSON one takes 1,600 bytes or more."""
    length = header(scope, b"content-length")
    return min(most, max(1, int(length) // 1600)) if length.isdigit() and media_type_of(scope) == JSON else 1


def deadline_of(scope: Scope, default_ms: float) -> float:
    """When the answer is due (`time.monotonic`), from X-Request-Timeout-Ms or the default. Raises InvalidInput."""
    given = next((str(value, "latin-1") for name, value in scope["headers"] if name == TIMEOUT_HEADER), None)
    if given is None:
        return arrival_of(scope) + default_ms / 1e3
    try:
        timeout_ms = float(given)
    except ValueError:
        timeout_ms = 0.0
    if not 0 < timeout_ms <= MAX_TIMEOUT_MS:
        raise InvalidInput(f"X-Request-Timeout-Ms must be above 0 and at most {MAX_TIMEOUT_MS:.0f}, got {given!r}")
    return arrival_of(scope) + timeout_ms / 1e3


def ahead_of(scope: Scope) -> float:
    """Seconds of work that the worker had in hand as the request's head was read; 0 where the server does not say."""
    ahead_s: float = scope["state"].get(AHEAD, 0.0)
    return ahead_s


def arrival_of(scope: Scope) -> float:
    """When the request's head was read; now, where the server does not say."""
    arrived: float | None = scope["state"].get(ARRIVED)
    return arrived or time.monotonic()


async def read_bytes(scope: Scope, receive: Receive, deadline: float) -> bytes:
    """The whole body. Raises TooLarge (from the bounded receive), DeadlineExceeded, ClientDisconnect."""
    if WHOLE in scope["state"]:  # as most are; a timer costs more than the reading
        return await _read(receive)
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await _read(receive)
    except TimeoutError:
        raise DeadlineExceeded("the deadline passed before the request body had arrived") from None


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return _piece(message)
    pieces = [_piece(message)]
    while message.get("more_body"):
        message = await receive()
        pieces.append(_piece(message))
    return b"".join(pieces)


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return bytes(message.get("body", b""))


async def read_parts(request: Request, deadline: float, name: str, max_parts: int, max_bytes: int) -> list[bytes]:
    """The parts of a multipart form that are called `name`, in order, each of at most `max_bytes`.

    Raises InvalidInput for a malformed form, a part of another name or too many parts; else as read_bytes.
    """
    limits = {"max_files": max_parts, "max_fields": max_parts, "max_part_size": max_bytes}
    parser = MultiPartParser(_as_latin_1(request), request.stream(), **limits)
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            form = await parser.parse()
    except TimeoutError:
        raise DeadlineExceeded("the deadline passed before the request body had arrived") from None
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise TooLarge(f"the form may have {max_parts} parts, got more") from None
        raise InvalidInput(f"the multipart form is malformed: {error.message}") from None
    except (FormParserError, ValueError):
        raise InvalidInput("the multipart form is malformed: its parts cannot be told apart") from None
    try:
        strangers = sorted(set(form) - {name})
        if strangers:
            raise InvalidInput(f"every part of the form must be called {name!r}, got {strangers[0]!r}")
        return [await _content(part) for part in form.getlist(name)]
    finally:
        await form.close()


def _as_latin_1(request: Request) -> Headers:
    """The form's Content-Type with its boundary alone, in the encoding that maps every byte to a letter and back."""
    _, parameters = parse_options_header(request.headers["content-type"])
    boundary = {b"boundary": parameters[b"boundary"]} if b"boundary" in parameters else {}
    parts = [b"multipart/form-data; charset=latin-1", *(b'; boundary="' + text + b'"' for text in boundary.values())]
    return Headers(raw=[(b"content-type", b"".join(parts))])


async def _content(part: UploadFile | str) -> bytes:
    return await part.read() if isinstance(part, UploadFile) else part.encode("latin-1")
