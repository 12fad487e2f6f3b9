"""The parts of a request, and what is refused of them; whole requests of a client: test_open_inference_golden.py."""

import gzip
import zlib
from typing import Any

import orjson
import pytest

from service.doors.open_inference.request import Question, Wanted, decompress, parse, raw, split
from service.doors.open_inference.tensors import Tensor, numbers
from service.errors import AxonError, InvalidInput, NotAnImage, TooLarge
from tests.unit.service.golden import sync

GOLDEN = sync.REQUESTS["infer-id"].partition(b"\r\n\r\n")[2]  # what tritonclient sends: JSON, and a row of a gate
FLOATS = b"\x00\x00\x00\x3f\x00\x00\x80\x3f"  # 0.5 and 1.0, little-endian
LIMIT = 10_000


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "image", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]} | changes


def claiming(size: Any, **changes: Any) -> dict[str, Any]:
    """A tensor whose numbers are so many bytes behind the JSON."""
    described = tensor(parameters={"binary_data_size": size}, **changes)
    del described["data"]
    return described


def asked(document: Any, behind: bytes = b"") -> Question:
    return parse(orjson.dumps(document), memoryview(behind))


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_request_counts_its_header_before_compression(encoding: str, compress: Any) -> None:
    packed = compress(GOLDEN + bytes(200))
    assert len(packed) < len(GOLDEN)
    assert decompress(packed, encoding, LIMIT) == GOLDEN + bytes(200)


@pytest.mark.parametrize(
    ("body", "encoding", "error"),
    [
        (b"no gzip", "gzip", InvalidInput),
        (gzip.compress(GOLDEN)[:-1], "gzip", InvalidInput),
        (gzip.compress(GOLDEN) + b"more", "gzip", InvalidInput),
        (gzip.compress(bytes(LIMIT + 1)), "gzip", TooLarge),
        (zlib.compress(bytes(LIMIT + 1)), "deflate", TooLarge),
        (GOLDEN, "br", NotAnImage),
    ],
)
def test_what_cannot_be_unpacked_is_refused(body: bytes, encoding: str, error: type[AxonError]) -> None:
    with pytest.raises(error):
        decompress(body, encoding, LIMIT)


def test_a_body_without_the_header_is_json_as_a_whole() -> None:
    assert split(GOLDEN, "") == (GOLDEN, memoryview(b""))


@pytest.mark.parametrize("length", ["-1", "abc", "1.5", str(len(GOLDEN) + 1), "\u0661", "1" * 5_000])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(InvalidInput, match=f"from 0 to {len(GOLDEN)}"):
        split(GOLDEN, length)


def test_tensors_in_json_and_in_bytes_may_be_mixed() -> None:
    question = asked({"inputs": [tensor(), claiming(8, name="second")]}, FLOATS)
    assert [numbers(given).tolist() for given in question.inputs] == [[[0.5, 1.0]]] * 2


def test_an_output_says_for_itself_how_it_comes() -> None:
    outputs = [{"name": "a"}, {"name": "b", "parameters": {"binary_data": False, "classification": 3}}]
    question = asked({"inputs": [tensor()], "outputs": outputs, "parameters": {"binary_data_output": True}})
    assert question.wanted == [Wanted("a", True, 0), Wanted("b", False, 3)]


@pytest.mark.parametrize(
    ("parameters", "timeout_s", "priority"),
    [
        ({}, None, 2),
        ({"timeout": 0, "priority": 0}, None, 2),
        ({"timeout": 1_500_000, "priority": 1}, 1.5, 1),
        ({"priority": 3, "sequence_id": 7, "mine": "x"}, None, 3),
        ({"priority": 4}, None, 2),
        ({"priority": 2**63}, None, 2),
    ],
)
def test_timeouts_are_microseconds_and_0_is_the_default(
    parameters: dict[str, Any], timeout_s: float | None, priority: int
) -> None:
    question = asked({"inputs": [tensor()], "parameters": parameters})
    assert (question.timeout_s, question.priority) == (timeout_s, priority)


