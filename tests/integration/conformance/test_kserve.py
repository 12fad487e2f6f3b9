"""The inference client of KServe's Python SDK, as it comes from the package index, in an environment of its own."""

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
Ask = Callable[..., dict[str, Any]]
DATATYPES = {"uint8": "UINT8", "float32": "FP32", "int32": "INT32"}
BOTH = [{"name": "probabilities"}, {"name": "digits"}]
GRANTED = [each | {"parameters": {"binary_data": True}} for each in BOTH]

pytestmark = pytest.mark.timeout(300)  # the first test installs 70 packages


@pytest.fixture(scope="module")
def ask(server: Server) -> Iterator[Ask]:
    """Calls a method of the client, and returns what it said or raised."""
    interpreter = environments.made(ROOM / "kserve.txt", REPOSITORY / ".tools" / "kserve")
    command = [str(interpreter), str(ROOM / "kserve_client.py"), server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:

        def call(method: str, **arguments: Any) -> dict[str, Any]:
            agent.stdin.write(json.dumps({"method": method, **arguments}) + "\n")
            agent.stdin.flush()
            return json.loads(agent.stdout.readline())

        yield call
        agent.stdin.close()
        assert agent.wait(20) == 0


def tensor(name: str, values: np.ndarray, *, binary: bool) -> dict[str, Any]:
    """An input as `kserve_client.py` reads it."""
    shape, dtype = list(values.shape), values.dtype.name
    data = values.ravel().tolist()
    return {
        "name": name,
        "shape": shape,
        "datatype": DATATYPES[dtype],
        "dtype": dtype,
        "data": data,
        "binary": binary,
    }


def test_it_finds_the_server_live_and_ready(ask: Ask) -> None:
    assert ask("is_server_live") == {"said": True}
    assert ask("is_server_ready") == {"said": True}


@pytest.mark.parametrize(("model", "is_ready"), [("cnn", True), ("rnn", True), ("gate-xor", True), ("nobody", False)])
def test_it_finds_models_ready(ask: Ask, model: str, is_ready: bool) -> None:
    assert ask("is_model_ready", model_name=model) == {"said": is_ready}


@pytest.mark.parametrize("outputs", [[], BOTH, GRANTED], ids=["unsaid", "json", "binary"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_it_reads_what_the_rest_door_reads(
    ask: Ask, images: np.ndarray, probabilities: np.ndarray, dtype: str, binary: bool, outputs: list
) -> None:
    values = images if dtype == "uint8" else np.asarray(images / 255, np.float32)
    said = ask("infer", model="cnn", inputs=[tensor("images", values, binary=binary)], outputs=outputs)["said"]
    assert said["model"] == "cnn"
    assert said["is_binary"] is (outputs == GRANTED)
    assert np.array_equal(np.array(said["outputs"]["probabilities"], np.float32), probabilities)
    assert said["outputs"]["digits"] == probabilities.argmax(axis=1).tolist()


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_it_asks_gates(ask: Ask, binary: bool) -> None:
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    said = ask("infer", model="gate-xor", inputs=[tensor("inputs", corners, binary=binary)], outputs=[])["said"]
    assert said["outputs"]["outputs"] == [[0], [1], [1], [0]]


def test_all_outputs_are_binary_where_the_request_says_so(ask: Ask, images: np.ndarray) -> None:
    said = ask(
        "infer",
        model="cnn",
        inputs=[tensor("images", images, binary=True)],
        outputs=[],
        parameters={"binary_data_output": True},
    )["said"]
    assert said["is_binary"]
    assert said["outputs"]["digits"] == list(range(10))


def test_a_request_keeps_its_id(ask: Ask, images: np.ndarray) -> None:
    inputs = [tensor("images", images, binary=True)]
    assert ask("infer", model="cnn", inputs=inputs, outputs=[], request_id="order-66")["said"]["id"] == "order-66"


@pytest.mark.parametrize(
    ("model", "name", "values", "status", "reason"),
    [
        ("nobody", "images", np.zeros((1, 28, 28), np.uint8), 404, "unknown model"),
        ("cnn", "pictures", np.zeros((1, 28, 28), np.uint8), 400, "pictures"),
        ("cnn", "images", np.zeros((1, 28, 28), np.int32), 400, "INT32"),
        ("cnn", "images", np.zeros((1, 27, 28), np.uint8), 400, "27"),
        ("gate-and", "inputs", np.full((1, 2), 7, np.float32), 400, "7"),
    ],
    ids=["model", "input", "dtype", "shape", "value"],
)
def test_an_error_says_what_is_wrong(
    ask: Ask, model: str, name: str, values: np.ndarray, status: int, reason: str
) -> None:
    refused = ask("infer", model=model, inputs=[tensor(name, values, binary=True)], outputs=[])
    assert refused["status"] == status, refused
    assert reason in refused["error"]
