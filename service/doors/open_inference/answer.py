"""An inference answer: outputs in JSON, or as bytes behind it; compressed where the client can read that.

Only answers of 200 to inference are ever compressed: the asyncio client of Triton's asks for it with every request, and
does not decompress anything else.
"""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from starlette.types import Receive, Scope, Send

from service.doors.open_inference.request import BINARY_SIZE, HEADER_LENGTH, WINDOW_BITS
from service.doors.open_inference.tensors import BYTES, Array, Shape, pack
from service.errors import JSON

BINARY_TYPE = "application/octet-stream"
LEAST = 1_024  # bytes that are worth compressing: 280 of one image take 10 us, to save 68
SMALL = 65_536  # bytes that are compressed at once; more, beside the event loop
_LEVEL = 1  # of compression: answers are small


class Output(NamedTuple):
    """A tensor that goes out: an array of numbers, or the elements of BYTES."""

    name: str
    datatype: str
    shape: Shape
    data: Array | Sequence[bytes]
    is_binary: bool


class Answer:
    """The body, encoded as it says, and headers of an answer, on its way out."""

    def __init__(self, body: bytes, header_length: int | None, encoding: str | None) -> None:
        media_type = JSON if header_length is None else BINARY_TYPE
        self._headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        if header_length is not None:
            self._headers.append((HEADER_LENGTH, str(header_length).encode()))
        if encoding is not None:
            self._headers += [(b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding")]
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


async def answer(document: dict[str, Any], outputs: list[Output], accepted: str) -> Answer:
    """The document with its outputs, encoded as `accepted` (Accept-Encoding) allows."""
    binary = [output for output in outputs if output.is_binary]
    parts = {output.name: _bytes(output) for output in binary}
    document["outputs"] = [_describe(output, parts.get(output.name)) for output in outputs]
    header = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    body = b"".join([header, *parts.values()])
    encoding = choose_encoding(accepted) if accepted and len(body) >= LEAST else None
    if encoding is not None:
        is_small = len(body) <= SMALL
        body = _compress(body, encoding) if is_small else await asyncio.to_thread(_compress, body, encoding)
    return Answer(body, len(header) if binary else None, encoding)


def choose_encoding(accepted: str) -> str | None:
    """gzip or deflate, if a client reads either: `Accept-Encoding` of RFC 9110, section 12.5.3."""
    weights = {}
    for item in accepted.lower().split(","):
        coding, _, weight = item.partition(";")
        weights[coding.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((coding for coding in WINDOW_BITS if weights.get(coding)), None)


def _describe(output: Output, packed: bytes | None) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
    if packed is not None:
        return tensor | {"parameters": {BINARY_SIZE: len(packed)}}
    if output.datatype == BYTES:
        return tensor | {"data": [element.decode() for element in output.data]}
    return tensor | {"data": output.data.ravel()}  # type: ignore[union-attr]  # of numbers


def _bytes(output: Output) -> bytes:
    return pack(output.data) if output.datatype == BYTES else output.data.tobytes()  # type: ignore[arg-type,union-attr]


def _compress(body: bytes, encoding: str) -> bytes:
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, WINDOW_BITS[encoding])
    return packing.compress(body) + packing.flush()
