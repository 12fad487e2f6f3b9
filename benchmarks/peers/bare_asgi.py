"""The limit: an ASGI application without a framework, that does what has to be done and nothing else."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.peers.reader import Reader, answer, checked, decode, unpacked

Message = dict[str, Any]

reader = Reader()
INTAKE: dict[bytes, Callable[[bytes], Any]] = {
    b"application/json": lambda body: checked(orjson.loads(body)["images"]),
    b"application/octet-stream": unpacked,
    b"image/png": decode,
}


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answers POST with predictions, and anything else with 200."""
    if scope["type"] != "http":
        return
    if scope["method"] != "POST":
        await respond(send, 200, b"{}")
        return
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    try:
        images = INTAKE[dict(scope["headers"])[b"content-type"]](body)
    except (KeyError, ValueError, OSError) as error:
        await respond(send, 400, orjson.dumps({"error": str(error)}))
        return
    await respond(send, 200, orjson.dumps(answer(reader.read(images))))


async def respond(send: Callable[[Message], Awaitable[None]], status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
