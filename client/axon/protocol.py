"""The Open Inference Protocol over HTTP with binary tensors: requests as values, answers parsed. No network here."""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

HEADER_LENGTH = "inference-header-content-length"
SIZE = "binary_data_size"
DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "INT64": np.dtype("<i8"), "FP32": np.dtype("<f4")}
BYTES = "BYTES"

Tensor = NDArray[Any] | list[bytes]


class ProtocolError(ValueError):
    """An answer that is not of the protocol."""


class Request(NamedTuple):
    """What is to be sent; `path` begins behind the server's address."""

    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = {}


class Answer(NamedTuple):
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def infer(model: str, version: int | None, name: str, tensor: Tensor, outputs: Sequence[str]) -> Request:
    """A request with one input: BYTES for a list, else the datatype of the array, UINT8 or FP32."""
    if isinstance(tensor, list):
        datatype, shape, data = BYTES, [len(tensor)], pack(tensor)
    else:
        datatype = next(known for known, dtype in DTYPES.items() if dtype == tensor.dtype)
        shape, data = list(tensor.shape), tensor.tobytes()
    head = {
        "inputs": [{"name": name, "shape": shape, "datatype": datatype, "parameters": {SIZE: len(data)}}],
        "outputs": [{"name": output, "parameters": {"binary_data": True}} for output in outputs],
    }
    header = json.dumps(head, separators=(",", ":")).encode()
    headers = {HEADER_LENGTH: str(len(header)), "content-type": "application/octet-stream"}
    numbered = "" if version is None else f"/versions/{version}"
    return Request("POST", f"/v2/models/{quote(model, safe='')}{numbered}/infer", header + data, headers)


def outputs_of(answer: Answer) -> dict[str, Tensor]:
    """The outputs of an answer, by name. Raises ProtocolError."""
    try:
        length = int(answer.headers.get(HEADER_LENGTH, len(answer.content)))
        outputs, place = {}, length
        for output in json.loads(answer.content[:length])["outputs"]:
            size = output["parameters"][SIZE]
            data = answer.content[place : place + size]
            outputs[output["name"]] = _tensor(output["datatype"], output["shape"], data)
            place += size
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ProtocolError(f"the answer is not of the protocol: {error!r}") from error
    return outputs


def pack(elements: Sequence[bytes]) -> bytes:
    """Elements of BYTES: each behind its length, uint32 little-endian."""
    return b"".join(part for element in elements for part in (struct.pack("<I", len(element)), element))


def unpack(data: bytes) -> list[bytes]:
    """The elements of BYTES. Raises ProtocolError where the last is cut."""
    elements, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place)
        element = data[place + 4 : place + 4 + length]
        if len(element) < length:
            raise ProtocolError(f"an element of {length} bytes is cut after {len(element)}")
        elements.append(element)
        place += 4 + length
    return elements


def _tensor(datatype: str, shape: list[int], data: bytes) -> Tensor:
    if datatype == BYTES:
        elements = unpack(data)
        if len(elements) != math.prod(shape):
            raise ProtocolError(f"{len(elements)} elements for the shape {shape}")
        return elements
    array: NDArray[Any] = np.frombuffer(data, DTYPES[datatype])
    return array.reshape(shape)
