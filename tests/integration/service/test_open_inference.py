"""The Open Inference door of a real server, in plain HTTP: answers that equal the REST door's, and refusals.

Unmodified clients of others try it in tests/integration/conformance.
"""

import base64
import contextlib
import gzip
import io
import json
import socket
import struct
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests import bundles
from tests.servers import REPOSITORY, Server

LENGTH = "Inference-Header-Content-Length"
LENGTH_OF_ELEMENT = struct.Struct("<I")
IMAGES = np.stack([bundles.image_of(digit) for digit in range(10)])
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
READERS, GATES = ("cnn", "rnn"), ("and", "nand", "nor", "or", "xnor", "xor")


def described(name: str, values: np.ndarray) -> dict[str, Any]:
    datatype = {"uint8": "UINT8", "float32": "FP32"}[values.dtype.name]
    return {"name": name, "shape": list(values.shape), "datatype": datatype}


def in_json(name: str, values: np.ndarray) -> dict[str, Any]:
    return described(name, values) | {"data": values.ravel().tolist()}


def ask(server: Server, model: str, *inputs: dict[str, Any], **more: Any) -> httpx.Response:
    return server.client.post(f"/v2/models/{model}/infer", json={"inputs": list(inputs), **more})


def ask_in_bytes(
    server: Server, model: str, name: str, values: np.ndarray, outputs: list[dict[str, Any]] | None = None
) -> httpx.Response:
    """As tritonclient asks: all in binary."""
    wanted = described(name, values) | {"parameters": {"binary_data_size": values.nbytes}}
    document = {"inputs": [wanted], "parameters": {"binary_data_output": True}, "outputs": outputs or []}
    header = json.dumps(document).encode()
    content = header + values.tobytes()
    return server.client.post(f"/v2/models/{model}/infer", content=content, headers={LENGTH: str(len(header))})


def outputs_of(answer: httpx.Response) -> dict[str, np.ndarray]:
    """The tensors of an answer, wherever they are in it."""
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get(LENGTH, len(answer.content)))
    tensors, place = {}, length
    for output in json.loads(answer.content[:length])["outputs"]:
        dtype = {"FP32": "<f4", "INT64": "<i8", "BYTES": "O"}[output["datatype"]]
        if "data" in output:
            flat = np.array(output["data"], dtype)
        else:
            size = output["parameters"]["binary_data_size"]
            flat = np.frombuffer(answer.content[place : place + size], dtype)
            place += size
        tensors[output["name"]] = flat.reshape(output["shape"])
    assert place == len(answer.content)
    return tensors


def rest(server: Server, model: str) -> np.ndarray:
    """The REST door's probabilities, rounded to 32 bits: what equality between the doors means."""
    answer = server.client.post(f"/v1/digits?model={model}&top_k=10", json={"images": IMAGES.tolist()}).json()
    rows = [{each["digit"]: each["probability"] for each in one["top"]} for one in answer["predictions"]]
    return np.array([[row.get(digit, np.nan) for digit in range(10)] for row in rows]).astype(np.float32)


def images(form: str) -> np.ndarray:
    return IMAGES if form == "UINT8" else (IMAGES / 255).astype(np.float32)


@pytest.mark.parametrize("form", ["UINT8", "FP32"])
@pytest.mark.parametrize("model", READERS)
def test_digits_are_the_rest_doors_to_the_bit(server: Server, model: str, form: str) -> None:
    expected = rest(server, model)
    for answer in (
        ask(server, model, in_json("images", images(form))),
        ask_in_bytes(server, model, "images", images(form)),
    ):
        tensors = outputs_of(answer)
        assert tensors["probabilities"].tobytes() == expected.tobytes()
        assert np.array_equal(tensors["digits"], expected.argmax(axis=1))


