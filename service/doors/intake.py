"""Pre: request bodies -> arrays. What clients may send, checked once for every door, in sentences."""

import base64
import binascii
import time
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.doors.pictures import SIDE, Images, Pictures
from service.errors import InvalidInput, TooLarge, UnusableInput


def parse_json(body: bytes) -> Any:
    """Any JSON document. Raises InvalidInput that says where it breaks (nesting is bounded by the parser at 1,024)."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None


def member(document: Any, name: str) -> Any:
    """The value of the only key that a request object may have. Raises InvalidInput."""
    if not isinstance(document, dict):
        raise InvalidInput(f'the body must be an object with the key "{name}", got {_kind(document)}')
    strangers = sorted(set(document) - {name})
    if strangers:
        raise InvalidInput(f'the body has the key "{name}" alone, got {strangers[0]!r}')
    if name not in document:
        raise InvalidInput(f'the body must have the key "{name}"')
    return document[name]


def count(items: Any, name: str, most: int) -> list[Any]:
    """The items, if they are a list of 1 to `most`. Raises InvalidInput, or TooLarge for more."""
    if not isinstance(items, list):
        raise InvalidInput(f"{name} must be a list, got {_kind(items)}")
    if not items:
        raise InvalidInput(f"{name} must have 1 to {most} items, got none")
    if len(items) > most:
        raise TooLarge(f"{name} may have {most} items, got {len(items)}")
    return items


def may_hold_booleans(body: bytes) -> bool:
    """Whether there can be one in a JSON document: its text knows sooner than a look at every number."""
    return b"true" in body or b"false" in body


async def digits_from_items(
    items: list[Any], pictures: Pictures, deadline: float, with_booleans: bool = True
) -> Images:
    """Items of a JSON list, each base64 text of a picture or a 28x28 array of 0..255, in order.

    Raises InvalidInput or UnusableInput that name the item, and what Pictures.read raises.
    """
    began = time.perf_counter()
    texts = {index: _from_base64(item, f"images[{index}]") for index, item in enumerate(items) if type(item) is str}
    if not texts:
        levels = None if with_booleans else _whole_levels(items)
        return Images(_arrays(items) if levels is None else levels, time.perf_counter() - began)
    images = np.empty((len(items), SIDE, SIDE), np.uint8)
    for index in set(range(len(items))) - set(texts):
        images[index] = _array(items[index], f"images[{index}]")
    parsed_s = time.perf_counter() - began
    read = await pictures.read(list(texts.values()), deadline, list(texts) if len(items) > 1 else None)
    are_several = np.zeros(len(items), bool)
    images[list(texts)], are_several[list(texts)] = read.images, read.are_several
    return Images(images, parsed_s + read.decode_s, read.normalise_s, are_several)


def picture_text(document: Any) -> bytes:
    """The picture in `{"image": base64 text or a data URL}`. Raises InvalidInput."""
    text = member(document, "image")
    if not isinstance(text, str):
        raise InvalidInput(f"image must be base64 text of a picture, got {_kind(text)}")
    return _from_base64(text, "image")


def gate_rows(rows: list[Any], inputs: int) -> NDArray[np.float32]:
    """Rows of numbers in 0..1 -> float32[N, inputs]. Raises InvalidInput that names the row."""
    try:
        table = np.array(rows)
    except ValueError:
        table = np.empty(0)
    if not (_are_numbers(rows, table, (len(rows), inputs)) and table.min() >= 0 and table.max() <= 1):  # nor NaN
        for index, row in enumerate(rows):
            _check_numbers(row, f"inputs[{index}]", inputs, 1)
        table = np.array(rows)
    return np.asarray(table, np.float32)


def _whole_levels(items: list[list[Any]]) -> NDArray[np.uint8] | None:
    """What nearly every client sends, 28 rows of 28 whole numbers of 0..255, in a third of numpy's time; else None.

    The items hold no boolean, which `bytes` would take for a number.
    """
    try:
        rows = list(chain.from_iterable(items))
        if {*map(len, items), *map(len, rows)} != {SIDE}:
            return None
        levels = b"".join(map(bytes, rows))
    except (TypeError, ValueError):
        return None
    return np.frombuffer(levels, np.uint8).reshape(-1, SIDE, SIDE)


def _arrays(items: list[list[Any]]) -> NDArray[np.uint8]:
    """All at once where that goes; item by item only to say which one is wrong."""
    try:
        pixels = np.array(items)
    except ValueError:
        pixels = np.empty(0)
    wanted = (len(items), SIDE, SIDE)
    if _are_numbers(chain.from_iterable(items), pixels, wanted) and pixels.min() >= 0 and pixels.max() <= 255:
        return _whole(pixels)
    return np.stack([_array(item, f"images[{index}]") for index, item in enumerate(items)])


def _array(item: Any, name: str) -> NDArray[np.uint8]:
    """One 28x28 array of 0..255; fractions are rounded. Raises InvalidInput or UnusableInput."""
    if not isinstance(item, list):
        raise InvalidInput(f"{name} must be base64 text or {SIDE} rows of {SIDE} numbers, got {_kind(item)}")
    if len(item) != SIDE:
        raise InvalidInput(f"{name} must be {SIDE} rows of {SIDE} numbers, got {len(item)} rows")
    for index, row in enumerate(item):
        _check_numbers(row, f"{name}[{index}]", SIDE, 255)
    return _whole(np.array([item]), name)[0, ...]


def _whole(pixels: NDArray[Any], name: str | None = None) -> NDArray[np.uint8]:
    """Rounds [N, 28, 28] of 0..255 to whole levels. Raises UnusableInput for an image that looks scaled to 0..1."""
    if pixels.dtype.kind == "i":
        return np.asarray(pixels, np.uint8)
    peaks = pixels.max(axis=(1, 2))
    scaled = (peaks > 0) & (peaks <= 1) & (pixels % 1).any(axis=(1, 2))
    if scaled.any():
        wrong = name or f"images[{int(scaled.argmax())}]"
        raise UnusableInput(f"{wrong} looks scaled to 0..1; pixels are 0 (paper) to 255 (ink), so multiply by 255")
    return np.asarray(np.rint(pixels), np.uint8)


def _are_numbers(rows: Iterable[Any], table: NDArray[Any], shape: tuple[int, ...]) -> bool:
    """Whether numpy made a table of this shape of them, and none was a boolean, which numpy takes for a number."""
    return table.shape == shape and table.dtype.kind in "if" and bool not in map(type, chain.from_iterable(rows))


def _check_numbers(row: Any, name: str, length: int, most: int) -> None:
    """Raises InvalidInput unless `row` is a list of so many numbers from 0 to `most`."""
    if not isinstance(row, list) or len(row) != length:
        got = f"{len(row)} items" if isinstance(row, list) else _kind(row)
        raise InvalidInput(f"{name} must be {length} numbers, got {got}")
    for value in row:
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise InvalidInput(f"{name} must hold numbers from 0 to {most}, got {show(value)}")


def _from_base64(text: str, name: str) -> bytes:
    """Base64 text, or a data URL that holds some. Raises InvalidInput."""
    if text.startswith("data:"):
        header, comma, text = text.partition(",")
        if not comma or not header.endswith(";base64"):
            raise InvalidInput(f"{name} must be a data URL in base64, such as data:image/png;base64,iVBOR…")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{name} must be base64 text or a {SIDE}x{SIDE} array; this text is not base64") from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def show(value: Any) -> str:
    """A value of a JSON document as errors show it: a number itself, the kind of anything else."""
    return str(value) if type(value) in (int, float) else _kind(value)
