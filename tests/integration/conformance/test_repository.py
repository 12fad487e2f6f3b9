"""Versions that are loaded, unloaded and published while the server runs, by unmodified clients."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from models import bundle
from tests import bundles
from tests.integration.conformance.triton import Client, Synchronous, tensor
from tests.servers import Server, serving, until

SEVEN = tensor("images", np.stack([bundles.image_of(7)]))
WORKERS = 2
EVERY_WORKER = 20  # answers in a row from two workers: one in a million that a worker gave none of them


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Published models of their own: a reader, another reader, and a gate."""
    root = tmp_path / "models"
    bundles.publish(root, "cnn")
    bundles.publish(root, "rnn")
    return root


@pytest.fixture
def live(root: Path, tmp_path: Path) -> Iterator[Server]:
    settings = {"AXON_MODELS__ROOT": str(root), "AXON_HTTP__WORKERS": str(WORKERS)}
    with serving(tmp_path / "log", **settings) as running:
        yield running


@pytest.fixture
def client(kind: type[Client], live: Server) -> Iterator[Client]:
    with closing(kind(f"127.0.0.1:{live.port}")) as opened:
        yield opened


def index(client: Client) -> dict[tuple[str, str], str]:
    """The state of each version."""
    return {(each["name"], each["version"]): each["state"] for each in client.get_model_repository_index()}


def answering(server: Server, model: str) -> set[str]:
    """The versions that answer, or the statuses of those who refuse, on connections to any worker."""
    return {one_answer(server, model) for _ in range(EVERY_WORKER)}


def one_answer(server: Server, model: str) -> str:
    with closing(Synchronous(f"127.0.0.1:{server.port}")) as fresh:
        try:
            return fresh.infer(model, [SEVEN]).get_response()["model_version"]
        except InferenceServerException as refused:
            return refused.status()


def test_a_version_that_is_published_is_loaded(client: Client, live: Server, root: Path) -> None:
    bundles.publish(root, "cnn", version=2)
    client.load_model("cnn")
    assert index(client)["cnn", "2"] == "READY"
    assert answering(live, "cnn") == {"2"}
    assert client.is_model_ready("cnn", "1"), "the one before is kept"


def test_a_model_that_is_published_is_loaded(client: Client, live: Server, root: Path) -> None:
    bundles.publish(root, "newcomer")
    client.load_model("newcomer")
    assert answering(live, "newcomer") == {"1"}
    assert client.get_model_metadata("newcomer")["inputs"][0]["name"] == "images"


def test_a_model_is_unloaded_and_loaded_again(client: Client, live: Server) -> None:
    client.unload_model("rnn")
    until(lambda: answering(live, "rnn") == {"404"}, 20, "every worker refusing")
    assert not client.is_model_ready("rnn")
    assert index(client)["rnn", "1"] == "UNAVAILABLE"
    assert client.is_server_ready(), "it is not required"
    assert answering(live, "cnn") == {"1"}, "the others serve"
    client.load_model("rnn")
    assert client.is_model_ready("rnn")
    assert index(client)["rnn", "1"] == "READY"
    assert answering(live, "rnn") == {"1"}


def test_a_bad_version_replaces_nothing_and_says_why(client: Client, live: Server, root: Path) -> None:
    folder = bundles.publish(root, "cnn", version=2)
    (folder / bundle.ONNX).write_bytes(b"not a graph")
    with pytest.raises(InferenceServerException, match=r"model\.onnx") as refused:
        client.load_model("cnn")
    assert refused.value.status() in ("400", "422", "503")
    assert answering(live, "cnn") == {"1"}
    listed = {(each["name"], each["version"]): each for each in client.get_model_repository_index()}
    assert listed["cnn", "2"]["state"] == "UNAVAILABLE"
    assert "model.onnx" in listed["cnn", "2"]["reason"]


def test_a_version_that_is_withdrawn_is_gone_after_loading(client: Client, live: Server, root: Path) -> None:
    bundles.publish(root, "cnn", version=2)
    client.load_model("cnn")
    assert answering(live, "cnn") == {"2"}
    shutil.rmtree(root / "cnn" / "2")
    client.load_model("cnn")
    assert answering(live, "cnn") == {"1"}


@pytest.mark.parametrize("method", ["load_model", "unload_model"])
def test_what_is_not_published_cannot_be_asked_for(client: Client, method: str) -> None:
    with pytest.raises(InferenceServerException, match="unknown model") as refused:
        getattr(client, method)("nobody")
    assert refused.value.status() == "404"


def test_a_model_cannot_be_sent_along(client: Client, live: Server) -> None:
    """Triton takes files in the request; here a model is what `publish` wrote, and nothing else."""
    with pytest.raises(InferenceServerException, match="cannot be given") as refused:
        client.load_model("cnn", config="{}", files={"file:1/model.onnx": b"anything"})
    assert refused.value.status() == "400"
    assert answering(live, "cnn") == {"1"}


def test_requests_go_on_being_answered_while_versions_come(client: Client, live: Server, root: Path) -> None:
    answers = []
    for version in range(2, 6):
        bundles.publish(root, "cnn", version=version)
        client.load_model("cnn")
        answers += client.together(32, "cnn", [SEVEN])
    assert [answer.as_numpy("digits").tolist() for answer in answers] == [[7]] * len(answers)
