"""An inference request: a JSON object, and the bytes of its binary tensors behind it.

Open Inference Protocol, "Inference Request"; binary tensor data extension; schedule policy extension. Knows the wire;
does not know what a model takes.
"""

import math
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from service.doors.body import too_large
from service.doors.intake import may_hold_booleans, show
from service.doors.open_inference.tensors import KNOWN, Shape, Tensor
from service.errors import InvalidInput, NotAnImage
from service.inference.queue import PRIORITIES, USUAL

HEADER_LENGTH = b"inference-header-content-length"
WINDOW_BITS = {"gzip": 31, "deflate": 15}  # zlib's names for the two wrappings
BINARY_SIZE, BINARY, ALL_BINARY, CLASSIFICATION = (
    "binary_data_size", "binary_data", "binary_data_output", "classification",
)  # fmt: skip
MOST_TIMEOUT_US = 600_000_000
MOST_TENSORS = 16  # no model takes or gives as many
MOST_SIDES = 8


class Message(NamedTuple):
    """The JSON object, None in a raw request, and the bytes behind it."""

    header: bytes | None
    behind: memoryview


class Wanted(NamedTuple):
    """An output that is asked for: as bytes or in JSON, and how many classes of it, 0 for the tensor itself."""

    name: str
    is_binary: bool
    classes: int