WRONG: list[tuple[Any, bytes, str]] = [
    ([], b"", "the body must be a JSON object"),
    ({}, b"", "inputs must be a list"),
    ({"inputs": []}, b"", "at least one tensor"),
    ({"inputs": ["image"]}, b"", r"inputs\[0\] must be a JSON object"),
    ({"inputs": [tensor(name=7)]}, b"", "must have a name"),
    ({"inputs": [tensor(datatype="UINT7")]}, b"", "UINT7"),
    ({"inputs": [tensor(datatype=["FP32"])]}, b"", "datatype"),
    ({"inputs": [tensor(shape=[-1, 2])]}, b"", "whole numbers from 0, got -1"),
    ({"inputs": [tensor(shape=[2**62, 2])]}, b"", "shape"),
    ({"inputs": [tensor(shape=[True, 2])]}, b"", "shape"),
    ({"inputs": [tensor(shape="1,2")]}, b"", "shape"),
    ({"inputs": [tensor(parameters={"binary_data_size": 8})]}, FLOATS, "either 'data' or"),
    ({"inputs": [{"name": "image", "shape": [1, 2], "datatype": "FP32"}]}, b"", "either 'data' or"),
    ({"inputs": [tensor(parameters={"shared_memory_region": "r"})]}, b"", "shared memory"),
    ({"inputs": [tensor()]}, b"more", "4 bytes that no input claims"),
    ({"inputs": [tensor()], "outputs": "all"}, b"", "outputs must be a list"),
    ({"inputs": [tensor()], "outputs": [{}]}, b"", r"outputs\[0\] must have a name"),
    ({"inputs": [tensor()], "outputs": [{"name": "a", "parameters": {"classification": 0}}]}, b"", "classification"),
    ({"inputs": [tensor()], "parameters": {"binary_data_output": 1}}, b"", "true or false"),
    ({"inputs": [tensor()], "parameters": {"timeout": "1"}}, b"", "timeout"),
    ({"inputs": [tensor()], "parameters": {"timeout": -1}}, b"", "timeout"),
    ({"inputs": [tensor()], "parameters": {"priority": -1}}, b"", "priority"),
    ({"inputs": [tensor(shape=[1] * 9)]}, b"", "shape .* up to 8 numbers"),
    ({"inputs": [tensor()] * 17}, b"", "inputs may have 16 tensors, got 17"),
    ({"inputs": [tensor()], "outputs": [{"name": "a"}] * 17}, b"", "outputs may have 16 tensors, got 17"),
    ({"inputs": [tensor()], "parameters": {"priority": True}}, b"", "priority"),
    ({"inputs": [tensor()], "id": []}, b"", "id must be text"),
]


@pytest.mark.parametrize(("document", "behind", "said"), WRONG)
def test_what_is_no_request_is_refused_in_a_sentence(document: Any, behind: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        asked(document, behind)


DEEP = "[" * 1_010 + "1" + "]" * 1_010  # nearly as deep as the parser goes, and deeper than Python can show


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"inputs": [tensor(shape="DEEP")]}, "shape"),
        ({"inputs": [tensor(datatype="DEEP")]}, "datatype"),
        ({"inputs": [claiming("DEEP")]}, "said to have a list bytes"),
        ({"inputs": [tensor()], "parameters": {"timeout": "DEEP"}}, "timeout"),
        ({"inputs": [tensor()], "parameters": {"priority": "DEEP"}}, "priority"),
    ],
)
def test_what_is_nested_too_deep_to_be_shown_is_refused(document: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse(orjson.dumps(document).replace(b'"DEEP"', DEEP.encode()), memoryview(b""))


@pytest.mark.parametrize("size", [-1, 9, "8", 8.0, True])
def test_a_tensor_does_not_claim_what_is_not_there(size: Any) -> None:
    with pytest.raises(InvalidInput, match="8 are left in the body"):
        asked({"inputs": [claiming(size)]}, FLOATS)


def test_a_raw_request_is_the_bytes_of_one_row() -> None:
    question = raw("inputs", "FP32", (2,), 4, memoryview(FLOATS))
    assert question.inputs == [Tensor("inputs", "FP32", (1, 2), memoryview(FLOATS))]
    assert question.is_binary


@pytest.mark.parametrize("body", [b"", FLOATS[:-1], FLOATS * 2])
def test_a_raw_request_of_another_length_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"one row .* 8 bytes of FP32; got"):
        raw("inputs", "FP32", (2,), 4, memoryview(body))
