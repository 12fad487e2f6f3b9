"""MLServer's client side, as it comes from the package index: the command `mlserver infer`, its types and its codecs.

The environment is the one in which the benchmarks run MLServer itself.
"""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import environments
from tests.servers import REPOSITORY, Server

ROOM = Path(__file__).parent
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Do = Callable[..., Any]
Infer = Callable[..., list[dict[str, Any]]]

pytestmark = pytest.mark.timeout(300)  # the first test installs 70 packages


@pytest.fixture(scope="module")
def interpreter() -> Path:
    """Python with MLServer."""
    return environments.python("mlserver/requirements.txt")


@pytest.fixture(scope="module")
def do(interpreter: Path) -> Iterator[Do]:
    """Has MLServer's types and codecs carry out a task."""
    command = [str(interpreter), str(ROOM / "mlserver_codecs.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:

        def call(task: str, **given: Any) -> Any:
            agent.stdin.write(json.dumps({"task": task, **given}) + "\n")
            agent.stdin.flush()
            return json.loads(agent.stdout.readline())

        yield call
        agent.stdin.close()
        assert agent.wait(20) == 0


@pytest.fixture
def infer(interpreter: Path, server: Server, tmp_path: Path) -> Infer:
    """Runs `mlserver infer` over requests, and returns its answers in their order."""

    def run(model: str, requests: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
        asked, answered = tmp_path / "requests.json", tmp_path / "answers.json"
        asked.write_text("".join(json.dumps(request) + "\n" for request in requests))
        command = [str(interpreter.parent / "mlserver"), "infer", "--url", f"127.0.0.1:{server.port}"]
        command += ["--model-name", model, "--input-data-path", str(asked), "--output-data-path", str(answered)]
        done = subprocess.run([*command, "--retries", "1", *options], capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        answers = [json.loads(line) for line in answered.read_text().splitlines()]
        return sorted(answers, key=lambda answer: answer["parameters"]["batch_index"])

    return run


def request(name: str, values: np.ndarray, **more: Any) -> dict[str, Any]:
    """A line of the command's file."""
    datatype = {"uint8": "UINT8", "float32": "FP32", "int32": "INT32"}[values.dtype.name]
    tensor = {"name": name, "shape": list(values.shape), "datatype": datatype, "data": values.ravel().tolist()}
    return {"inputs": [tensor], **more}


def tensors(answer: dict[str, Any]) -> dict[str, np.ndarray]:
    """The outputs of an answer."""
    assert "outputs" in answer, answer
    dtypes = {"FP32": np.float32, "INT64": np.int64}
    return {
        each["name"]: np.array(each["data"], dtypes[each["datatype"]]).reshape(each["shape"])
        for each in answer["outputs"]
    }


@pytest.mark.parametrize("options", [(), ("--binary-data",)], ids=["json", "binary"])
def test_the_command_reads_what_the_rest_door_reads(
    infer: Infer, images: np.ndarray, probabilities: np.ndarray, options: tuple[str, ...]
) -> None:
    """As many images as the REST door was asked about in one request, so that each answer is the same to the bit."""
    floats = np.asarray(images / 255, np.float32)
    named = [{"name": "digits"}, {"name": "probabilities"}]
    questions = [request("images", images), request("images", floats), request("images", images, outputs=named)]
    for answer in infer("cnn", questions, *options):
        assert answer["model_name"] == "cnn"
        assert np.array_equal(tensors(answer)["probabilities"], probabilities)
        assert np.array_equal(tensors(answer)["digits"].ravel(), probabilities.argmax(axis=1))


@pytest.mark.parametrize("options", [(), ("--binary-data",)], ids=["json", "binary"])
def test_the_command_makes_one_request_of_several(
    infer: Infer, images: np.ndarray, probabilities: np.ndarray, options: tuple[str, ...]
) -> None:
    questions = [request("images", image[None], id=f"image-{index}") for index, image in enumerate(images)]
    answers = infer("cnn", questions, "--batch-size", "4", *options)
    assert [answer["id"] for answer in answers] == [f"image-{index}" for index in range(10)]
    assert len({answer["parameters"]["inference_id"] for answer in answers}) == 3, "of four, four and two"
    read = np.concatenate([tensors(answer)["probabilities"] for answer in answers])
    assert np.allclose(read, probabilities, atol=1e-6)


def test_the_command_asks_gates_and_tells_what_is_wrong(infer: Infer) -> None:
    """In a file of which some is wrong, each line is answered for itself."""
    questions = [
        request("inputs", CORNERS),
        request("inputs", CORNERS * 7),
        request("inputs", CORNERS.astype(np.int32)),
    ]
    right, large, whole = infer("gate-xor", questions)
    assert tensors(right)["outputs"].ravel().tolist() == [0, 1, 1, 0]
    assert "from 0 to 1" in large["error"]["msg"]
    assert "must be FP32, got INT32" in whole["error"]["msg"]


def test_the_command_tells_of_an_unknown_model(infer: Infer, images: np.ndarray) -> None:
    [answer] = infer("nobody", [request("images", images)])
    assert "Request for unknown model" in answer["error"]["msg"]


def ask(server: Server, model: str, body: str) -> str:
    """What the server answers to a request that MLServer's types made."""
    headers = {"content-type": "application/json"}
    answer = server.client.post(f"/v2/models/{model}/infer", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_its_codec_makes_requests_and_reads_answers(
    server: Server, do: Do, images: np.ndarray, probabilities: np.ndarray, dtype: str
) -> None:
    values = images if dtype == "uint8" else np.asarray(images / 255, np.float32)
    body = do("encode", arrays={"images": values.tolist()}, dtype=dtype, outputs=[], id="order-66")
    assert json.loads(body)["inputs"][0]["parameters"] == {"content_type": "np"}
    said = do("decode", answer=ask(server, "cnn", body))
    assert (said["id"], said["model"], said["version"]) == ("order-66", "cnn", "2")
    assert np.array_equal(np.array(said["tensors"]["probabilities"], np.float32), probabilities)
    assert said["tensors"]["digits"] == probabilities.argmax(axis=1).tolist()


def test_its_codec_makes_requests_of_a_single_array(
    server: Server, do: Do, images: np.ndarray, probabilities: np.ndarray
) -> None:
    body = do("encode_whole", values=images.tolist(), dtype="uint8")
    said = do("decode", answer=ask(server, "cnn", body))
    assert np.array_equal(np.array(said["tensors"]["probabilities"], np.float32), probabilities)


def test_its_codec_asks_gates_for_one_output(server: Server, do: Do) -> None:
    body = do("encode", arrays={"inputs": CORNERS.tolist()}, dtype="float32", outputs=["outputs"])
    assert do("decode", answer=ask(server, "gate-xor", body))["tensors"] == {"outputs": [[0], [1], [1], [0]]}


def test_its_codec_of_base64_sends_pictures(server: Server, do: Do) -> None:
    names = ("seven.png", "three.jpg")
    files = [base64.b64encode((REPOSITORY / "examples" / name).read_bytes()).decode() for name in names]
    rest = server.client.post("/v1/digits", json={"images": files}).json()["predictions"]
    said = do("decode", answer=ask(server, "cnn", do("encode_files", files=files)))["tensors"]
    assert said["digits"] == [7, 3]
    assert said["reasons"] == [each["reason"] or "" for each in rest]
    expected = np.array([each["confidence"] for each in rest]).astype(np.float32)
    assert np.array_equal(np.array(said["probabilities"], np.float32).max(axis=1), expected)


def test_its_types_read_an_error(server: Server, do: Do) -> None:
    body = do("encode", arrays={"pictures": CORNERS.tolist()}, dtype="float32", outputs=[])
    answer = server.client.post("/v2/models/gate-xor/infer", content=body)
    assert answer.status_code == 400
    read = do("parse", kind="InferenceErrorResponse", answer=answer.text)
    assert "unexpected inference input 'pictures'" in read["error"]


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/v2", "MetadataServerResponse"),
        ("GET", "/v2/models/cnn", "MetadataModelResponse"),
        ("GET", "/v2/models/gate-xor/versions/1", "MetadataModelResponse"),
        ("POST", "/v2/repository/index", "RepositoryIndexResponse"),
    ],
)
def test_its_types_read_what_there_is(server: Server, do: Do, method: str, path: str, kind: str) -> None:
    answer = server.client.request(method, path)
    read, said = do("parse", kind=kind, answer=answer.text), answer.json()
    if isinstance(said, dict):
        said = {name: value for name, value in said.items() if name in read}
        assert {"name"} < set(said)
    assert read == said