@pytest.mark.parametrize("gate", GATES)
def test_gates_are_the_rest_doors_to_the_bit(server: Server, gate: str) -> None:
    rows = server.client.post(f"/v1/gates/{gate}", json={"inputs": CORNERS.tolist()}).json()["outputs"]
    expected = np.array([[row["probability"]] for row in rows]).astype(np.float32)
    for answer in (
        ask(server, f"gate-{gate}", in_json("inputs", CORNERS)),
        ask_in_bytes(server, f"gate-{gate}", "inputs", CORNERS),
    ):
        tensors = outputs_of(answer)
        assert tensors["probabilities"].tobytes() == expected.tobytes()
        assert tensors["outputs"].tolist() == [[row["output"]] for row in rows]


def test_lines_are_read(server: Server) -> None:
    tensors = outputs_of(ask(server, "line", in_json("images", np.zeros((2, 32, 320), np.uint8))))
    assert tensors["probabilities"].shape == (2, 160, 12)
    assert tensors["texts"].tolist() == ["", ""]


def test_files_are_read_as_the_rest_door_reads_them_and_reasons_come_on_request(server: Server) -> None:
    files = [(REPOSITORY / "examples" / name).read_bytes() for name in ("seven.png", "three.jpg")]
    elements = [base64.b64encode(file).decode() for file in files]
    predictions = server.client.post("/v1/digits", json={"images": elements}).json()["predictions"]
    given = {"name": "images", "shape": [2, 1], "datatype": "BYTES", "data": elements}
    tensors = outputs_of(ask(server, "cnn", given, outputs=[{"name": name} for name in ("reasons", "probabilities")]))
    assert tensors["reasons"].tolist() == [prediction["reason"] or "" for prediction in predictions]
    confidences = np.array([prediction["confidence"] for prediction in predictions]).astype(np.float32)
    assert np.array_equal(tensors["probabilities"].max(axis=1), confidences)


def test_a_large_picture_is_one_row_however_many_bytes_it_has(server: Server) -> None:
    """Rows are estimated by bytes before anything is parsed: 6,000 of this picture's would be more than may wait."""
    noise = np.random.default_rng(0).integers(0, 256, (1_200, 1_300, 3), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "bmp")
    packed = LENGTH_OF_ELEMENT.pack(picture.tell()) + picture.getvalue()
    given = {"name": "images", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(packed)}}
    header = json.dumps({"inputs": [given]}).encode()
    content, headers = header + packed, {LENGTH: str(len(header))}
    assert server.client.post("/v2/models/cnn/infer", content=content, headers=headers).status_code == 200
    text = base64.b64encode(picture.getvalue()).decode()
    assert server.client.post("/v1/digits", json={"images": [text]}).status_code == 200


def test_as_many_lines_as_a_body_may_hold_are_read(server: Server) -> None:
    lines = np.zeros((400, 32, 320), np.uint8)
    answer = ask_in_bytes(server, "line", "images", lines, [{"name": "texts", "parameters": {"binary_data": False}}])
    assert outputs_of(answer)["texts"].shape == (400,)


