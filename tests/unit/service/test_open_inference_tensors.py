"""Tensors from JSON and from bytes, and back: which numbers are taken for which type."""

import asyncio
import gzip
from typing import Any

import numpy as np
import orjson
import pytest

from service.doors.open_inference.answer import Output, answer, choose_encoding
from service.doors.open_inference.faces import classify
from service.doors.open_inference.tensors import Tensor, numbers, pack, texts
from service.errors import InvalidInput

TWO = b"\x02\x00\x00\x00ab\x00\x00\x00\x00"  # "ab" and "", as BYTES goes through the wire


def given(datatype: str, shape: tuple[int, ...], data: Any) -> Tensor:
    return Tensor("x", datatype, shape, memoryview(data) if isinstance(data, bytes) else data)


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [1.0, 2, 3, 4.0]])
@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_json_may_be_nested_or_flat_and_whole_numbers_are_numbers(datatype: str, data: list[Any]) -> None:
    assert numbers(given(datatype, (2, 2), data)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "data", [["1", 2], [True, 2], [None, 2], [1.5, 2], [256, 2], [-1, 2], [[1], [2, 3]], [1], [1, 2, 3], "12", {}]
)
def test_what_is_no_level_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="'x'"):
        numbers(given("UINT8", (2,), data))


@pytest.mark.parametrize("data", [["1", 2], [True, 2], [None, 2], [1e39, 2], [-1e300, 2], [[1], [2, 3]], [1]])
def test_what_is_no_float_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="'x'"):
        numbers(given("FP32", (2,), data))


def test_bytes_are_little_endian_and_not_copied() -> None:
    data = np.array([[0.25, 1.0]], "<f4").tobytes()
    array = numbers(given("FP32", (1, 2), data))
    assert array.tolist() == [[0.25, 1.0]]
    assert np.shares_memory(array, np.frombuffer(data, "<f4"))


@pytest.mark.parametrize("data", [b"", b"1", b"123"])
def test_bytes_of_another_length_than_the_shape_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"shape \[2\] is 2 bytes"):
        numbers(given("UINT8", (2,), data))


def test_elements_of_bytes_have_their_length_before_them() -> None:
    assert texts(given("BYTES", (2,), TWO)) == [b"ab", b""]
    assert pack([b"ab", b""]) == TWO


def test_elements_of_bytes_are_base64_in_json() -> None:
    assert texts(given("BYTES", (2,), ["YWI=", ""])) == [b"ab", b""]


@pytest.mark.parametrize("data", [TWO[:-1], TWO[:5], TWO + b"\xff\xff\xff\xff", TWO[:6], ["YWI"], ["YWI=", 7], [b"no"]])
def test_elements_that_are_cut_or_no_base64_are_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="'x'"):
        texts(given("BYTES", (2,), data))


PROBABILITIES = np.array([[0.1, 0.7, 0.2]], np.float32)


def sent(outputs: list[Output], accepted: str = "") -> tuple[dict[bytes, bytes], bytes]:
    made = asyncio.run(answer({"model_name": "m"}, outputs, accepted))
    return dict(made._headers), made._body


def test_an_answer_in_json_has_the_very_same_floats() -> None:
    headers, body = sent([Output("p", "FP32", (1, 3), PROBABILITIES, is_binary=False)])
    [output] = orjson.loads(body)["outputs"]
    assert np.array_equal(np.array(output["data"], np.float64).astype(np.float32), PROBABILITIES.ravel())
    assert output["shape"] == [1, 3]
    assert headers[b"content-type"] == b"application/json"
    assert b"inference-header-content-length" not in headers


def test_an_answer_may_be_half_json_half_bytes() -> None:
    outputs = [
        Output("d", "INT64", (1,), np.array([1]), is_binary=False),
        Output("p", "FP32", (1, 3), PROBABILITIES, is_binary=True),
        Output("t", "BYTES", (2,), [b"ab", b""], is_binary=True),
    ]
    headers, body = sent(outputs)
    length = int(headers[b"inference-header-content-length"])
    described = orjson.loads(body[:length])["outputs"]
    assert described[0]["data"] == [1]
    assert [each.get("parameters") for each in described] == [None, {"binary_data_size": 12}, {"binary_data_size": 10}]
    assert body[length:] == PROBABILITIES.tobytes() + TWO
    assert headers[b"content-type"] == b"application/octet-stream"


@pytest.mark.parametrize(("rows", "is_packed"), [(1, False), (100, True), (10_000, True)])
def test_an_answer_is_compressed_where_that_is_worth_its_time(rows: int, is_packed: bool) -> None:
    values = np.zeros((rows, 10), np.float32)
    headers, body = sent([Output("p", "FP32", values.shape, values, is_binary=True)], "gzip")
    assert (b"content-encoding" in headers) == is_packed
    whole = gzip.decompress(body) if is_packed else body
    assert whole[int(headers[b"inference-header-content-length"]) :] == values.tobytes()


def test_elements_beyond_those_of_the_shape_are_not_even_counted() -> None:
    with pytest.raises(InvalidInput, match="must have 1 elements, got more"):
        texts(given("BYTES", (1,), bytes(1_000)))


def test_classes_are_named_best_first_and_the_first_of_equals_first() -> None:
    assert classify(PROBABILITIES, 2, ["a", "b", "c"]) == [b"0.700000:1:b", b"0.200000:2:c"]
    assert classify(np.array([[0.5, 0.5]], np.float32), 2, ["a"]) == [b"0.500000:0", b"0.500000:1"]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("br, zstd", None),
        ("identity", None),
    ],
)
def test_answers_are_compressed_as_the_client_can_read(accepted: str, encoding: str | None) -> None:
    assert choose_encoding(accepted) == encoding
