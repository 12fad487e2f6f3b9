import asyncio
import base64
import io
import time

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from service.doors import intake
from service.doors.pictures import Images, Pictures
from service.errors import AxonError, DeadlineExceeded, InvalidInput, TooLarge, UnusableInput

MEGAPIXEL = 1_000_000
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def read(items: list, seconds: float = 60) -> Images:
    pictures = Pictures(MEGAPIXEL)
    try:
        return asyncio.run(intake.digits_from_items(items, pictures, time.monotonic() + seconds))
    finally:
        pictures.close()


def png(side: int) -> str:
    out = io.BytesIO()
    Image.new("L", (side, side)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@given(arrays.arrays(np.uint8, (2, 28, 28)))
def test_arrays_arrive_unchanged(pixels: np.ndarray) -> None:
    assert (read(pixels.tolist()).images == pixels).all()


@given(st.lists(JSON_VALUES, min_size=1, max_size=4))
def test_whatever_json_is_sent_only_our_errors_come_out(items: list) -> None:
    with pytest.raises(AxonError) as caught:
        read(items)
    assert caught.value.status < 500


@given(st.lists(JSON_VALUES, min_size=1, max_size=4))
def test_whatever_rows_are_sent_they_are_checked(rows: list) -> None:
    try:
        table = intake.gate_rows(rows, 2)
    except InvalidInput:
        return
    assert table.shape == (len(rows), 2)
    assert table.dtype == np.float32
    assert ((table >= 0) & (table <= 1)).all()
    assert all(type(value) in (int, float) for row in rows for value in row)


@given(st.binary(max_size=200))
def test_whatever_bytes_are_sent_as_json_only_our_error_comes_out(body: bytes) -> None:
    try:
        document = intake.parse_json(body)
    except InvalidInput:
        return
    assert orjson.dumps(document) is not None


def test_a_number_beyond_64_bits_is_named() -> None:
    item = [[0] * 28] * 27 + [[10**30] * 28]
    with pytest.raises(InvalidInput, match=r"images\[1\]\[27\] must hold numbers from 0 to 255"):
        read([[[0] * 28] * 28, item])


def test_the_wrong_item_among_many_is_named() -> None:
    items = [[[0] * 28] * 28 for _ in range(5)]
    items[3] = [[0] * 28] * 27
    with pytest.raises(InvalidInput, match=r"images\[3\] must be 28 rows of 28 numbers, got 27 rows"):
        read(items)


def test_pixels_in_0_to_1_are_not_mistaken_for_paper() -> None:
    with pytest.raises(UnusableInput, match="multiply by 255"):
        read([[[0.5] * 28] * 28])
    assert read([[[1.0] * 28] * 28]).images.max() == 1, "whole numbers are what they say"


def test_more_items_than_allowed_are_too_large() -> None:
    assert intake.count([1, 2], "images", 2) == [1, 2]
    with pytest.raises(TooLarge, match="images may have 2 items, got 3"):
        intake.count([1, 2, 3], "images", 2)


def test_a_picture_over_the_bound_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(TooLarge, match="pixels"):
        read([png(1001)])
    assert read([png(100)]).images.shape == (1, 28, 28)


def test_a_boolean_is_no_number() -> None:
    with pytest.raises(InvalidInput, match=r"images\[0\]\[3\] must hold numbers from 0 to 255, got a boolean"):
        read([[[0] * 28] * 3 + [[True] + [0] * 27] + [[0] * 28] * 24])
    with pytest.raises(InvalidInput, match=r"inputs\[0\] must hold numbers from 0 to 1, got a boolean"):
        intake.gate_rows([[True, 0]], 2)


def test_many_fractions_are_read_as_quickly_as_whole_numbers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28))
    assert (read((pixels * 0.999).tolist()).images == np.rint(pixels * 0.999)).all()
    with pytest.raises(UnusableInput, match=r"images\[1\] looks scaled"):
        read([pixels[0].tolist(), (pixels[1] / 256).tolist(), pixels[2].tolist()])


def test_a_long_key_is_not_echoed() -> None:
    with pytest.raises(InvalidInput) as caught:
        intake.member({"x" * 1_000_000: 1}, "images")
    assert len(caught.value.message) < 600


def test_not_a_number_is_no_number() -> None:
    with pytest.raises(InvalidInput, match=r"inputs\[1\] must hold numbers from 0 to 1, got nan"):
        intake.gate_rows([[0, 1], [float("nan"), 0]], 2)


def test_pictures_stop_at_the_deadline() -> None:
    with pytest.raises(DeadlineExceeded):
        read([png(900)] * 1000, seconds=0.1)


def test_decoding_and_normalising_are_timed() -> None:
    times = read([png(400), [[0] * 28] * 28])
    assert times.decode_s > 0
    assert times.normalise_s > 0