@pytest.mark.parametrize("path", ["/v1/digits", "/v2/models/cnn/infer"])
def test_rows_that_are_still_on_the_way_keep_nobody_waiting(server: Server, path: str) -> None:
    """Whoever says that it will send three megabytes, and does not, has a thousand images in nobody's way."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        "content-length: 3200000\r\nx-request-timeout-ms: 60000\r\n\r\n{"
    )
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            dawdler = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            stack.callback(dawdler.close)
            dawdler.sendall(head.encode())
        hasty = {"x-request-timeout-ms": "2000"}
        for _ in range(20):
            answer = server.client.post("/v1/digits", json={"images": IMAGES[:1].tolist()}, headers=hasty)
            assert answer.status_code == 200, answer.text


def test_who_is_refused_still_gets_the_best_guess(server: Server) -> None:
    blank = in_json("images", np.zeros((1, 28, 28), np.uint8))
    tensors = outputs_of(ask(server, "cnn", blank, outputs=[{"name": "reasons"}, {"name": "digits"}]))
    assert tensors["reasons"].tolist() == ["blank"]
    assert tensors["digits"][0] in range(10)
    assert list(outputs_of(ask(server, "cnn", blank))) == ["probabilities", "digits"]


def test_ids_are_of_the_body_and_of_the_header(server: Server) -> None:
    answer = ask(server, "cnn", in_json("images", IMAGES[:1]), id="order 66")
    assert (answer.json()["id"], answer.json()["model_name"]) == ("order 66", "cnn")
    assert answer.json()["model_version"].isdigit()
    assert answer.headers["x-request-id"] != "order 66"
    assert "id" not in ask(server, "cnn", in_json("images", IMAGES[:1])).json()


def test_only_answers_to_inference_are_compressed(server: Server) -> None:
    accepts = {"accept-encoding": "gzip, deflate, br"}
    content = gzip.compress(json.dumps({"inputs": [in_json("images", IMAGES)]}).encode())
    headers = accepts | {"content-encoding": "gzip"}
    answer = server.client.post("/v2/models/cnn/infer", content=content, headers=headers)
    assert answer.headers["content-encoding"] == "gzip"
    assert outputs_of(answer)["digits"].shape == (10,)
    for path, status in (("/v2/models/cnn", 200), ("/v2/models/stats", 200), ("/v2/models/nobody", 404)):
        other = server.client.get(path, headers=accepts)
        assert (other.status_code, other.headers.get("content-encoding")) == (status, None)


ONE = in_json("images", IMAGES[:1])
REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("nobody", {"inputs": [ONE]}, 404, "Request for unknown model"),
    ("cnn/versions/99", {"inputs": [ONE]}, 404, "Request for unknown model"),
    ("cnn/versions/latest", {"inputs": [ONE]}, 404, "version"),
    ("cnn", {"inputs": [ONE, ONE]}, 400, "'images' is given 2 times"),
    ("cnn", {"inputs": [ONE | {"name": "pixels"}]}, 400, "takes 'images'"),
    ("cnn", {"inputs": [ONE | {"datatype": "INT32"}]}, 400, "UINT8 or FP32 or BYTES, got INT32"),
    ("cnn", {"inputs": [ONE | {"shape": [1, 784]}]}, 400, "[1, 784]"),
    ("cnn", {"inputs": [ONE | {"shape": [0, 28, 28], "data": []}]}, 400, "got none"),
    ("cnn", {"inputs": [ONE | {"shape": [2, 28, 28]}]}, 400, "784 elements"),
    ("cnn", {"inputs": [ONE | {"shape": [1025, 28, 28], "data": []}]}, 413, "1024"),
    ("cnn", {"inputs": [ONE], "outputs": [{"name": "logits"}]}, 400, "'logits'"),
    ("cnn", {"inputs": [ONE], "outputs": [{"name": "digits"}] * 2}, 400, "twice"),
    ("cnn", {"inputs": [ONE], "parameters": {"priority": -1}}, 400, "priority"),
    ("cnn", {"inputs": [ONE], "parameters": {"timeout": 1}}, 504, "deadline"),
    ("gate-xor", {"inputs": [in_json("inputs", CORNERS * 2)]}, 400, "0 to 1"),
    (
        "line",
        {
            "inputs": [in_json("images", np.zeros((1, 32, 320), np.uint8))],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 1}}],
        },
        400,
        "'probabilities' has no classification; outputs that have: none",
    ),
]


@pytest.mark.parametrize(("model", "document", "status", "said"), REFUSED)
def test_what_is_wrong_is_said_in_the_one_shape(
    server: Server, model: str, document: dict[str, Any], status: int, said: str
) -> None:
    answer = server.client.post(f"/v2/models/{model}/infer", json=document)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "code", "detail", "request_id"}
    assert said in answer.json()["error"]


def test_not_a_number_is_refused(server: Server) -> None:
    answer = ask_in_bytes(server, "cnn", "images", np.full((1, 28, 28), np.nan, np.float32))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


def test_requests_are_counted_by_door_and_template(server: Server) -> None:
    assert ask(server, "cnn", ONE).status_code == 200
    metrics = server.client.get("/metrics").text.splitlines()
    labels = 'door="open_inference",method="POST",route="/v2/models/{name}/infer",status="200"'
    [line] = [line for line in metrics if line.startswith("axon_http_requests_total{" + labels)]
    assert float(line.rpartition(" ")[2]) >= 1
