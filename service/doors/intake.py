"""Pre: request bodies -> arrays. What clients may send, checked once for every door, in sentences."""

import asyncio
import base64
import binascii
import time
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from service import imaging
from service.errors import InvalidInput, TooLarge, UnusableInput

SIDE = 28
INLINE_BYTES = 65_536  # a picture of this size decodes in about a millisecond; a larger one goes to a thread


class Images(NamedTuple):
    """uint8[N, 28, 28], and the seconds that decoding and normalising took."""

    images: NDArray[np.uint8]
    decode_s: float
    normalise_s: float


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


async def digits_from_items(items: list[Any], max_pixels: int) -> Images:
    """Items of a JSON list, each base64 text of a picture or a 28x28 array of 0..255, in order.

    Raises InvalidInput or UnusableInput that name the item, and what imaging raises.
    """
    if all(type(item) is list for item in items):
        began = time.perf_counter()
        return Images(_arrays(items), time.perf_counter() - began, 0.0)
    parts = [
        await digits_from_files([_from_base64(item, f"images[{index}]")], max_pixels)
        if isinstance(item, str)
        else Images(_array(item, f"images[{index}]")[None], 0.0, 0.0)
        for index, item in enumerate(items)
    ]
    return Images(
        np.concatenate([part.images for part in parts]),
        sum(part.decode_s for part in parts),
        sum(part.normalise_s for part in parts),
    )


async def digits_from_files(files: list[bytes], max_pixels: int) -> Images:
    """Pictures as files. Large ones are worked on beside the event loop. Raises what imaging raises."""
    if sum(map(len, files)) <= INLINE_BYTES:
        return _read_files(files, max_pixels)
    return await asyncio.to_thread(_read_files, files, max_pixels)


def gate_rows(rows: list[Any], inputs: int) -> NDArray[np.float32]:
    """Rows of numbers in 0..1 -> float32[N, inputs]. Raises InvalidInput that names the row."""
    try:
        table = np.array(rows)
    except ValueError:
        table = np.empty(0)
    good = table.shape == (len(rows), inputs) and table.dtype.kind in "iuf"
    if not good or not ((table >= 0) & (table <= 1)).all():
        for index, row in enumerate(rows):
            _check_numbers(row, f"inputs[{index}]", inputs, 1)
        table = np.array(rows)
    return table.astype(np.float32)


def _read_files(files: list[bytes], max_pixels: int) -> Images:
    images = np.empty((len(files), SIDE, SIDE), np.uint8)
    decode_s = normalise_s = 0.0
    for index, data in enumerate(files):
        began = time.perf_counter()
        grey = imaging.decode(data, max_pixels)
        decoded = time.perf_counter()
        images[index] = imaging.normalise(grey)
        decode_s += decoded - began
        normalise_s += time.perf_counter() - decoded
    return Images(images, decode_s, normalise_s)


def _arrays(items: list[list[Any]]) -> NDArray[np.uint8]:
    """All at once, which is the fast way; item by item only to say which one is wrong."""
    try:
        pixels = np.array(items)
    except ValueError:
        pixels = np.empty(0)
    if pixels.shape == (len(items), SIDE, SIDE) and pixels.dtype.kind == "i" and _within(pixels):
        return pixels.astype(np.uint8)
    return np.stack([_array(item, f"images[{index}]") for index, item in enumerate(items)])


def _array(item: Any, name: str) -> NDArray[np.uint8]:
    """One 28x28 array of 0..255; fractions are rounded. Raises InvalidInput or UnusableInput."""
    if not isinstance(item, list):
        raise InvalidInput(f"{name} must be base64 text or {SIDE} rows of {SIDE} numbers, got {_kind(item)}")
    if len(item) != SIDE:
        raise InvalidInput(f"{name} must be {SIDE} rows of {SIDE} numbers, got {len(item)} rows")
    for index, row in enumerate(item):
        _check_numbers(row, f"{name}[{index}]", SIDE, 255)
    pixels = np.array(item, np.float64)
    if 0 < pixels.max() <= 1 and (pixels % 1).any():
        raise UnusableInput(f"{name} looks scaled to 0..1; pixels are 0 (paper) to 255 (ink), so multiply by 255")
    return np.rint(pixels).astype(np.uint8)


def _check_numbers(row: Any, name: str, length: int, most: int) -> None:
    """Raises InvalidInput unless `row` is a list of so many numbers from 0 to `most`."""
    if not isinstance(row, list) or len(row) != length:
        got = f"{len(row)} items" if isinstance(row, list) else _kind(row)
        raise InvalidInput(f"{name} must be {length} numbers, got {got}")
    for value in row:
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise InvalidInput(f"{name} must hold numbers from 0 to {most}, got {_show(value)}")


def _within(pixels: NDArray[Any]) -> bool:
    return bool(pixels.min() >= 0 and pixels.max() <= 255)


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


def _show(value: Any) -> str:
    return str(value) if type(value) in (int, float) else _kind(value)
