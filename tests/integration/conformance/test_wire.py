"""What no client library sends but a client may: bytes on the wire of the Open Inference Protocol."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from tests.servers import Server

INFER = "/v2/models/cnn/infer"
LENGTH = "Inference-Header-Content-Length"
ONE = np.zeros((1, 28, 28), np.uint8).tobytes()


def described(**changes: Any) -> dict[str, Any]:
    """An image in JSON."""
    return {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": [0] * 784} | changes


def in_binary(**changes: Any) -> dict[str, Any]:
    """An image whose bytes follow."""
    tensor = described(parameters={"binary_data_size": 784}, **changes)
    del tensor["data"]
    return tensor


def post(server: Server, document: Any, tail: bytes = b"", **headers: str) -> httpx.Response:
    """JSON and the bytes after it, with the header that tells them apart."""
    head = json.dumps(document).encode()
    return server.client.post(INFER, content=head + tail, headers={LENGTH: str(len(head))} | headers)


def unpacked(answer: httpx.Response) -> tuple[dict[str, Any], bytes]:
    """The JSON of a binary answer, and the bytes of its tensors."""
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[LENGTH])
    return json.loads(answer.content[:length]), answer.content[length:]


def test_raw_bytes_are_an_image_and_all_outputs_are_binary(
    server: Server, images: np.ndarray, probabilities: np.ndarray
) -> None:
    """A header of 0 says that there is no JSON: the body is the only input, of one row."""
    answer = server.client.post(INFER, content=images[7].tobytes(), headers={LENGTH: "0"})
    assert answer.status_code == 200, answer.text
    document, tail = unpacked(answer)
    assert [(each["name"], each["shape"]) for each in document["outputs"]] == [
        ("probabilities", [1, 10]),
        ("digits", [1]),
    ]
    assert not any("data" in each for each in document["outputs"])
    assert np.allclose(np.frombuffer(tail[:40], "<f4"), probabilities[7], atol=1e-6)
    assert np.frombuffer(tail[40:], "<i8").tolist() == [7]


def test_raw_bytes_are_a_row_of_a_gate(server: Server) -> None:
    row = np.array([0, 1], "<f4").tobytes()
    answer = server.client.post("/v2/models/gate-xor/infer", content=row, headers={LENGTH: "0"})
    _, tail = unpacked(answer)
    assert np.frombuffer(tail[4:], "<i8").tolist() == [1]


@pytest.mark.parametrize("content", [b"", ONE[:-1], ONE + b"x"], ids=["none", "short", "long"])
def test_raw_bytes_of_another_length_are_refused(server: Server, content: bytes) -> None:
    answer = server.client.post(INFER, content=content, headers={LENGTH: "0"})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("kind", [None, "application/json", "application/octet-stream", "text/plain"])
def test_the_media_type_of_a_request_does_not_matter(server: Server, kind: str | None) -> None:
    content = json.dumps({"inputs": [described()]}).encode()
    answer = server.client.post(INFER, content=content, headers={"content-type": kind} if kind else {})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers


@pytest.mark.parametrize("data", [[0] * 784, [[[0] * 28] * 28]], ids=["flat", "nested"])
def test_json_may_be_flat_or_nested(server: Server, data: list) -> None:
    answer = server.client.post(INFER, json={"inputs": [described(data=data)]})
    assert answer.status_code == 200, answer.text
    assert [np.shape(each["data"]) for each in answer.json()["outputs"]] == [(10,), (1,)], "outputs are flat"


def test_whole_numbers_in_json_are_floats_where_floats_are_wanted(server: Server) -> None:
    tensor = {"name": "inputs", "shape": [4, 2], "datatype": "FP32", "data": [0, 0, 0, 1, 1, 0, 1, 1]}
    answer = server.client.post("/v2/models/gate-and/infer", json={"inputs": [tensor]})
    assert answer.json()["outputs"][1]["data"] == [0, 0, 0, 1]


def test_an_output_may_be_other_than_the_request_says(server: Server) -> None:
    outputs = [{"name": "probabilities"}, {"name": "digits", "parameters": {"binary_data": False}}]
    document = {"inputs": [described()], "outputs": outputs, "parameters": {"binary_data_output": True}}
    head, tail = unpacked(server.client.post(INFER, json=document))
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 40}
    assert len(head["outputs"][1]["data"]) == 1
    assert len(tail) == 40


def test_what_the_kserve_sdk_adds_is_no_mistake(server: Server) -> None:
    assert server.client.post(INFER, json={"inputs": [described()], "model_name": "cnn"}).status_code == 200


MALFORMED: dict[str, Any] = {
    "both data and bytes": ({"inputs": [described(parameters={"binary_data_size": 784})]}, ONE),
    "neither data nor bytes": ({"inputs": [{"name": "images", "shape": [1, 28, 28], "datatype": "UINT8"}]}, b""),
    "bytes that nobody announced": ({"inputs": [described()]}, b"more"),
    "bytes beyond the last": ({"inputs": [in_binary()]}, ONE + b"x"),
    "too few bytes": ({"inputs": [in_binary()]}, ONE[:-1]),
    "a list": ([], b""),
    "a number": (7, b""),
    "inputs of text": ({"inputs": "images"}, b""),
    "an input of text": ({"inputs": ["images"]}, b""),
    "no name": ({"inputs": [{"shape": [1, 28, 28], "datatype": "UINT8", "data": [0] * 784}]}, b""),
    "a name of 7": ({"inputs": [described(name=7)]}, b""),
    "no shape": ({"inputs": [{"name": "images", "datatype": "UINT8", "data": [0] * 784}]}, b""),
    "a shape of text": ({"inputs": [described(shape="1,28,28")]}, b""),
    "a shape of fractions": ({"inputs": [described(shape=[1.5, 28, 28])]}, b""),
    "a shape of booleans": ({"inputs": [described(shape=[True, 28, 28])]}, b""),
    "a shape beyond 64 bits": ({"inputs": [described(shape=[2**70, 28, 28])]}, b""),
    "a datatype nobody knows": ({"inputs": [described(datatype="UINT7")]}, b""),
    "no datatype": ({"inputs": [{"name": "images", "shape": [1, 28, 28], "data": [0] * 784}]}, b""),
    "data of text": ({"inputs": [described(data="0" * 784)]}, b""),
    "numbers as text": ({"inputs": [described(data=["0"] * 784)]}, b""),
    "booleans": ({"inputs": [described(data=[True] * 784)]}, b""),
    "fractions for whole numbers": ({"inputs": [described(data=[0.5] * 784)]}, b""),
    "a level of 256": ({"inputs": [described(data=[256] * 784)]}, b""),
    "a level of -1": ({"inputs": [described(data=[-1] * 784)]}, b""),
    "another nesting": ({"inputs": [described(data=[[0] * 784])]}, b""),
    "ragged rows": ({"inputs": [described(data=[[0] * 27, [0] * 29] * 14)]}, b""),
    "null": ({"inputs": [described(data=[None] * 784)]}, b""),
    "a size of text": ({"inputs": [in_binary() | {"parameters": {"binary_data_size": "784"}}]}, ONE),
    "a negative size": ({"inputs": [in_binary() | {"parameters": {"binary_data_size": -1}}]}, ONE),
    "parameters of text": ({"inputs": [described()], "parameters": "binary"}, b""),
    "parameters of nothing": ({"inputs": [described()], "parameters": False}, b""),
    "parameters of an empty list": ({"inputs": [described(parameters=[])]}, b""),
    "outputs of nothing": ({"inputs": [described()], "outputs": ""}, b""),
    "outputs of text": ({"inputs": [described()], "outputs": "all"}, b""),
    "an output without a name": ({"inputs": [described()], "outputs": [{}]}, b""),
    "an id of a list": ({"inputs": [described()], "id": []}, b""),
    "a choice of text": ({"inputs": [described()], "parameters": {"binary_data_output": "yes"}}, b""),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_request_is_refused_in_the_one_shape(server: Server, what: str) -> None:
    document, tail = MALFORMED[what]
    refused(post(server, document, tail), 400)


@pytest.mark.parametrize("length", ["-1", "abc", "1.5", "999999", "\u0661", "1e3", "0x10", "1" * 5_000])
def test_a_header_of_no_length_is_refused(server: Server, length: str) -> None:
    content = json.dumps({"inputs": [described()]}).encode()
    refused(server.client.post(INFER, content=content, headers={LENGTH: length.encode()}), 400)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_what_is_no_json_is_refused(server: Server, content: bytes) -> None:
    refused(server.client.post(INFER, content=content), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", INFER, 405),
        ("DELETE", "/v2/models/cnn", 405),
        ("POST", "/v2", 405),
        ("GET", "/v2/repository/index", 405),
        ("GET", "/v2/models/cnn/versions/1/nothing", 404),
        ("GET", "/v2/nothing", 404),
        ("POST", "/v2/models/cnn/generate", 404),
    ],
)
def test_a_wrong_verb_or_path_is_refused_in_the_one_shape(server: Server, method: str, path: str, status: int) -> None:
    refused(server.client.request(method, path), status)


def refused(answer: httpx.Response, status: int) -> None:
    """Whether an error is one that every client can read."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert set(document) == {"error", "code", "detail", "request_id"}
    assert len(document["error"]) > 15
    assert len(answer.content) < 3_000


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_root_is_there_with_and_without_a_slash(server: Server, path: str) -> None:
    assert server.client.get(path).json()["name"] == "axon"


def test_health_says_in_words_what_it_says_in_numbers(server: Server) -> None:
    assert server.client.get("/v2/health/live").json()["live"] is True
    assert server.client.get("/v2/health/ready").json()["ready"] is True
    assert server.client.get("/v2/models/cnn/ready").json() == {"name": "cnn", "ready": True}
    assert server.client.get("/v2/models/cnn/versions/99/ready").status_code == 404