class Question(NamedTuple):
    """What is asked. `wanted` is empty where all outputs are; `timeout_s` is None where the default holds."""

    id: str | None
    inputs: list[Tensor]
    wanted: list[Wanted]
    is_binary: bool
    timeout_s: float | None
    priority: int


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises NotAnImage for another encoding, TooLarge, InvalidInput."""
    if encoding in ("", "identity"):
        return body
    if encoding not in WINDOW_BITS:
        raise NotAnImage(f"Content-Encoding must be gzip or deflate, got {encoding!r}")
    unpacking = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        plain = unpacking.decompress(body, max_bytes + 1)
    except zlib.error:
        raise InvalidInput(f"the body is not {encoding}, as its Content-Encoding says") from None
    if len(plain) > max_bytes:
        raise too_large(max_bytes)
    if not unpacking.eof or unpacking.unused_data:
        raise InvalidInput(f"the body is not one whole {encoding} stream")
    return plain


def split(body: bytes, length: str) -> Message:
    """The two parts of a body. Raises InvalidInput for a length that is none."""
    if not length:
        return Message(body, memoryview(b""))
    if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= len(body)):
        raise InvalidInput(
            f"Inference-Header-Content-Length must be a whole number from 0 to {len(body)}, the body's length, "
            f"got {length[:40]!r}"
        )
    return Message(body[: int(length)] if int(length) else None, memoryview(body)[int(length) :])


def may_be_scheduled(header: bytes) -> bool:
    """Whether a request may say when it is due, or who goes first: its text knows before it is parsed."""
    return b'"timeout"' in header or b'"priority"' in header


def parse(header: bytes, behind: memoryview) -> Question:
    """A request that says which tensors it has. Raises InvalidInput."""
    document = _object(_json(header), "the body")
    parameters = parameters_of(document, "the request")
    identity = document.get("id")
    if not (identity is None or (isinstance(identity, str) and len(identity) <= 1024)):
        raise InvalidInput("id must be text of at most 1,024 characters")
    is_binary = _flag(parameters, ALL_BINARY)
    return Question(
        identity,
        _inputs(_items(document.get("inputs"), "inputs"), behind, may_hold_booleans(header)),
        _wanted(_items(_given(document, "outputs", []), "outputs"), is_binary),
        is_binary,
        _timeout(parameters.get("timeout")),
        _priority(parameters.get("priority")),
    )


def parameters_of(item: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """The parameters of a request or a tensor, which need not have any. Raises InvalidInput."""
    return _object(_given(item, "parameters", {}), f"parameters of {whose}")


def raw(name: str, datatype: str, row: Shape, item_bytes: int, body: memoryview) -> Question:
    """A request that is the bytes of its only input, a batch of one, and nothing else. Raises InvalidInput."""
    row_bytes = math.prod(row) * item_bytes
    if len(body) != row_bytes:
        raise InvalidInput(
            f"a raw request is one row of input {name!r}, {row_bytes} bytes of {datatype}; got {len(body)} bytes"
        )
    tensor = Tensor(name, datatype, (1, *row), body)
    return Question(None, [tensor], [], is_binary=True, timeout_s=None, priority=USUAL)


def _inputs(items: list[Any], behind: memoryview, with_booleans: bool) -> list[Tensor]:
    if not items:
        raise InvalidInput("inputs must have at least one tensor, got none")
    if len(items) > MOST_TENSORS:
        raise InvalidInput(f"inputs may have {MOST_TENSORS} tensors, got {len(items)}")
    tensors, place = [], 0
    for index, item in enumerate(items):
        name, datatype, shape = _describe(_object(item, f"inputs[{index}]"), index)
        parameters = parameters_of(item, f"input {name!r}")
        size = parameters.get(BINARY_SIZE)
        if ("data" in item) == (size is not None) or "shared_memory_region" in parameters:
            raise InvalidInput(
                f"input {name!r} must have either 'data' or '{BINARY_SIZE}' in its parameters; shared memory is not "
                "to be had here"
            )
        if size is None:
            tensors.append(Tensor(name, datatype, shape, item["data"], with_booleans))
            continue
        if type(size) is not int or not 0 <= size <= len(behind) - place:
            left = len(behind) - place
            raise InvalidInput(f"input {name!r} is said to have {_shown(size)} bytes; {left} are left in the body")
        tensors.append(Tensor(name, datatype, shape, behind[place : place + size]))
        place += size
    if place != len(behind):
        raise InvalidInput(f"unexpected additional input data: {len(behind) - place} bytes that no input claims")
    return tensors


def _describe(item: Mapping[str, Any], index: int) -> tuple[str, str, Shape]:
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if not isinstance(name, str):
        raise InvalidInput(f"inputs[{index}] must have a name, which is text")
    if datatype not in KNOWN:
        raise InvalidInput(f"datatype of input {name!r} must be one of {', '.join(KNOWN)}, got {_shown(datatype)}")
    if not isinstance(shape, list) or len(shape) > MOST_SIDES:
        raise InvalidInput(f"shape of input {name!r} must be a list of up to {MOST_SIDES} numbers, got {_shown(shape)}")
    if wrong := [side for side in shape if type(side) is not int or not 0 <= side < 1 << 31]:
        raise InvalidInput(f"shape of input {name!r} must have whole numbers from 0, got {_shown(wrong[0])}")
    return name, str(datatype), tuple(shape)


def _wanted(items: list[Any], is_binary: bool) -> list[Wanted]:
    if len(items) > MOST_TENSORS:
        raise InvalidInput(f"outputs may have {MOST_TENSORS} tensors, got {len(items)}")
    wanted = []
    for index, item in enumerate(items):
        name = _object(item, f"outputs[{index}]").get("name")
        if not isinstance(name, str):
            raise InvalidInput(f"outputs[{index}] must have a name, which is text")
        parameters = parameters_of(item, f"output {name!r}")
        if "shared_memory_region" in parameters:  # whoever asked would read what stood there before
            raise InvalidInput(f"output {name!r} cannot be put into shared memory: there is none here")
        classes = parameters.get(CLASSIFICATION, 0)
        if type(classes) is not int or classes < (CLASSIFICATION in parameters):
            raise InvalidInput(f"{CLASSIFICATION} of output {name!r} must be a whole number from 1")
        wanted.append(Wanted(name, _flag(parameters, BINARY, is_binary), classes))
    return wanted


def _timeout(given: Any) -> float | None:
    """Microseconds, 0 for none, as seconds."""
    if given is None:
        return None
    if type(given) is not int or not 0 <= given <= MOST_TIMEOUT_US:
        raise InvalidInput(f"timeout must be whole microseconds from 0 to {MOST_TIMEOUT_US}, got {_shown(given)}")
    return given / 1e6 or None


def _priority(given: Any) -> int:
    """The line to wait in. Numbers beyond the last are the usual, as they are to Triton."""
    if given is None:
        return USUAL
    if type(given) is not int or given < 0:
        allowed = f"1 (first) to {PRIORITIES} (last), or 0 for {USUAL}, the usual"
        raise InvalidInput(f"priority must be a whole number from {allowed}; got {_shown(given)}")
    return given if 1 <= given <= PRIORITIES else USUAL


def _flag(parameters: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} must be true or false")
    return value


def _shown(value: Any) -> str:
    """A value as errors show it: the beginning of a text, or what `show` makes of anything else, however deep."""
    return repr(value[:40]) if isinstance(value, str) else show(value)


def _given(item: Mapping[str, Any], name: str, default: Any) -> Any:
    """A member; null is as good as none, and nothing else is."""
    value = item.get(name)
    return default if value is None else value


def _json(header: bytes) -> Any:
    try:
        return orjson.loads(header)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the request is not JSON: {error}") from None


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} must be a JSON object")
    return value


def _items(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput(f"{name} must be a list of tensors")
    return value
