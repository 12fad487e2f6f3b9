"""Tensors on the wire: datatypes of the Open Inference Protocol, as numbers in JSON and as bytes behind it.

Bytes are little-endian and row-major without padding; an element of BYTES is its length, uint32, and then itself
(binary tensor data extension). Knows numpy and bytes; does not know which tensors a model takes.
"""

import base64
import binascii
import math
import struct
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.doors.intake import show
from service.errors import InvalidInput

BYTES, UINT8, INT64, FP32 = "BYTES", "UINT8", "INT64", "FP32"
DTYPES: dict[str, np.dtype[Any]] = {UINT8: np.dtype("u1"), INT64: np.dtype("<i8"), FP32: np.dtype("<f4")}
NUMBERS = ("BOOL", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "FP16", "FP64", *DTYPES)
KNOWN = (*NUMBERS, "BF16", BYTES)
LENGTH = struct.Struct("<I")
LARGEST = float(np.finfo(np.float32).max)

Array = NDArray[Any]
Shape = tuple[int, ...]


class Tensor(NamedTuple):
    """An input as it came: `data` is what JSON gave, which may hold booleans, or the bytes behind it."""

    name: str
    datatype: str
    shape: Shape
    data: Any
    with_booleans: bool = True


def numbers(tensor: Tensor) -> Array:
    """A tensor of numbers as an array of its shape. Raises InvalidInput."""
    dtype, count = DTYPES[tensor.datatype], math.prod(tensor.shape)
    if isinstance(tensor.data, memoryview):
        if len(tensor.data) != count * dtype.itemsize:
            raise InvalidInput(
                f"unexpected size for input {tensor.name!r}: {tensor.datatype} of shape {list(tensor.shape)} is "
                f"{count * dtype.itemsize} bytes, got {len(tensor.data)}"
            )
        array: Array = np.frombuffer(tensor.data, dtype).reshape(tensor.shape)
        return array
    parse = _levels if tensor.datatype == UINT8 else _floats
    return parse(flatten(tensor), tensor).reshape(tensor.shape)


def texts(tensor: Tensor) -> list[bytes]:
    """The elements of a BYTES tensor; in JSON they are base64 text. Raises InvalidInput."""
    count = math.prod(tensor.shape)
    if isinstance(tensor.data, memoryview):
        elements = _split(tensor, count)
    else:
        elements = [_decode(text, tensor.name) for text in flatten(tensor)]
    if len(elements) != count:
        got = "more" if len(elements) > count else len(elements)
        raise InvalidInput(f"input {tensor.name!r} of shape {list(tensor.shape)} must have {count} elements, got {got}")
    return elements


def flatten(tensor: Tensor) -> list[Any]:
    """The elements of a tensor in JSON, which may be nested as its shape says, or flat. Raises InvalidInput."""
    flat = tensor.data
    if not isinstance(flat, list):
        raise InvalidInput(f"data of input {tensor.name!r} must be a list")
    for depth, side in enumerate(tensor.shape[1:], 1):
        if not (flat and type(flat[0]) is list):
            break
        if any(type(part) is not list or len(part) != side for part in flat):
            raise InvalidInput(
                f"data of input {tensor.name!r} is nested otherwise than its shape {list(tensor.shape)}: "
                f"not every list at depth {depth} has {side} items"
            )
        flat = list(chain.from_iterable(flat))
    if len(flat) != math.prod(tensor.shape):
        raise InvalidInput(f"input {tensor.name!r} of shape {list(tensor.shape)} has {len(flat)} elements")
    return flat


def pack(elements: Sequence[bytes]) -> bytes:
    """Elements of BYTES as they go through the wire."""
    return b"".join(chain.from_iterable((LENGTH.pack(len(element)), element) for element in elements))


def _levels(flat: list[Any], tensor: Tensor) -> Array:
    """Whole numbers of 0 to 255; a float counts where it is whole. `bytes` takes a third of numpy's time."""
    try:
        if not tensor.with_booleans or bool not in set(map(type, flat)):
            return np.frombuffer(bytes(flat), np.uint8)
    except (TypeError, ValueError):
        pass
    values = _table(flat, tensor.name, "whole numbers from 0 to 255", _are_levels)
    return values.astype(np.uint8)


def _floats(flat: list[Any], tensor: Tensor) -> Array:
    return _table(flat, tensor.name, "numbers", _fit_fp32).astype(np.float32)


def _table(flat: list[Any], name: str, what: str, are_allowed: Callable[[Array], Array]) -> Array:
    """All numbers at once, float64. Raises InvalidInput that shows the first that is none, or is not allowed."""
    if {*map(type, flat)} <= {int, float}:
        values = np.array(flat, np.float64)
        allowed = are_allowed(values)
        if allowed.all():
            return values
        wrong = flat[int(allowed.argmin())]
    else:
        wrong = next(value for value in flat if type(value) not in (int, float))
    raise InvalidInput(f"data of input {name!r} must be {what}, got {show(wrong)}")


def _are_levels(values: Array) -> Array:
    within: Array = (values >= 0) & (values <= 255) & (values % 1 == 0)
    return within


def _fit_fp32(values: Array) -> Array:
    within: Array = np.abs(values) <= LARGEST
    return within


def _split(tensor: Tensor, count: int) -> list[bytes]:
    """As many elements as there are, or one more than there shall be."""
    data, place = tensor.data, 0
    elements: list[bytes] = []
    while place < len(data) and len(elements) <= count:
        begins = place + LENGTH.size
        ends = begins + LENGTH.unpack_from(data, place)[0] if begins <= len(data) else begins
        if ends > len(data):
            raise InvalidInput(f"input {tensor.name!r} ends within element {len(elements)}")
        elements.append(bytes(data[begins:ends]))
        place = ends
    return elements


def _decode(text: Any, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error, ValueError):
        raise InvalidInput(f"elements of BYTES input {name!r} are base64 text in JSON, got something else") from None
