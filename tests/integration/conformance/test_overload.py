"""Deadlines, overload and readiness, as clients see them: against a model that takes seconds where it is told to."""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from models import bundle
from tests import bundles
from tests.integration.conformance.triton import Client, tensor
from tests.servers import Server, serving, until

MOST = 1_024  # rows of a request
SEVEN = np.stack([bundles.image_of(7)])
SLOW = np.stack([*[bundles.image_of(7)] * (MOST - 1), bundles.trapped(3)])


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, a short queue, and a model that takes seconds for a batch with a trapped image."""
    folder = tmp_path_factory.mktemp("slow")
    bundles.publish(folder / "models", "cnn", trap="slow")
    settings = {"AXON_MODELS__ROOT": str(folder / "models"), "AXON_INFERENCE__MAX_QUEUE_ROWS": "2048"}
    with serving(folder / "log", AXON_HTTP__WORKERS="1", **settings) as running:
        yield running


def metric(server: Server, name: str) -> float:
    """The sum of a metric over its labels."""
    lines = server.client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def ask(server: Server, images: np.ndarray) -> http.client.HTTPConnection:
    """Sends a request and leaves it waiting; whoever closes the connection takes it back."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    shape = list(images.shape)
    tensors = [{"name": "images", "shape": shape, "datatype": "UINT8", "parameters": {"binary_data_size": images.size}}]
    head = json.dumps({"inputs": tensors, "parameters": {"timeout": 60_000_000}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    connection.request("POST", "/v2/models/cnn/infer", head + images.tobytes(), headers)
    return connection


def settle(server: Server) -> None:
    """Waits until nothing is at work: what nobody waits for any more runs to its end."""
    with closing(ask(server, SEVEN)) as connection:
        assert connection.getresponse().status == 200


@contextmanager
def occupied(server: Server, waiting: int) -> Iterator[None]:
    """One request at work and so many in the queue."""
    settle(server)
    with ExitStack() as stack:
        stack.enter_context(closing(ask(server, SLOW)))
        until(lambda: metric(server, "axon_inflight_requests") == 1, 20, "one at work")
        for _ in range(waiting):
            stack.enter_context(closing(ask(server, SLOW)))
        until(lambda: metric(server, "axon_queue_rows") == waiting * MOST, 20, "the others waiting")
        yield


@pytest.fixture
def client(kind: type[Client], slow: Server) -> Iterator[Client]:
    with closing(kind(f"127.0.0.1:{slow.port}")) as opened:
        yield opened


def test_a_full_queue_is_429(client: Client, slow: Server) -> None:
    with occupied(slow, waiting=2):
        with pytest.raises(InferenceServerException, match=r"2048 rows wait for model cnn") as refused:
            client.infer("cnn", [tensor("images", SEVEN)], timeout=60_000_000)
        assert refused.value.status() == "429"
        assert client.is_server_ready()
        assert client.is_model_ready("cnn")


def test_a_deadline_that_passes_at_work_is_504(client: Client, slow: Server) -> None:
    settle(slow)
    with pytest.raises(InferenceServerException, match="deadline") as refused:
        client.infer("cnn", [tensor("images", SLOW)], timeout=400_000)
    assert refused.value.status() == "504"


def test_a_deadline_that_has_passed_is_504(client: Client, slow: Server) -> None:
    settle(slow)
    with pytest.raises(InferenceServerException, match="deadline") as refused:
        client.infer("cnn", [tensor("images", SEVEN)], timeout=1)
    assert refused.value.status() == "504"


def test_a_deadline_that_cannot_be_met_is_429(client: Client, slow: Server) -> None:
    """It is refused at once, or when its time in the queue is over, and never answered late."""
    with occupied(slow, waiting=1):
        with pytest.raises(InferenceServerException, match="deadline") as refused:
            client.infer("cnn", [tensor("images", SEVEN)], timeout=1_000_000)
        assert refused.value.status() == "429"


def test_a_client_may_lose_its_patience(kind: type[Client], slow: Server) -> None:
    """What it raises is its own affair; that nobody waits any more is noticed here."""
    settle(slow)
    with (
        closing(kind(f"127.0.0.1:{slow.port}", seconds=0.4)) as hasty,
        pytest.raises((InferenceServerException, TimeoutError)),
    ):
        hasty.infer("cnn", [tensor("images", SLOW)])
    until(lambda: metric(slow, "axon_inflight_requests") == 0, 60, "nobody being waited for")
    with closing(kind(f"127.0.0.1:{slow.port}")) as patient:
        assert patient.infer("cnn", [tensor("images", SEVEN)]).as_numpy("digits").tolist() == [7]


def test_a_model_that_failed_is_not_ready(kind: type[Client], tmp_path: Path) -> None:
    broken = bundles.publish(tmp_path / "models", "cnn")
    (broken / bundle.ONNX).write_bytes(b"not a graph")
    bundles.publish(tmp_path / "models", "rnn")
    settings = {"AXON_MODELS__ROOT": str(tmp_path / "models"), "AXON_HTTP__WORKERS": "1"}
    with serving(tmp_path / "log", ready=False, **settings) as running:
        running.wait("/livez")
        with closing(kind(f"127.0.0.1:{running.port}")) as opened:
            assert opened.is_server_live()
            assert not opened.is_server_ready(), "the cnn is required"
            assert not opened.is_model_ready("cnn")
            assert opened.is_model_ready("rnn")
            with pytest.raises(InferenceServerException) as refused:
                opened.infer("cnn", [tensor("images", SEVEN)])
            assert refused.value.status() == "503"
            index = {each["name"]: each for each in opened.get_model_repository_index()}
            assert index["rnn"]["state"] == "READY"
            assert index["cnn"]["state"] == "UNAVAILABLE"
            assert "model.onnx" in index["cnn"]["reason"]
